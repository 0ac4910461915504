// Scales of whole tensors, which lie beside nvfp4 in GGUF files: read with the weights, kept with them, in the values where a
// weight takes another type.
#include "models/graph/branch.hpp"
#include "models/graph/builder.hpp"
#include "models/graph/dora_rows.hpp"
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

/// A branch on a linear and what it needs, over either model.
class ScaledBranch : public WeightScales {
  protected:
    static constexpr int64_t kRank = 3;
    static constexpr float kFactor = 0.75f;

    void SetUp() override {
        WeightScales::SetUp();
        const Weight & w = *golden_->find(kName);
        const auto numbers = [](int64_t n, float size) {
            std::vector<float> values;
            for (int64_t i = 0; i < n; ++i) values.push_back(size * static_cast<float>(i * 37 % 19 - 9));
            return values;
        };
        a_ = numbers(w.ne[0] * kRank, 0.02f), b_ = numbers(w.ne[1] * kRank, 0.03f);
        bt_.resize(b_.size());
        for (int64_t i = 0; i < w.ne[1]; ++i)
            for (int64_t j = 0; j < kRank; ++j)
                bt_[static_cast<size_t>(j * w.ne[1] + i)] = b_[static_cast<size_t>(i * kRank + j)];
    }
    ql_tensor * leaf(ql_graph * g, const char * name, int64_t k, int64_t m, const std::vector<float> & values) const {
        const int64_t ne[] = {k, m};
        return ql_weight(g, name, QL_F32, m > 0 ? 2 : 1, ne, values.data());
    }

    /// The losses of tokens with a branch that is the sequence's own, or the graph's.
    std::vector<float> losses(const Model & model, bool mixed) const {
        const std::vector<int32_t> ids = some_tokens();
        const auto n = static_cast<int64_t>(ids.size());
        GraphPtr graph;
        EXPECT_EQ(ql_graph_create(out(graph)), QL_OK);
        ql_graph * g = graph.get();
        GraphBuilder b(model, g);
        const Weight & w = *model.find(kName);
        ql_tensor * a = leaf(g, "a", w.ne[0], kRank, a_);
        if (mixed)
            b.attach_mixed(kName, 1, {0, a, leaf(g, "bt", w.ne[1], kRank, bt_)});
        else
            b.attach(kName, lora_branch(a, leaf(g, "b", kRank, w.ne[1], b_), kFactor));
        const StreamInputs in = b.start_stream(n);
        ql_tensor * targets = ql_input(g, "targets", QL_I32, 1, &n);
        ql_tensor * weights = ql_input(g, "loss_weights", QL_F32, 1, &n);
        ql_tensor * nll = nullptr;
        (void)b.loss(b.hidden(), b.head(), targets, weights, &nll);
        PlanPtr plan;
        EXPECT_EQ(ql_plan_create(g, device_.get(), &nll, 1, out(plan)), QL_OK) << ql_error_message();
        if (!plan) return {};
        std::vector<int32_t> positions, spans;
        for (int32_t i = 0; i < n; ++i) positions.push_back(i), spans.insert(spans.end(), {0, i + 1});
        const std::vector<float> ones(ids.size(), 1.0f), factors(ids.size(), kFactor);
        EXPECT_EQ(ql_tensor_write(in.tokens, ids.data(), 0, ids.size() * 4), QL_OK);
        EXPECT_EQ(ql_tensor_write(in.positions, positions.data(), 0, ids.size() * 4), QL_OK);
        EXPECT_EQ(ql_tensor_write(targets, ids.data(), 0, ids.size() * 4), QL_OK);
        EXPECT_EQ(ql_tensor_write(weights, ones.data(), 0, ids.size() * 4), QL_OK);
        if (mixed) {
            EXPECT_EQ(ql_tensor_write(in.factors, factors.data(), 0, ids.size() * 4), QL_OK);
        }
        EXPECT_TRUE(write_spans(in, spans).ok());
        EXPECT_EQ(ql_plan_run(plan.get()), QL_OK) << ql_error_message();
        std::vector<float> values(ids.size());
        EXPECT_EQ(ql_plan_read(plan.get(), nll, values.data(), 0, values.size() * 4), QL_OK) << ql_error_message();
        return values;
    }

    const std::string kName = "blk.1.ffn_up.weight";
    std::vector<float> a_, b_, bt_;
};

TEST_F(ScaledBranch, ActsAsOnTheValues) {
    const std::vector<float> expected = losses(*plain_, false);
    EXPECT_LE(nmse(losses(*scaled_, false), expected), 1e-10);
    EXPECT_LE(nmse(losses(*scaled_, true), expected), 1e-10);
    for (float & v : b_) v = 0;
    EXPECT_GT(nmse(losses(*scaled_, false), expected), 1e-6) << "the branch counts";
}

TEST_F(ScaledBranch, DorasRowsAreThoseOfTheValues) {
    const Weight &scaled = *scaled_->find(kName), &plain = *plain_->find(kName);
    const int64_t k = plain.ne[0], m = plain.ne[1];
    std::vector<float> squares(static_cast<size_t>(m)), magnitude(squares.size(), 1.5f), rows[2] = {squares, squares};
    for (int64_t i = 0; i < k * m; ++i) {
        const float v = packed_[kName].values[static_cast<size_t>(i)];
        squares[static_cast<size_t>(i / k)] += v * v;
    }
    for (const Weight * w : {&scaled, &plain}) {
        GraphPtr graph;
        ASSERT_EQ(ql_graph_create(out(graph)), QL_OK);
        ql_graph * g = graph.get();
        ql_tensor * c = dora_rows(
            g, leaf(g, "magnitude", m, 0, magnitude), ql_weight(g, "w", w->dtype, 2, w->ne, w->data), w->scale,
            leaf(g, "squares", m, 0, squares), leaf(g, "a", k, kRank, a_), leaf(g, "b", kRank, m, b_), 0.5f);
        PlanPtr plan;
        ASSERT_EQ(ql_plan_create(g, device_.get(), &c, 1, out(plan)), QL_OK) << ql_error_message();
        ASSERT_EQ(ql_plan_run(plan.get()), QL_OK) << ql_error_message();
        auto & to = rows[w == &plain];
        ASSERT_EQ(ql_plan_read(plan.get(), c, to.data(), 0, to.size() * 4), QL_OK) << ql_error_message();
    }
    EXPECT_LE(nmse(rows[0], rows[1]), 1e-10);
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
