// The weights of a file against those that an architecture needs.
#include "models/load/check_weights.hpp"

#include <gtest/gtest.h>

#include "models/load/find_architecture.hpp"

namespace ql::test {
namespace {

/// An architecture that needs a norm, and the matrices of two experts.
class TwoExperts : public Architecture {
  public:
    std::string_view name() const override { return "two-experts"; }
    Status read_hparams(const ql_gguf *, Hparams &) const override { return {}; }
    std::vector<NeededWeight> needed(const Hparams &) const override {
        return {{"blk.0.ffn_norm.weight", {8}}, {"blk.0.ffn_up_exps.weight", {8, 4, 2}}};
    }
    std::vector<std::string_view> linears() const override { return {}; }
    ql_tensor * hidden(GraphBuilder &) const override { return nullptr; }
    std::vector<std::string_view> hf_model_types() const override { return {}; }
    Status read_hf_config(const JsonFile &, Hparams &, HfConfig &) const override { return {}; }
    Status write_hparams(const Hparams &, const HfConfig &, const GgufKeyWriter &) const override { return {}; }
    const HfNames & hf_names() const override { return (*find_architecture("llama"))->hf_names(); }
    bool permuted(std::string_view) const override { return false; }
};

constexpr float kValues[64] = {};

Weight weight(const char * name, ql_dtype dtype, std::vector<int64_t> ne) {
    Weight w{name, dtype, static_cast<int>(ne.size())};
    std::copy(ne.begin(), ne.end(), w.ne);
    w.data = kValues;
    return w;
}

Status check(const Weight & norm, const Weight & experts) {
    ModelParts parts;
    parts.weights = {norm, experts};
    return check_weights(parts, TwoExperts());
}

TEST(CheckWeights, AWeightMayHaveThreeDimensions) {
    const Weight norm = weight("blk.0.ffn_norm.weight", QL_F32, {8});
    const auto experts = [](std::vector<int64_t> ne) {
        return weight("blk.0.ffn_up_exps.weight", QL_F16, std::move(ne));
    };
    EXPECT_TRUE(check(norm, experts({8, 4, 2})).ok()) << check(norm, experts({8, 4, 2})).message();
    EXPECT_EQ(check(norm, experts({8, 4, 3})).message(),
              "tensor 'blk.0.ffn_up_exps.weight' is [8, 4, 3], [8, 4, 2] is needed");
    EXPECT_EQ(check(norm, experts({8, 8})).message(),
              "tensor 'blk.0.ffn_up_exps.weight' is [8, 8], [8, 4, 2] is needed");
    EXPECT_EQ(check(norm, experts({8, 4, 2, 2})).code(), QL_BAD_FILE);
}

TEST(CheckWeights, VectorsAreF32) {
    const Weight experts = weight("blk.0.ffn_up_exps.weight", QL_F16, {8, 4, 2});
    EXPECT_EQ(check(weight("blk.0.ffn_norm.weight", QL_F16, {8}), experts).code(), QL_UNSUPPORTED);
    EXPECT_TRUE(check(weight("blk.0.ffn_norm.weight", QL_F32, {8, 1}), experts).ok()) << "written with two dimensions";
}

}  // namespace
}  // namespace ql::test
