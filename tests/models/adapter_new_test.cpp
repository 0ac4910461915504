// A new adapter: its numbers, its scale, the linears it covers, and the options that are refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/adapters.hpp"

namespace ql::test {
namespace {

TEST(NewAdapter, CoversEveryLinearWithUniformAAndZeroB) {
    const Adapter adapter = new_adapter(llama(), {}).value();
    EXPECT_EQ(adapter.matrices.size(), 21u);
    EXPECT_EQ(adapter.architecture, "llama");
    EXPECT_EQ(find(adapter, "token_embd.weight"), nullptr);
    EXPECT_EQ(find(adapter, "output.weight"), nullptr);
    double sum = 0, squares = 0;
    int64_t n = 0;
    for (const LoraMatrix & m : adapter.matrices) {
        EXPECT_EQ(m.scale, 2.0f);
        const double bound = 1 / std::sqrt(static_cast<double>(m.k));
        for (const float v : m.a) {
            ASSERT_LT(std::fabs(v), bound);
            sum += static_cast<double>(v) / bound,
                squares += static_cast<double>(v) * static_cast<double>(v) / bound / bound, ++n;
        }
        for (const float v : m.b) ASSERT_EQ(v, 0.0f);
        EXPECT_EQ(m.a.size(), static_cast<size_t>(m.k * 16));
        EXPECT_EQ(m.b.size(), static_cast<size_t>(m.m * 16));
    }
    EXPECT_NEAR(sum / static_cast<double>(n), 0, 0.02);  // of U(-1, 1): mean 0, variance 1/3
    EXPECT_NEAR(squares / static_cast<double>(n), 1 / 3.0, 0.01);
    const LoraMatrix * k = find(adapter, "blk.1.attn_k.weight");
    EXPECT_EQ(k->k, 64);
    EXPECT_EQ(k->m, 32);
}

TEST(NewAdapter, NumbersDependOnSeedWeightAndElementAlone) {
    const Adapter all = new_adapter(llama(), {5, 8, false, "all", 1}).value();
    const Adapter some = new_adapter(llama(), {5, 8, false, "attn_v", 1}).value();
    const Adapter wider = new_adapter(llama(), {7, 8, false, "attn_v", 1}).value();
    const Adapter other = new_adapter(llama(), {5, 8, false, "attn_v", uint64_t{1} << 32}).value();
    const LoraMatrix *x = find(all, "blk.2.attn_v.weight"), *y = find(some, "blk.2.attn_v.weight");
    EXPECT_EQ(x->a, y->a);
    EXPECT_TRUE(std::equal(x->a.begin(), x->a.end(), find(wider, "blk.2.attn_v.weight")->a.begin()));
    EXPECT_NE(x->a, find(other, "blk.2.attn_v.weight")->a);
    EXPECT_NE(x->a, find(all, "blk.1.attn_v.weight")->a);
}

TEST(NewAdapter, RsloraScalesByTheRoot) {
    EXPECT_EQ(new_adapter(llama(), {16, 32, true, "mlp", 1})->matrices[0].scale, 8.0f);
    EXPECT_FLOAT_EQ(new_adapter(llama(), {12, 32, false, "mlp", 1})->matrices[0].scale, 32.0f / 12);
}

TEST(NewAdapter, TargetsSelect) {
    const auto count = [](const char * targets) {
        return new_adapter(llama(), {4, 8, false, targets, 1})->matrices.size();
    };
    EXPECT_EQ(count("all"), 21u);
    EXPECT_EQ(count("attn"), 12u);
    EXPECT_EQ(count("mlp"), 9u);
    EXPECT_EQ(count("attn_(q|v)"), 6u);
    EXPECT_EQ(count(R"(^blk\.[12]\.ffn_down\.weight$)"), 2u);
}

TEST(NewAdapter, RejectsWhatCannotBe) {
    struct Row {
        LoraOptions options;
        const char * message;
    };
    const Row table[] = {
        {{0, 8, false, "all", 1}, "LoRA r is 0, 1 to 64 are possible"},
        {{-1, 8, false, "all", 1}, "LoRA r is -1"},
        {{65, 8, false, "all", 1}, "LoRA r is 65"},
        {{33, 8, false, "attn_k", 1}, "LoRA r is 33, 1 to 32 are possible"},
        {{1000000000, 8, false, "all", 1}, "LoRA r is 1000000000"},
        {{4, 0, false, "all", 1}, "LoRA alpha is 0"},
        {{4, -1, false, "all", 1}, "LoRA alpha is -1"},
        {{4, NAN, false, "all", 1}, "LoRA alpha is nan"},
        {{4, INFINITY, false, "all", 1}, "LoRA alpha is inf"},
        {{4, 8, false, "embed", 1}, "attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up, ffn_down"},
        {{4, 8, false, "q_proj", 1}, "'q_proj' are PEFT's names; here they are 'attn_q'"},
        {{4, 8, false, "self_attn.o_proj,down_proj", 1}, "here they are 'attn_output|ffn_down'"},
        {{4, 8, false, "['q_proj', 'v_proj']", 1}, "here they are 'attn_q|attn_v'"},
        {{4, 8, false, "attn_q,attn_v", 1}, "several are written with | between"},
        {{4, 8, false, "", 1}, "match none"},
        {{4, 8, false, "token_embd", 1}, "match none"},
        {{4, 8, false, "attn_(q", 1}, "at character 7"},
        {{4, 8, false, "(\\w+\\w+)+\\d!", 1}, "regular expression"},
    };
    for (const Row & row : table) {
        const auto adapter = new_adapter(llama(), row.options);
        ASSERT_FALSE(adapter.ok()) << row.message;
        if (row.options.targets.find('!') != std::string::npos)
            continue;  // no match, or too many steps: both are errors
        EXPECT_EQ(adapter.code(), QL_INVALID_ARGUMENT);
        EXPECT_NE(adapter.message().find(row.message), std::string::npos) << adapter.message();
    }
}

}  // namespace
}  // namespace ql::test
