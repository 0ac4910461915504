// Every key and tensor of a GGUF model is used, known to be harmless, or refused by name: what a graph leaves out
// changes its results without a word.
#include "models/golden.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using More = std::function<void(ql_gguf_writer *)>;

Result<std::unique_ptr<Model>> open_with(const More & more) {
    const TemporaryFolder folder;
    TinyModelOptions options;
    options.more = more;
    return open_model(write_tiny_model(folder.path("m.gguf"), options),
                      {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
}

void expect_refused(const More & more, const char * message, ql_status code = QL_UNSUPPORTED) {
    const auto model = open_with(more);
    ASSERT_FALSE(model.ok()) << message;
    EXPECT_EQ(model.code(), code) << model.message();
    EXPECT_NE(model.message().find(message), std::string::npos) << model.message();
    EXPECT_NE(model.message().find("m.gguf: "), std::string::npos) << model.message();
}

More tensor(const char * name, std::vector<int64_t> ne) {
    static const std::vector<float> values(1 << 16, 0.5f);
    return [=](ql_gguf_writer * w) {
        ASSERT_EQ(ql_gguf_add_tensor(w, name, QL_F32, static_cast<int>(ne.size()), ne.data(), values.data()), QL_OK)
            << ql_error_message();
    };
}
More number(const char * key, int64_t value) {
    return [=](ql_gguf_writer * w) { ASSERT_EQ(ql_gguf_set_int(w, key, QL_GGUF_U32, value), QL_OK); };
}
More real(const char * key, float value) {
    return [=](ql_gguf_writer * w) { ASSERT_EQ(ql_gguf_set_f32(w, key, value), QL_OK); };
}
More flag(const char * key, bool value) {
    return [=](ql_gguf_writer * w) { ASSERT_EQ(ql_gguf_set_bool(w, key, value), QL_OK); };
}
More text(const char * key, std::string value) {
    return [=](ql_gguf_writer * w) { ASSERT_EQ(ql_gguf_set_string(w, key, value.data(), value.size()), QL_OK); };
}
More array(const char * key, std::vector<uint32_t> values) {
    return [=](ql_gguf_writer * w) {
        ASSERT_EQ(ql_gguf_set_array(w, key, QL_GGUF_U32, values.data(), static_cast<int64_t>(values.size())), QL_OK);
    };
}

TEST(Account, TensorsThatTheGraphDoesNotReadAreRefusedByName) {
    expect_refused(tensor("blk.0.ffn_gate_inp.weight", {64, 4}),
                   "tensor 'blk.0.ffn_gate_inp.weight' would not be used: mixture of experts is not supported");
    expect_refused(tensor("blk.2.attn_norm.weight", {64}), "the model says that it has 2 layers");
    expect_refused(tensor("blk.0.attn_norm.bias", {64}), "layer norm with a bias");
    expect_refused(tensor("blk.1.attn_q_norm.weight", {16}), "'blk.1.attn_q_norm.weight' would not be used");
    expect_refused(tensor("output.bias", {300}), "'output.bias' would not be used");
}

TEST(Account, ABiasHasTheLengthOfItsRows) {
    EXPECT_TRUE(open_with(tensor("blk.0.attn_k.bias", {32})).ok());
    expect_refused(tensor("blk.0.attn_k.bias", {64}), "tensor 'blk.0.attn_k.bias' is [64], [32] is needed",
                   QL_BAD_FILE);
}

TEST(Account, NormsAndBiasesAreNumbers) {
    static const std::vector<float> values(32, NAN);
    const More nan = [](ql_gguf_writer * w) {
        const int64_t n = 32;
        ASSERT_EQ(ql_gguf_add_tensor(w, "blk.0.attn_k.bias", QL_F32, 1, &n, values.data()), QL_OK);
    };
    expect_refused(nan, "tensor 'blk.0.attn_k.bias': element 0 is nan", QL_NON_FINITE);
}

TEST(Account, KeysThatNobodyReadsAreRefusedByName) {
    expect_refused(flag("llama.attention.causal", false), "llama.attention.causal: only 1 is supported");
    expect_refused(number("llama.expert_count", 8), "llama.expert_count: only 0 is supported");
    expect_refused(real("llama.logit_scale", 0.5f), "llama.logit_scale: only 1 is supported");
    expect_refused(text("llama.expert_count", "0"), "llama.expert_count: only 0 is supported");
    expect_refused(number("llama.some_new_thing", 0), "the key 'llama.some_new_thing' is not known here");
    expect_refused(number("llama.attention.value_length", 8), "value_length is 8, the key length is 16");
    expect_refused(text("llama.rope.scaling.type", "dynamic"), "'dynamic' is not supported");
}

TEST(Account, HarmlessKeysAreTaken) {
    const auto model = open_with([](ql_gguf_writer * w) {
        flag("llama.attention.causal", true)(w), number("llama.expert_count", 0)(w), real("llama.logit_scale", 1)(w);
        number("llama.attention.sliding_window", 256)(w), number("llama.attention.value_length", 16)(w);
        text("llama.tensor_data_layout", "Meta AI original pth")(w), number("llamas.other", 1)(w);
        text("llama.rope.scaling.type", "none")(w), real("llama.rope.scaling.factor", 8)(w);
    });
    ASSERT_TRUE(model.ok()) << model.message();
    EXPECT_EQ((*model)->hparams().rope.scale, 1.0f);
}

TEST(Account, AFactorWithoutATypeIsLinear) {
    EXPECT_EQ((*open_with(real("llama.rope.scaling.factor", 8)))->hparams().rope.scale, 0.125f);
    EXPECT_EQ((*open_with(real("llama.rope.scale_linear", 4)))->hparams().rope.scale, 0.25f);
    expect_refused(real("llama.rope.scaling.factor", -2), "-2 is not positive", QL_BAD_FILE);
}

TEST(Account, CountsMayBeWrittenForEachLayer) {
    const auto equal = open_with([](ql_gguf_writer * w) {
        array("llama.attention.head_count", {4, 4})(w), array("llama.attention.head_count_kv", {2, 2})(w);
        array("llama.feed_forward_length", {128, 128})(w);
    });
    ASSERT_TRUE(equal.ok()) << equal.message();
    EXPECT_EQ((*equal)->hparams().layers, std::vector<LayerShape>(2, {4, 2, 128}));
    expect_refused(array("llama.attention.head_count_kv", {2, 4}),
                   "tensor 'blk.1.attn_k.weight' is [64, 32], [64, 64] is needed", QL_BAD_FILE);
    expect_refused(array("llama.attention.head_count_kv", {2, 0}), "number of key-value heads of layer 1 is 0",
                   QL_BAD_FILE);
    expect_refused(array("llama.attention.head_count_kv", {2, 3}), "4 heads of layer 1 are no multiple of 3",
                   QL_BAD_FILE);
    expect_refused(array("llama.feed_forward_length", {0, 128}), "feed-forward length of layer 0 is 0", QL_BAD_FILE);
    expect_refused(array("llama.attention.head_count", {4}), "1 values for 2 layers", QL_BAD_FILE);
    expect_refused(number("llama.attention.head_count", 0), "llama.attention.key_length is missing", QL_BAD_FILE);
    expect_refused(number("llama.attention.head_count", 5), "5 heads do not divide 64", QL_BAD_FILE);
}

TEST(Account, TheAttentionFactorMultipliesTheRotation) {
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    const std::vector<int32_t> ids = {1, 2, 3, 4, 5};
    const auto plain = open_with({}), same = open_with(real("llama.rope.scaling.attn_factor", 1)),
               other = open_with(real("llama.rope.scaling.attn_factor", 1.5f));
    ASSERT_TRUE(other.ok()) << other.message();
    const auto logits = logits_of(**plain, device.get(), ids);
    EXPECT_EQ(logits_of(**same, device.get(), ids), logits);
    EXPECT_GT(nmse(logits_of(**other, device.get(), ids), logits), 1e-6);
}

}  // namespace
}  // namespace ql::test
