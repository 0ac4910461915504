// GGUF keys of the dense architectures: what each reads beyond Llama's, and what is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "models/load/open_model.hpp"
#include "models/model/model.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using More = std::function<void(ql_gguf_writer *)>;

Result<std::unique_ptr<Model>> open_with(const char * arch, const More & more, int64_t n_layer = 2) {
    const TemporaryFolder folder;
    TinyModelOptions options;
    options.arch = arch;
    options.n_layer = n_layer;
    options.more = more;
    return open_model(write_tiny_model(folder.path("m.gguf"), options),
                      {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
}

More text(const char * key, const char * value) {
    return [=](ql_gguf_writer * w) { ASSERT_EQ(ql_gguf_set_string(w, key, value, std::strlen(value)), QL_OK); };
}
More number(const char * key, int64_t value) {
    return [=](ql_gguf_writer * w) { ASSERT_EQ(ql_gguf_set_int(w, key, QL_GGUF_U32, value), QL_OK); };
}
More real(const char * key, float value) {
    return [=](ql_gguf_writer * w) { ASSERT_EQ(ql_gguf_set_f32(w, key, value), QL_OK); };
}
More flag(const char * key, int value) {
    return [=](ql_gguf_writer * w) { ASSERT_EQ(ql_gguf_set_bool(w, key, value), QL_OK); };
}
More both(const More & a, const More & b) {
    return [=](ql_gguf_writer * w) { a(w), b(w); };
}

TEST(DenseKeys, GranitesDivisorAndRopeSwitch) {
    const auto model =
        open_with("granite", both(real("granite.logit_scale", 4), flag("granite.rope.scaling.finetuned", 0)));
    ASSERT_TRUE(model.ok()) << model.message();
    EXPECT_EQ((*model)->hparams().logit_scale, 0.25f);
    EXPECT_EQ((*model)->hparams().rope_of(1), nullptr);
    EXPECT_NE((*open_with("granite", nullptr))->hparams().rope_of(1), nullptr);
}

TEST(DenseKeys, WindowsOfAllLayers) {
    const auto model = open_with("llama", number("llama.attention.sliding_window", 16));
    ASSERT_TRUE(model.ok()) << model.message();
    EXPECT_EQ((*model)->hparams().layer(0).window, 16);
    EXPECT_EQ((*model)->hparams().layer(1).window, 16);
    EXPECT_EQ((*open_with("llama", number("llama.attention.sliding_window", 256)))->hparams().layer(1).window, 0);
}

TEST(DenseKeys, SmolLm3sFourthLayerRotatesNothing) {
    const auto model = open_with("smollm3", nullptr, 5);
    ASSERT_TRUE(model.ok()) << model.message();
    EXPECT_EQ((*model)->hparams().rope_of(3), nullptr);
    EXPECT_NE((*model)->hparams().rope_of(4), nullptr);
}

TEST(DenseKeys, YarnMakesRopeFactors) {
    const More yarn = both(text("qwen2.rope.scaling.type", "yarn"), real("qwen2.rope.scaling.factor", 4));
    const auto model = open_with("qwen2", both(yarn, number("qwen2.rope.scaling.original_context_length", 64)));
    ASSERT_TRUE(model.ok()) << model.message();
    const Weight * factors = (*model)->find("rope_freqs.weight");
    ASSERT_TRUE(factors);
    const auto * const values = static_cast<const float *>(factors->data);
    EXPECT_EQ(values[0], 1.0f);
    EXPECT_EQ(values[factors->ne[0] - 1], 4.0f);
    EXPECT_NEAR((*model)->hparams().rope.magnitude, 0.1 * std::log(4.0) + 1, 1e-6);
}

TEST(DenseKeys, RejectsWhatDoesNotFit) {
    struct Row {
        const char * arch;
        More more;
        const char * message;
        ql_status code = QL_BAD_FILE;
    };
    static const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    const More yarn = text("llama.rope.scaling.type", "yarn");
    const More rope_freqs = [](ql_gguf_writer * w) {
        const int64_t n = 8;
        ASSERT_EQ(ql_gguf_add_tensor(w, "rope_freqs.weight", QL_F32, 1, &n, ones), QL_OK);
    };
    const More short_pattern = [](ql_gguf_writer * w) {
        const uint8_t flags[] = {1, 0, 1};
        ASSERT_EQ(ql_gguf_set_array(w, "gemma2.attention.sliding_window_pattern", QL_GGUF_BOOL, flags, 3), QL_OK);
    };
    const Row table[] = {
        {"granite", real("granite.logit_scale", 0), "the divisor of the logits is 0, not positive"},
        {"granite", real("granite.residual_scale", -1), "residual scale -1 is not positive"},
        {"llama", yarn, "llama.rope.scaling.factor: 0 is not positive"},
        {"llama", both(both(yarn, real("llama.rope.scaling.factor", 4)), rope_freqs), "exclude each other"},
        {"llama",
         both(both(yarn, real("llama.rope.scaling.factor", 4)), real("llama.rope.scaling.yarn_attn_factor", 2)),
         "yarn_attn_factor: only 1 is supported", QL_UNSUPPORTED},
        {"mistral3", real("mistral3.attention.temperature_scale", 0.1f), "original_context_length"},
        {"gemma2", short_pattern, "3 values for 2 layers"},
        {"gemma2", nullptr, "tensor 'blk.0.post_attention_norm.weight' is missing"},
        {"qwen3", nullptr, "tensor 'blk.0.attn_q_norm.weight' is missing"},
        {"olmo2", nullptr, "tensor 'blk.0.attn_norm.weight' would not be used", QL_UNSUPPORTED},
        {"phi3", nullptr, "tensor 'blk.0.ffn_gate.weight' would not be used", QL_UNSUPPORTED},
        {"qwen3moe", nullptr, "missing are experts", QL_UNSUPPORTED},
    };
    for (const Row & row : table) {
        const auto model = open_with(row.arch, row.more);
        ASSERT_FALSE(model.ok()) << row.message;
        EXPECT_EQ(model.code(), row.code) << model.message();
        EXPECT_NE(model.message().find(row.message), std::string::npos) << row.message << ": " << model.message();
    }
}

}  // namespace
}  // namespace ql::test
