// Scales of whole tensors, which lie beside nvfp4 in GGUF files: read with the weights, kept with them, in the values where a
// weight takes another type.
#include "models/model/base_identity.hpp"
#include "models/quantize/quantize_file.hpp"
#include "models/scaled_model.hpp"

namespace ql::test {
namespace {

class WeightScales : public ScaledModel {
  protected:
    std::string quantized(const std::string & name, int64_t type) const {
        const ql_quantize_options options = {sizeof options, type, type, nullptr, nullptr, 1, 0, nullptr, 0, nullptr};
        const std::string out = folder_.path(std::to_string(type) + name);
        const Status status = quantize_file(folder_.path(name), out, options);
        EXPECT_TRUE(status.ok()) << status.message();
        return out;
    }
};

TEST_F(WeightScales, BelongToTheirWeights) {
    EXPECT_EQ(scaled_->weights().size(), plain_->weights().size());
    EXPECT_EQ(scaled_->find("output.weight")->dtype, QL_NVFP4);
    EXPECT_EQ(scaled_->find("output.weight")->scale, packed_["output.weight"].scale);
    EXPECT_EQ(scaled_->find("token_embd.weight")->scale, 1);
    const std::vector<float> logits = logits_of(*plain_, device_.get(), some_tokens());
    EXPECT_LE(nmse(logits_of(*scaled_, device_.get(), some_tokens()), logits), 1e-10);
}

TEST_F(WeightScales, ConvertedOnLoadingTheyAreInTheValues) {
    for (const ql_dtype type : {QL_NF4_DQ, QL_Q8_0, QL_F32}) {
        const auto from = open(folder_.path("scaled.gguf"), type), expected = open(folder_.path("plain.gguf"), type);
        for (const std::string & name : expected->linears()) {
            const Weight &w = *from->find(name), &v = *expected->find(name);
            EXPECT_EQ(w.scale, 1) << name;
            ASSERT_EQ(w.bytes, v.bytes) << name;
            EXPECT_EQ(std::memcmp(w.data, v.data, w.bytes), 0) << name;
        }
    }
}

TEST_F(WeightScales, AFileOfAnotherTypeHasThemInTheValues) {
    for (const ql_dtype type : {QL_F32, QL_Q8_0, QL_NF4_DQ})
        EXPECT_EQ(tensors(quantized("scaled.gguf", type)), tensors(quantized("plain.gguf", type)))
            << ql_dtype_name(type);
}

TEST_F(WeightScales, AFileThatKeepsItsTypesKeepsThem) {
    EXPECT_EQ(tensors(quantized("scaled.gguf", QL_BASE_KEEP)), tensors(folder_.path("scaled.gguf")));
}

TEST_F(WeightScales, ABaseWithAnotherScaleIsAnother) {
    packed_["blk.1.ffn_up.weight"].scale *= 1.5f;
    const auto other = open(write("other.gguf", true));
    EXPECT_EQ(other->identity().model, scaled_->identity().model);
    EXPECT_NE(other->identity().file, scaled_->identity().file);
    EXPECT_NE(other->fingerprint(), scaled_->fingerprint());
}

/// One tensor more, of these numbers.
struct Wrong {
    const char * name;
    std::vector<float> values;
    ql_dtype dtype;
    const char * message;
};

class WrongWeightScale : public WeightScales, public ::testing::WithParamInterface<Wrong> {};

TEST_P(WrongWeightScale, IsRefusedByName) {
    const Wrong & wrong = GetParam();
    const auto n = static_cast<int64_t>(wrong.values.size());
    extra_ = [&](ArchGgufWriter & w) { w.add(wrong.name, 1, &n, wrong.values.data(), wrong.dtype); };
    const auto model = open_model(write("wrong.gguf", false), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
    ASSERT_FALSE(model.ok());
    EXPECT_NE(model.message().find(wrong.message), std::string::npos) << model.message();
    EXPECT_NE(model.message().find(wrong.name), std::string::npos) << model.message();
}

INSTANTIATE_TEST_SUITE_P(
    , WrongWeightScale,
    ::testing::Values(
        Wrong{"blk.0.ffn_up.scale", {1, 2}, QL_F32, "has 2 elements; the scale of a tensor is one number"},
        Wrong{"blk.0.ffn_up.input_scale", {1, 2}, QL_F32, "has 2 elements"},
        Wrong{"blk.0.ffn_up.scale", {1}, QL_F16, "is f16; the scale of a tensor must be f32"},
        Wrong{"blk.0.ffn_up.scale", {0}, QL_F32, "is 0; a scale between 1e-15 and 1e15 is possible"},
        Wrong{"output.scale", {NAN}, QL_F32, "is nan; a scale"},
        Wrong{"output.scale", {-INFINITY}, QL_F32, "is -inf; a scale"},
        Wrong{"blk.2.attn_q.scale", {1e16f}, QL_F32, "is 1e+16; a scale"},
        Wrong{"token_embd.scale", {2}, QL_F32, "would not be used: a scale of this tensor is not supported"},
        Wrong{"blk.0.attn_norm.scale", {2}, QL_F32, "would not be used: a scale of this tensor"},
        Wrong{"blk.0.attn_qkv.scale", {2}, QL_F32, "would not be used: q, k and v in one"},
        Wrong{"blk.9.ffn_up.scale", {2}, QL_F32, "would not be used"}));

}  // namespace
}  // namespace ql::test
