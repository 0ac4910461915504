// Experts of a Hugging Face directory, one tensor each, become tensors of three dimensions.
#include <gtest/gtest.h>

#include <cstring>

#include "models/load/check_weights.hpp"
#include "models/load/hf_weights.hpp"
#include "support/raw_safetensors.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

constexpr HfName kLayerNames[] = {{"block_sparse_moe.gate.weight", "ffn_gate_inp.weight"}};
constexpr HfName kExpertNames[] = {{"block_sparse_moe.experts.*.w1.weight", "ffn_gate_exps.weight"},
                                   {"block_sparse_moe.experts.*.w2.weight", "ffn_down_exps.weight"}};
constexpr HfNames kNames({}, kLayerNames, kExpertNames);

/// Layers of eleven experts with two matrices each, so that the order of the numbers is not that of the names.
constexpr int64_t kEmbd = 4, kFf = 3, kExperts = 11;
class ElevenExperts : public Architecture {
  public:
    std::string_view name() const override { return "eleven-experts"; }
    Status read_hparams(const ql_gguf *, Hparams &) const override { return {}; }
    std::vector<NeededWeight> needed(const Hparams &) const override {
        return {{"blk.0.ffn_gate_inp.weight", {kEmbd, kExperts}},
                {"blk.0.ffn_gate_exps.weight", {kEmbd, kFf, kExperts}},
                {"blk.0.ffn_down_exps.weight", {kFf, kEmbd, kExperts}}};
    }
    std::vector<std::string_view> linears() const override { return {}; }
    ql_tensor * hidden(GraphBuilder &) const override { return nullptr; }
    std::vector<std::string_view> hf_model_types() const override { return {}; }
    Status read_hf_config(const JsonFile &, Hparams &, HfConfig &) const override { return {}; }
    Status write_hparams(const Hparams &, const HfConfig &, const GgufKeyWriter &) const override { return {}; }
    const HfNames & hf_names() const override { return kNames; }
    bool permuted(std::string_view) const override { return false; }
};

std::string expert_name(int64_t expert, const char * matrix) {
    return "model.layers.0.block_sparse_moe.experts." + std::to_string(expert) + "." + matrix + ".weight";
}

std::vector<float> matrix(int64_t expert, float first) {
    std::vector<float> v(kEmbd * kFf);
    for (size_t i = 0; i < v.size(); ++i) v[i] = first + static_cast<float>(expert) * 100 + static_cast<float>(i);
    return v;
}

struct Experts : testing::Test {
    const TemporaryFolder folder;
    const ElevenExperts architecture;
    ModelParts parts;
    HfModel model;
    std::vector<SafeTensorsMaker> shards = std::vector<SafeTensorsMaker>(2);

    Experts() {
        model.architecture = &architecture;
        model.hparams.layers.resize(1);
        shards[1].add("model.layers.0.block_sparse_moe.gate.weight", {kExperts, kEmbd},
                      std::vector<float>(kExperts * kEmbd, 0.5f));
    }
    /// In an order other than the experts', over two files.
    void add_experts(int64_t n) {
        for (int64_t i = n - 1; i >= 0; --i) {
            shards[static_cast<size_t>(i % 2)].add(expert_name(i, "w1"), {kFf, kEmbd}, matrix(i, 0));
            shards[static_cast<size_t>(i % 2)].add(expert_name(i, "w2"), {kEmbd, kFf}, matrix(i, 5000));
        }
    }
    Status load() {
        HfWeights weights(model, parts);
        for (size_t i = 0; i < shards.size(); ++i) {
            const std::string name = "model-" + std::to_string(i) + ".safetensors";
            folder.write(name, shards[i].file());
            QL_ASSIGN(SafeTensorsFile file, SafeTensorsFile::open(folder.path(name)));
            QL_TRY(weights.add(file));
        }
        return weights.finish();
    }
    void expect_error(const std::string & message) {
        const Status status = load();
        EXPECT_EQ(status.code(), QL_BAD_FILE);
        EXPECT_NE(status.message().find(message), std::string::npos) << status.message();
    }
};

TEST_F(Experts, AreStackedInTheOrderOfTheirNumbers) {
    add_experts(kExperts);
    const Status loaded = load();
    ASSERT_TRUE(loaded.ok()) << loaded.message();
    ASSERT_EQ(parts.weights.size(), 3u);
    const Status checked = check_weights(parts, architecture);
    EXPECT_TRUE(checked.ok()) << checked.message();
    for (const Weight & w : parts.weights) {
        if (w.name == "blk.0.ffn_gate_inp.weight") continue;
        EXPECT_EQ(w.n_dims, 3);
        EXPECT_EQ(w.bytes, static_cast<size_t>(kExperts * kEmbd * kFf) * sizeof(float));
        const auto * values = static_cast<const float *>(w.data);
        for (int64_t i = 0; i < kExperts; ++i) {
            const auto expected = matrix(i, w.name == "blk.0.ffn_gate_exps.weight" ? 0 : 5000);
            EXPECT_EQ(std::vector<float>(values + i * kEmbd * kFf, values + (i + 1) * kEmbd * kFf), expected) << i;
        }
    }
}

TEST_F(Experts, ThatAreMissingAreNamed) {
    add_experts(2);
    shards[0].add(expert_name(3, "w1"), {kFf, kEmbd}, matrix(3, 0));
    expect_error("expert 2 of 'blk.0.ffn_gate_exps.weight' is missing, but expert 3 is there ('" +
                 expert_name(3, "w1") + "')");
}

TEST_F(Experts, TooFewAreAnotherShapeThanTheNeeded) {
    add_experts(2);
    ASSERT_TRUE(load().ok());
    EXPECT_EQ(check_weights(parts, architecture).message(),
              "tensor 'blk.0.ffn_gate_exps.weight' is [4, 3, 2], [4, 3, 11] is needed");
}

TEST_F(Experts, AreAlike) {
    add_experts(2);
    shards[0].add(expert_name(2, "w1"), {kEmbd, kFf}, matrix(2, 0));
    expect_error("tensor '" + expert_name(2, "w1") + "' differs in type or shape from '" + expert_name(0, "w1") + "'");
}

TEST_F(Experts, HaveMatrices) {
    shards[0].add(expert_name(0, "w1"), {kEmbd}, std::vector<float>(kEmbd));
    expect_error("tensor '" + expert_name(0, "w1") + "' has one dimension; an expert's matrix has two");
}

TEST_F(Experts, InTwoFilesAreRefused) {
    add_experts(2);
    shards[1].add(expert_name(0, "w2"), {kEmbd, kFf}, matrix(0, 5000));
    expect_error("tensor '" + expert_name(0, "w2") + "' is in two files");
}

}  // namespace
}  // namespace ql::test
