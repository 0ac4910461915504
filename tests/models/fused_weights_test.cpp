// Fused tensors, as upstream's converter can write them for any architecture: a model whose q, k and v are in one weight, and
// whose gate and up are in another, has the bits of the model of their parts in logits and losses, and its gradients to 1e-6.
#include <cstring>
#include <map>

#include "models/files/weight_names.hpp"
#include "models/golden.hpp"
#include "models/train/step.hpp"
#include "support/arch_gguf.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

using Ids = std::vector<int32_t>;

/// The parts of a fused weight, in the order of its rows.
struct Fusion {
    std::string fused;
    std::vector<std::string> parts;
};
const Fusion kFusions[] = {{"attn_qkv", {"attn_q", "attn_k", "attn_v"}}, {"ffn_gate_up", {"ffn_gate", "ffn_up"}}};

const Fusion * fusion_with(std::string_view part) {
    for (const Fusion & f : kFusions)
        for (const std::string & name : f.parts)
            if (name == part) return &f;
    return nullptr;
}

enum class Biases { kFused, kOfParts };

class FusedWeights : public ::testing::TestWithParam<const char *> {
  protected:
    void SetUp() override {
        parts_ = open_golden_model(GetParam());
        ASSERT_TRUE(parts_);
    }
    /// Models with gate and up in ffn_up, and perhaps one qkv, are fused as they are.
    bool is_fused_anyway(const Fusion & f) const { return !parts_->find("blk.0." + f.parts.front() + ".weight"); }

    void write(ArchGgufWriter & writer, Biases biases = Biases::kFused) {
        add_rope_scaling(GetParam(), writer);
        writer.vocabulary();
        for (const Weight & w : parts_->weights()) {
            const Fusion * f = fusion_with(linear_of(weight_of(w.name)));
            const bool bias = w.name.ends_with(".bias");
            const bool alone = !f || is_fused_anyway(*f) || (bias && biases == Biases::kOfParts);
            if (alone && !writer.follows_from_keys(w)) writer.add(w.name, w.n_dims, w.ne, w.data);
            if (!alone && linear_of(weight_of(w.name)) == f->parts.front())
                add(writer, w, *f, bias ? ".bias" : ".weight");
        }
    }
    std::unique_ptr<Model> fused(Biases biases = Biases::kFused) {
        ArchGgufWriter writer(*parts_);
        write(writer, biases);
        auto model = open(writer);
        EXPECT_TRUE(model.ok()) << model.message();
        return model.ok() ? std::move(model).value() : nullptr;
    }
    Result<std::unique_ptr<Model>> open(ArchGgufWriter & writer) const {
        return open_model(writer.write(folder_.path("m.gguf")), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
    }

    /// The same A of rank 2 for linears that read the same, and a B of zero.
    static Adapter adapter_of(const Model & model) {
        Adapter adapter;
        for (const std::string & name : model.linears()) {
            const Weight & w = *model.find(name);
            LoraMatrix m;
            m.weight = name;
            m.r = 2, m.k = w.ne[0], m.m = w.ne[1], m.scale = 2;
            for (int64_t i = 0; i < m.r * m.k; ++i) m.a.push_back(0.01f * static_cast<float>((i * 37 + 11) % 101 - 50));
            m.b.assign(static_cast<size_t>(m.m * m.r), 0);
            adapter.matrices.push_back(std::move(m));
        }
        return adapter;
    }
    struct Gradients {
        float loss = 0;
        std::map<std::string, std::vector<float>> of;  // by parameter
    };
    Gradients gradients(const Model & model) const {
        PackedSequence tokens;
        const Ids ids = some_tokens();
        for (size_t i = 0; i < ids.size(); ++i) {
            tokens.tokens.push_back(ids[i]);
            tokens.positions.push_back(static_cast<int32_t>(i));
            tokens.segments.push_back(0);
            tokens.targets.push_back(i + 1 < ids.size() ? ids[i + 1] : -1);
        }
        const auto n = static_cast<int64_t>(ids.size());
        StepOptions options;
        options.n_tokens = n;
        const Adapter adapter = adapter_of(model);
        const auto step = TrainStep::create(model, device_.get(), adapter, options);
        EXPECT_TRUE(step.ok()) << step.message();
        Gradients g;
        if (!step.ok()) return g;
        const MicroBatch batch = MicroBatch::from_sequences({&tokens, 1}, 1, n, 1.0f / static_cast<float>(n - 1));
        EXPECT_TRUE((*step)->accumulate(batch, 0, 0, 0, &g.loss).ok());
        for (const TrainedParam & p : (*step)->params()) {
            std::vector<float> & sum = g.of[p.name];
            sum.resize(static_cast<size_t>(ql_tensor_elements(p.sum)));
            EXPECT_EQ(ql_tensor_read(p.sum, sum.data(), 0, sum.size() * sizeof(float)), QL_OK);
        }
        return g;
    }

    const TemporaryFolder folder_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    std::unique_ptr<Model> parts_;
    std::map<std::string, std::vector<float>> values_;  // of fused weights, until their file is written

  private:
    void add(ArchGgufWriter & writer, const Weight & first, const Fusion & f, const std::string & end) {
        const std::string p = layer_prefix(layer_of(first.name));
        std::vector<float> & values = values_[p + f.fused + end];
        values.clear();
        std::vector<int64_t> ne(first.ne, first.ne + first.n_dims);
        ne.back() = 0;
        for (const std::string & part : f.parts) {
            const Weight & w = *parts_->find(p + part + end);
            const size_t at = values.size();
            values.resize(at + static_cast<size_t>(w.elements()));
            std::memcpy(values.data() + at, w.data, w.bytes);
            ne.back() += w.ne[w.n_dims - 1];
        }
        writer.add(p + f.fused + end, first.n_dims, ne.data(), values.data());
    }
};

TEST_P(FusedWeights, AreLinearsInPlaceOfTheirParts) {
    const auto model = fused();
    ASSERT_TRUE(model);
    const std::string up = is_fused_anyway(kFusions[1]) ? "ffn_up" : "ffn_gate_up";
    std::vector<std::string> first = model->linears();
    first.resize(4);
    EXPECT_EQ(first, (std::vector<std::string>{"blk.0.attn_qkv.weight", "blk.0.attn_output.weight",
                                               "blk.0." + up + ".weight", "blk.0.ffn_down.weight"}));
}

TEST_P(FusedWeights, GiveTheLogitsOfTheirParts) {
    const std::vector<float> expected = logits_of(*parts_, device_.get(), some_tokens());
    for (const Biases biases : {Biases::kFused, Biases::kOfParts}) {
        const auto model = fused(biases);
        ASSERT_TRUE(model);
        EXPECT_EQ(logits_of(*model, device_.get(), some_tokens()), expected);
    }
}

/// B of a fused weight has the rows of B of its parts, where these read the same through the same A. (What flows back to the
/// norm is one sum over all rows, not a sum of three: the last bits differ.)
TEST_P(FusedWeights, HaveTheGradientsOfTheirParts) {
    const auto model = fused();
    ASSERT_TRUE(model);
    Gradients expected = gradients(*parts_), got = gradients(*model);
    EXPECT_EQ(got.loss, expected.loss);
    for (const auto & [name, gradient] : got.of) {
        const std::string p = layer_prefix(layer_of(name));
        std::vector<float> wanted;
        for (const Fusion & f : kFusions)
            if (name == p + f.fused + ".weight.lora_b" && !is_fused_anyway(f))
                for (const std::string & part : f.parts) {
                    const std::vector<float> & rows = expected.of.at(p + part + ".weight.lora_b");
                    wanted.insert(wanted.end(), rows.begin(), rows.end());
                }
        if (wanted.empty() && expected.of.contains(name)) wanted = expected.of.at(name);
        if (!name.ends_with("lora_b")) continue;  // those of A are zero, as B is
        EXPECT_LE(std::sqrt(nmse(gradient, wanted)), 1e-6) << name;
    }
}

TEST_P(FusedWeights, ExcludeTheirParts) {
    if (is_fused_anyway(kFusions[0])) return;
    ArchGgufWriter writer(*parts_);
    write(writer);
    const Weight & q = *parts_->find("blk.1.attn_q.weight");
    writer.add(q.name, q.n_dims, q.ne, q.data);
    const auto both = open(writer);
    ASSERT_FALSE(both.ok());
    EXPECT_NE(both.message().find("'blk.1.attn_q.weight' would not be used: 'blk.1.attn_qkv.weight' holds its values"),
              std::string::npos)
        << both.message();
}

INSTANTIATE_TEST_SUITE_P(, FusedWeights, ::testing::ValuesIn(kGgufGoldens));

}  // namespace
}  // namespace ql::test
