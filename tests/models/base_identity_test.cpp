// What an adapter knows its base by: the same in every quantisation, another for another model.
#include "models/model/base_identity.hpp"

#include <gtest/gtest.h>

#include "models/load/open_model.hpp"
#include "ql/models.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

class BaseIdentityTest : public testing::Test {
  protected:
    BaseIdentity of(const std::string & path, int64_t base_type = QL_BASE_KEEP) const {
        const ql_model_options options{sizeof(ql_model_options), base_type, QL_BASE_KEEP};
        const auto model = open_model(path, options);
        EXPECT_TRUE(model.ok()) << model.message();
        return model.ok() ? (*model)->identity() : BaseIdentity();
    }
    std::string quantized(const std::string & from, const std::string & name, ql_dtype type) const {
        auto options = defaults<ql_quantize_options>();
        options.type = type;
        EXPECT_EQ(ql_quantize(from.c_str(), folder_.path(name).c_str(), &options), QL_OK) << ql_error_message();
        return folder_.path(name);
    }
    TemporaryFolder folder_;
    const std::string base_ = write_tiny_model(folder_.path("base.gguf"));
};

TEST_F(BaseIdentityTest, IsTheSameHoweverTheFileIsOpened) {
    const BaseIdentity kept = of(base_);
    EXPECT_EQ(kept.model.size(), 16u);
    EXPECT_EQ(kept.file.size(), 16u);
    EXPECT_NE(kept.model, kept.file);
    EXPECT_EQ(of(base_), kept);
    EXPECT_EQ(of(base_, QL_NF4_DQ), kept) << "converted while opening";
}

TEST_F(BaseIdentityTest, QuantisingChangesTheFileAlone) {
    const BaseIdentity whole = of(base_);
    for (const ql_dtype type : {QL_F16, QL_Q8_0, QL_NF4}) {
        const BaseIdentity q = of(quantized(base_, "q.gguf", type));
        EXPECT_EQ(q.model, whole.model) << ql_dtype_name(type);
        EXPECT_NE(q.file, whole.file) << ql_dtype_name(type);
    }
}

TEST_F(BaseIdentityTest, AnotherModelHasAnother) {
    const BaseIdentity base = of(base_);
    TinyModelOptions other;
    other.norm_scale = 1.0001f;
    EXPECT_NE(of(write_tiny_model(folder_.path("norms.gguf"), other)).model, base.model);
    other = TinyModelOptions();
    other.n_ff = 192;
    EXPECT_NE(of(write_tiny_model(folder_.path("shape.gguf"), other)).model, base.model);
    other = TinyModelOptions();
    other.n_layer = 1;
    EXPECT_NE(of(write_tiny_model(folder_.path("layers.gguf"), other)).model, base.model);
}

TEST_F(BaseIdentityTest, DependsOnNamesValuesAndShapesNotOnTheirOrder) {
    const std::vector<float> ones(8, 1.0f), twos(8, 2.0f), matrix(64, 0.5f);
    const Weight norm{"blk.0.attn_norm.weight", QL_F32, 1, {8, 1, 1, 1}, ones.data(), 32};
    const Weight linear{"blk.0.attn_q.weight", QL_F32, 2, {8, 8, 1, 1}, matrix.data(), 256};
    const BaseIdentity base = identify_base("llama", {norm, linear}).value();
    EXPECT_EQ(identify_base("llama", {linear, norm}).value(), base);
    EXPECT_NE(identify_base("qwen2", {norm, linear}).value().model, base.model);
    Weight changed = norm;
    changed.data = twos.data();
    EXPECT_NE(identify_base("llama", {changed, linear}).value().model, base.model);
    changed = norm, changed.name = "blk.0.ffn_norm.weight";
    EXPECT_NE(identify_base("llama", {changed, linear}).value().model, base.model);
    Weight reshaped = linear;
    reshaped.ne[0] = 16, reshaped.ne[1] = 4;
    EXPECT_NE(identify_base("llama", {norm, reshaped}).value().model, base.model);
    Weight other = linear;
    const std::vector<float> others(64, 0.25f);
    other.data = others.data();
    const BaseIdentity merged = identify_base("llama", {norm, other}).value();
    EXPECT_EQ(merged.model, base.model);
    EXPECT_NE(merged.file, base.file);
}

}  // namespace
}  // namespace ql::test
