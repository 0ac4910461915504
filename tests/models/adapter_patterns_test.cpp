// Ranks and alphas by weight, and the layers that get an adapter.
#include <gtest/gtest.h>

#include "models/adapter/layers.hpp"
#include "models/adapters.hpp"

namespace ql::test {
namespace {

LoraOptions with(const char * ranks, const char * alphas = "", const char * layers = "") {
    LoraOptions o{4, 8, false, "all", 1};
    o.rank_pattern = ranks, o.alpha_pattern = alphas, o.layers = layers;
    return o;
}

void expect_refused(const LoraOptions & options, const std::string & message) {
    const auto adapter = new_adapter(llama(), options);
    ASSERT_FALSE(adapter.ok()) << message;
    EXPECT_EQ(adapter.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(adapter.message().find(message), std::string::npos) << adapter.message();
}

TEST(AdapterPatterns, TheFirstPatternThatIsFoundDecides) {
    const Adapter adapter = new_adapter(llama(), with(R"(attn_q=32,blk\.0\.=2,ffn_(up|down){1,2}\.=7)")).value();
    EXPECT_EQ(find(adapter, "blk.0.attn_q.weight")->r, 32);  // the second is found too
    EXPECT_EQ(find(adapter, "blk.2.attn_q.weight")->r, 32);
    EXPECT_EQ(find(adapter, "blk.0.ffn_up.weight")->r, 2);
    EXPECT_EQ(find(adapter, "blk.1.ffn_up.weight")->r, 7);
    EXPECT_EQ(find(adapter, "blk.1.attn_k.weight")->r, 4);
    const LoraMatrix & q = *find(adapter, "blk.0.attn_q.weight");
    EXPECT_EQ(q.a.size(), static_cast<size_t>(64 * 32));
    EXPECT_EQ(q.b.size(), static_cast<size_t>(64 * 32));
    EXPECT_EQ(q.scale, 0.25f);
}

TEST(AdapterPatterns, AlphaAndRankMakeTheScale) {
    const LoraOptions options = with("attn_q=2", "attn_=5,ffn_up=0.5");
    const Adapter adapter = new_adapter(llama(), options).value();
    EXPECT_EQ(find(adapter, "blk.1.attn_q.weight")->scale, 2.5f);
    EXPECT_EQ(find(adapter, "blk.1.attn_v.weight")->scale, 1.25f);
    EXPECT_EQ(find(adapter, "blk.1.ffn_up.weight")->scale, 0.125f);
    EXPECT_EQ(find(adapter, "blk.1.ffn_down.weight")->scale, 2.0f);
    LoraOptions rslora = options;
    rslora.rslora = true;
    EXPECT_FLOAT_EQ(find(new_adapter(llama(), rslora).value(), "blk.1.attn_q.weight")->scale, 5 / std::sqrt(2.0f));
}

TEST(AdapterPatterns, APatternChangesNoOtherValues) {
    const Adapter plain = new_adapter(llama(), with("")).value(),
                  other = new_adapter(llama(), with("attn_q=9")).value();
    for (const LoraMatrix & m : plain.matrices) {
        if (m.weight.find("attn_q") != m.weight.npos) continue;
        EXPECT_EQ(m.a, find(other, m.weight)->a) << m.weight;
    }
}

TEST(AdapterPatterns, RejectsWhatIsNoPatternOrDoesNothing) {
    const std::pair<LoraOptions, const char *> table[] = {
        {with("attn_x=4"), "LoRA rank pattern 'attn_x' decides for no linear"},
        {with("attn_=4,attn_q=8"), "LoRA rank pattern 'attn_q' decides for no linear"},  // all taken by the first
        {with("", "attn_x=4"), "LoRA alpha pattern 'attn_x' decides for no linear"},
        {with("attn_q=4", "", "0-1"), ""},
        {with("blk\\.2\\.=4", "", "0-1"), "LoRA rank pattern 'blk\\.2\\.' decides for no linear"},
        {with("attn_k=33"), "gives blk.0.attn_k.weight r 33, 1 to 32 are possible"},
        {with("attn_q=65"), "gives blk.0.attn_q.weight r 65, 1 to 64"},
        {with("attn_q=0"), "r 0, 1 to 64"},
        {with("attn_q=-4"), "r -4, 1 to 64"},
        {with("attn_q=2.5"), "r 2.5, 1 to 64"},
        {with("attn_q=inf"), "r inf, 1 to 64"},
        {with("attn_q=nan"), "r nan, 1 to 64"},
        {with("attn_q=1e30"), "r 1e+30, 1 to 64"},
        {with("", "attn_q=0"), "LoRA alpha pattern 'attn_q' is 0"},
        {with("", "attn_q=nan"), "LoRA alpha pattern 'attn_q' is nan"},
        {with("", "attn_q=1e7"), "LoRA alpha pattern 'attn_q' is 1e+07"},
        {with("attn_q"), "'attn_q': REGEX=NUMBER is needed"},
        {with("attn_q="), "REGEX=NUMBER is needed"},
        {with("attn_q=4x"), "REGEX=NUMBER is needed"},
        {with("=4"), "REGEX=NUMBER is needed"},
        {with("attn_q=4,"), "nothing follows the last comma"},
        {with("attn_q=4,=3"), "REGEX=NUMBER is needed"},
        {with("attn_q=4,attn_q=5"), "'attn_q' stands there twice"},
        {with("attn_(q=4"), "LoRA rank pattern: regular expression 'attn_(q'"},
    };
    for (const auto & [options, message] : table) {
        if (*message)
            expect_refused(options, message);
        else
            EXPECT_TRUE(new_adapter(llama(), options).ok());
    }
}

TEST(AdapterLayers, NumbersAndRangesSelect) {
    const auto layers = [](const char * text) {
        std::string chosen;
        const auto flags = select_layers(text, 12);
        if (!flags.ok()) return flags.message();
        for (size_t i = 0; i < flags->size(); ++i)
            if ((*flags)[i]) chosen += std::to_string(i) + " ";
        return chosen;
    };
    EXPECT_EQ(layers(""), "0 1 2 3 4 5 6 7 8 9 10 11 ");
    EXPECT_EQ(layers("0-2,7,-1"), "0 1 2 7 11 ");
    EXPECT_EQ(layers("-3--1"), "9 10 11 ");
    EXPECT_EQ(layers("10--1,10"), "10 11 ");
    EXPECT_EQ(layers("-12"), "0 ");
    EXPECT_EQ(layers("11"), "11 ");
    for (const char * wrong : {"12", "-13", "0-12", "99999999999999999999"})
        EXPECT_GE(layers(wrong).size(), 40u) << wrong;
    EXPECT_NE(layers("12").find("there is no layer 12; the model has 0 to 11, or from the end -1 to -12"),
              std::string::npos);
    EXPECT_NE(layers("4-2").find("the range from 4 to 2 is empty"), std::string::npos);
    for (const char * wrong : {"a", "1,", ",1", "1-", "1 2", "1..3", "--1", "1,,2", "0x1"})
        EXPECT_NE(layers(wrong).find("numbers and ranges are needed"), std::string::npos) << wrong;
}

TEST(AdapterLayers, OnlyTheSelectedOnesGetAnAdapter) {
    const Adapter adapter = new_adapter(llama(), with("", "", "0,-1")).value();
    EXPECT_EQ(adapter.matrices.size(), 14u);
    EXPECT_EQ(find(adapter, "blk.1.attn_q.weight"), nullptr);
    EXPECT_NE(find(adapter, "blk.2.attn_q.weight"), nullptr);
    LoraOptions options = with("", "", "0");
    options.targets = "^blk.1.";
    expect_refused(options, "targets '^blk.1.' match none of the linears in layers '0'");
    expect_refused(with("", "", "3"), "there is no layer 3");
}

}  // namespace
}  // namespace ql::test
