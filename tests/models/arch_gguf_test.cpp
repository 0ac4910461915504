// The golden models as GGUF files: keys say what config.json says, and fused weights are what their parts are.
#include <cstring>

#include "models/golden.hpp"
#include "support/arch_gguf.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

std::unique_ptr<Model> open_gguf(const std::string & path) {
    auto model = open_model(path, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
    EXPECT_TRUE(model.ok()) << model.message();
    return model.ok() ? std::move(model).value() : nullptr;
}

class ArchGguf : public ::testing::TestWithParam<const char *> {
  protected:
    const TemporaryFolder folder_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
};

TEST_P(ArchGguf, GivesTheBitsOfTheDirectory) {
    const auto model = open_golden_model(GetParam());
    ASSERT_TRUE(model);
    ArchGgufWriter writer(*model);
    add_rope_scaling(GetParam(), writer);
    writer.add_weights();
    writer.vocabulary();
    const auto again = open_gguf(writer.write(folder_.path("m.gguf")));
    ASSERT_TRUE(again);
    EXPECT_EQ(logits_of(*again, device_.get(), some_tokens()), logits_of(*model, device_.get(), some_tokens()));
}

// Not those whose windows GGUF files do not name (qwen2_yarn's upper layers).
INSTANTIATE_TEST_SUITE_P(, ArchGguf,
                         ::testing::Values("llama", "llama3_rope", "mistral_window", "qwen2", "qwen3", "gemma2",
                                           "gemma3", "phi3", "phi3_longrope", "smollm3", "granite", "olmo2", "glm4",
                                           "ministral3"));

/// A model whose q, k and v are in one weight, and gate and up in another.
class FusedWeights : public ::testing::Test {
  protected:
    void SetUp() override {
        model_ = open_golden_model("qwen2");
        ASSERT_TRUE(model_);
        writer_ = std::make_unique<ArchGgufWriter>(*model_);
        for (const Weight & w : model_->weights()) {
            const std::string weight = weight_of(w.name);
            const std::string_view linear = linear_of(weight);
            if (linear == "attn_q") fuse(w, {"attn_k", "attn_v"}, "attn_qkv");
            if (linear == "ffn_gate") fuse(w, {"ffn_up"}, "ffn_gate_up");
            const bool part = linear == "attn_q" || linear == "attn_k" || linear == "attn_v" || linear == "ffn_gate" ||
                              linear == "ffn_up";
            if (!part) writer_->add(w.name, w.n_dims, w.ne, w.data);
        }
    }
    /// The rows of `first` and of its neighbours under the name `fused`; biases likewise.
    void fuse(const Weight & first, const std::vector<std::string> & others, const std::string & fused) {
        const bool bias = first.name.ends_with(".bias");
        const std::string p = layer_prefix(layer_of(first.name)), end = bias ? ".bias" : ".weight";
        std::vector<float> & values = values_[p + fused + end];
        std::vector<int64_t> ne(first.ne, first.ne + first.n_dims);
        const auto append = [&](const Weight & w) {
            const size_t at = values.size();
            values.resize(at + static_cast<size_t>(w.elements()));
            std::memcpy(values.data() + at, w.data, w.bytes);
        };
        append(first);
        for (const std::string & name : others) {
            const Weight & w = *model_->find(p + name + end);
            append(w);
            ne.back() += w.ne[w.n_dims - 1];
        }
        writer_->add(p + fused + end, first.n_dims, ne.data(), values.data());
    }

    const TemporaryFolder folder_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    std::unique_ptr<Model> model_;
    std::unique_ptr<ArchGgufWriter> writer_;
    std::map<std::string, std::vector<float>> values_;
};

TEST_F(FusedWeights, GiveTheLogitsOfTheirParts) {
    const auto fused = open_gguf(writer_->write(folder_.path("m.gguf")));
    ASSERT_TRUE(fused);
    EXPECT_LE(nmse(logits_of(*fused, device_.get(), some_tokens()), logits_of(*model_, device_.get(), some_tokens())),
              1e-12);
    const std::vector<std::string> linears = fused->linears();
    const std::vector<std::string> first = {"blk.0.attn_qkv.weight", "blk.0.attn_output.weight",
                                            "blk.0.ffn_gate_up.weight", "blk.0.ffn_down.weight"};
    EXPECT_EQ(std::vector(linears.begin(), linears.begin() + 4), first);
}

TEST_F(FusedWeights, ExcludeTheirParts) {
    const Weight & q = *model_->find("blk.1.attn_q.weight");
    writer_->add(q.name, q.n_dims, q.ne, q.data);
    const auto both =
        open_model(writer_->write(folder_.path("m.gguf")), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
    ASSERT_FALSE(both.ok());
    EXPECT_NE(both.message().find("'blk.1.attn_q.weight' would not be used: 'blk.1.attn_qkv.weight' holds its values"),
              std::string::npos)
        << both.message();
}

}  // namespace
}  // namespace ql::test
