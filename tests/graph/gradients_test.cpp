// The reverse pass as a whole, on a small transformer block with LoRA: which nodes it makes, what it refuses, that
// recomputation changes no bit, and that the chain of all rules is right.
#include <gtest/gtest.h>

#include <map>

#include "ql/ql.h"
#include "support/gradient_check.hpp"

namespace ql::test {
namespace {

/// Token ids -> embedding -> norm -> attention with LoRA on q, k, v, o -> norm -> gated MLP with LoRA -> head's loss.
class Block {
  public:
    static constexpr int64_t kWidth = 64, kHeads = 4, kKvHeads = 2, kHead = 16, kHidden = 96, kTokens = 11,
                             kVocabulary = 37, kRank = 3;

    Graph g;
    std::vector<Tensor *> params, inputs;
    std::vector<CaseInput> input_cases;
    Tensor *frozen = nullptr, *embedding = nullptr, *loss = nullptr, *nll = nullptr;

    explicit Block(ql_dtype dtype = QL_NF4_DQ, int64_t n_adapters = 1, float dropout = 0.25f)
        : dtype_(dtype), n_adapters_(n_adapters), dropout_(dropout) {
        Tensor * ids = input(ints_in(kTokens, Fill::ids, kVocabulary));
        Tensor * positions = input(ints_in(kTokens, Fill::positions));
        Tensor * span = input(ints_in({2, kTokens}, Fill::spans, kTokens));
        Tensor * targets = input(ints_in(kTokens, Fill::targets, kVocabulary));
        Tensor * token_weights = input(data_in(kTokens, Fill::positive));
        key_ = input(ints_in(4, Fill::key));
        embedding = weight({kWidth, kVocabulary}, QL_F16, Fill::normal);

        Tensor * h = ql_get_rows(&g, embedding, ids);
        Tensor * table = ql_rope_table(&g, positions, nullptr, kHead, 1e4f, 1, 1);
        Tensor * x = norm(h);
        Tensor * q = ql_rope(&g, heads(linear(x, kWidth), kHeads), table, QL_ROPE_NORMAL);
        Tensor * k = ql_rope(&g, heads(linear(x, kHead * kKvHeads), kKvHeads), table, QL_ROPE_NORMAL);
        Tensor * v = heads(linear(x, kHead * kKvHeads), kKvHeads);
        const int64_t flat[] = {kWidth, kTokens};
        Tensor * o = ql_reshape(&g, ql_attention(&g, q, k, v, span, 0.25f), 2, flat);
        h = ql_add(&g, h, linear(o, kWidth));
        x = norm(h);
        h = ql_add(&g, h, linear(ql_swiglu(&g, linear(x, kHidden), linear(x, kHidden)), kWidth));
        loss = ql_head_loss(&g, norm(h), embedding, targets, token_weights, &nll);
        if (!loss) throw std::runtime_error(g.status().message());
    }

    template <typename Real>
    void fill(ReferenceRun<Real> & run) {
        for (size_t i = 0; i < inputs.size(); ++i) run.fill(inputs[i], input_cases[i], 100 + i);
        for (size_t i = 0; i < params.size(); ++i)
            run.set(params[i], scaled(case_floats({params[i]->shape}, 200 + i), 0.1f));
    }
    std::map<std::string, int> count_ops(int64_t first) const {
        std::map<std::string, int> count;
        for (const GraphNode & n : g.nodes())
            if (n.index >= first) ++count[std::string(n.def->name)];
        return count;
    }

  private:
    static std::vector<float> scaled(std::vector<float> v, float s) {
        for (float & x : v) x *= s;
        return v;
    }
    Tensor * input(CaseInput c) {
        input_cases.push_back(c);
        inputs.push_back(g.leaf(TensorKind::input, "input", c.dtype, QL_MAX_DIMS, c.shape.ne.data(), nullptr));
        return inputs.back();
    }
    Tensor * weight(Shape s, ql_dtype dtype, Fill fill) {
        const CaseInput c = frozen_in(s, dtype, fill);
        weights_.emplace_back(ql_dtype_bytes(dtype, s.elements()));
        if (Status st = case_fill(c, weights_.size(), weights_.back().data()); !st.ok())
            throw std::runtime_error(st.message());
        return ql_weight(&g, "weight", dtype, QL_MAX_DIMS, s.ne.data(), weights_.back().data());
    }
    Tensor * param(Shape s) {
        params.push_back(ql_param(&g, ("lora" + std::to_string(params.size())).c_str(), QL_MAX_DIMS, s.ne.data()));
        return params.back();
    }
    Tensor * norm(Tensor * x) { return ql_rms_norm(&g, x, weight(x->ne(0), QL_F32, Fill::positive), 1e-5f); }
    Tensor * heads(Tensor * x, int64_t n_heads) {
        const int64_t ne[] = {kHead, n_heads, kTokens};
        return ql_reshape(&g, x, 3, ne);
    }
    Tensor * linear(Tensor * x, int64_t m) {
        const int64_t k = x->ne(0);
        frozen = weight({k, m}, k % ql_dtype_block_length(dtype_) ? QL_F16 : dtype_, Fill::small);
        Tensor * y = ql_mul_mat(&g, frozen, x);
        for (int64_t i = 0; i < n_adapters_; ++i) {
            Tensor * dropped = dropout_ > 0 ? ql_dropout(&g, x, key_, dropout_, stream_++) : x;
            Tensor * a = param({k, kRank});
            y = ql_lora(&g, y, dropped, a, param({kRank, m}), 2);
        }
        return y;
    }

    ql_dtype dtype_;
    int64_t n_adapters_;
    float dropout_;
    int stream_ = 0;
    Tensor * key_ = nullptr;
    std::vector<AlignedBytes> weights_;
};

std::string gradient_error(Block & b, Tensor * loss, std::vector<Tensor *> params) {
    std::vector<Tensor *> grads(params.size());
    const ql_status s =
        ql_gradients(&b.g, loss, params.data(), static_cast<int>(params.size()), QL_RECOMPUTE_NONE, grads.data());
    return s == QL_OK ? "" : std::string(ql_status_name(s)) + ": " + ql_error_message();
}

bool contains(const std::string & text, const char * part) {
    return text.find(part) != std::string::npos;
}

TEST(Gradients, OfAWholeBlockAgreeWithCentralDifferences) {
    Block b;
    ASSERT_EQ(b.params.size(), 14u);
    ReferenceRun<double> run(b.g);
    b.fill(run);
    check_gradients(b.g, run, b.loss, b.params, 12);
}

TEST(Gradients, OfStackedAdaptersAgreeWithCentralDifferences) {
    Block b(QL_Q8_0, 2, 0);
    ASSERT_EQ(b.params.size(), 28u);
    ReferenceRun<double> run(b.g);
    b.fill(run);
    check_gradients(b.g, run, b.loss, b.params, 6);
}

TEST(Gradients, RecomputationChangesNoBit) {
    std::vector<std::vector<float>> results[2];
    int64_t n_nodes[2];
    for (const ql_recompute recompute : {QL_RECOMPUTE_NONE, QL_RECOMPUTE_CHEAP}) {
        Block b;
        std::vector<Tensor *> grads(b.params.size());
        ASSERT_EQ(
            ql_gradients(&b.g, b.loss, b.params.data(), static_cast<int>(b.params.size()), recompute, grads.data()),
            QL_OK);
        ReferenceRun<float> run(b.g);
        b.fill(run);
        run.run();
        for (const Operand * t : grads) results[recompute].push_back(run.values(t));
        n_nodes[recompute] = ql_graph_n_nodes(&b.g);
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_GT(n_nodes[1], n_nodes[0]);
}

/// What makes recomputation save memory: the backward pass reads no cheap result of the forward pass.
TEST(Gradients, RecomputationReadsNoCheapForwardResult) {
    Block b;
    const int64_t n_forward = ql_graph_n_nodes(&b.g);
    std::vector<Tensor *> grads(b.params.size());
    ASSERT_EQ(ql_gradients(&b.g, b.loss, b.params.data(), static_cast<int>(b.params.size()), QL_RECOMPUTE_CHEAP,
                           grads.data()),
              QL_OK);
    const auto count = b.count_ops(n_forward);
    EXPECT_EQ(count.at("rms_norm"), 2);
    EXPECT_EQ(count.at("swiglu"), 1);
    EXPECT_EQ(count.at("dropout"), 7 + 4);  // seven computed again, and four in the backward pass
    for (const GraphNode & n : b.g.nodes()) {
        if (n.index < n_forward || n.def == &op::head_loss_back) continue;
        for (const Operand * t : n.src) {
            const GraphNode * from = t ? static_cast<const Tensor *>(t->root())->producer : nullptr;
            const bool cheap_forward = from && from->index < n_forward && from->def->cheap;
            EXPECT_FALSE(cheap_forward) << n.def->name << " reads " << describe(*t);
        }
    }
}

TEST(Gradients, OnlyPathsToParametersAreFollowed) {
    Block b;
    const int64_t n_forward = ql_graph_n_nodes(&b.g);
    EXPECT_EQ(gradient_error(b, b.loss, b.params), "");
    const auto count = b.count_ops(n_forward);
    EXPECT_EQ(count.at("lora_back"), 7);
    // Below the first norm there is no parameter: only two of the three norms, and for q, k, v no product back to x.
    EXPECT_EQ(count.at("rms_norm_back"), 2);
    EXPECT_EQ(count.at("mul_mat_t"), 2 * 4);
    EXPECT_EQ(count.at("attention_back"), 1);
    EXPECT_EQ(count.count("outer"), 0u);
    EXPECT_EQ(count.count("get_rows"), 0u);
}

TEST(Gradients, OfOneParameterLeaveOthersAlone) {
    Block b;
    const int64_t n_forward = ql_graph_n_nodes(&b.g);
    EXPECT_EQ(gradient_error(b, b.loss, {b.params.back()}), "");
    const auto count = b.count_ops(n_forward);
    EXPECT_EQ(count.at("lora_back"), 1);
    EXPECT_EQ(count.count("attention_back"), 0u);
    EXPECT_EQ(count.count("mul_mat_t"), 0u);
}

TEST(Gradients, HeadLossReadsTheForwardSources) {
    Block b;
    std::vector<Tensor *> grads(b.params.size());
    ASSERT_EQ(ql_gradients(&b.g, b.loss, b.params.data(), static_cast<int>(b.params.size()), QL_RECOMPUTE_CHEAP,
                           grads.data()),
              QL_OK);
    const Node & forward = *b.loss->producer;
    for (const GraphNode & n : b.g.nodes()) {
        if (n.def != &op::head_loss_back) continue;
        EXPECT_TRUE(std::equal(forward.src.begin(), forward.src.end(), n.src.begin()));
    }
}

TEST(Gradients, OfFrozenTensorsAreRefused) {
    Block b;
    const std::string message = gradient_error(b, b.loss, {b.params[0], b.frozen});
    EXPECT_TRUE(contains(message, "gradients: 'weight' (nf4_dq [64, 64]) is frozen") ||
                contains(message, "is frozen: only parameters"))
        << message;
    EXPECT_TRUE(contains(gradient_error(b, b.loss, {b.inputs[4]}), "is no parameter"));
}

TEST(Gradients, OfAParameterThatIsNotReachedAreRefused) {
    Block b;
    const int64_t ne = 4;
    Tensor * lonely = ql_param(&b.g, "lonely", 1, &ne);
    EXPECT_TRUE(contains(gradient_error(b, b.loss, {b.params[0], lonely}), "'lonely' (f32 [4])"));
    EXPECT_TRUE(contains(gradient_error(b, b.loss, {lonely}), "does not depend on any"));
}

TEST(Gradients, ThroughAnOperatorWithoutARuleNameIt) {
    Graph g;
    const int64_t table_ne[] = {4, 5}, n = 3, one_ne[] = {12, 1};
    Tensor * table = ql_param(&g, "table", 2, table_ne);
    Tensor * rows = ql_get_rows(&g, table, ql_input(&g, "ids", QL_I32, 1, &n));
    const int64_t flat = 12;
    Tensor * loss = ql_mul_mat(&g, ql_input(&g, "w", QL_F32, 2, one_ne), ql_reshape(&g, rows, 1, &flat));
    Tensor * grad = nullptr;
    EXPECT_EQ(ql_gradients(&g, loss, &table, 1, QL_RECOMPUTE_NONE, &grad), QL_UNSUPPORTED);
    EXPECT_TRUE(contains(ql_error_message(), "get_rows has none: embeddings are frozen")) << ql_error_message();
}

TEST(Gradients, ThroughTokenLossesAreRefused) {
    Block b;
    const int64_t ne[] = {Block::kTokens, 1};
    Tensor * sum = ql_mul_mat(&b.g, ql_input(&b.g, "ones", QL_F32, 2, ne), b.nll);
    EXPECT_TRUE(contains(gradient_error(b, sum, b.params), "the gradient flows through the loss, not nll"));
}

TEST(Gradients, ThroughACacheOfF16AreRefused) {
    Graph g;
    const int64_t q_ne[] = {8, 2, 3}, k_ne[] = {8, 1, 5}, span_ne[] = {2, 3}, flat = 48, w_ne[] = {48, 1};
    Tensor * q = ql_param(&g, "q", 3, q_ne);
    Tensor *k = ql_state(&g, "k", QL_F16, 3, k_ne), *v = ql_state(&g, "v", QL_F16, 3, k_ne);
    Tensor * o = ql_attention(&g, q, k, v, ql_input(&g, "span", QL_I32, 2, span_ne), 1);
    Tensor * loss = ql_mul_mat(&g, ql_input(&g, "w", QL_F32, 2, w_ne), ql_reshape(&g, o, 1, &flat));
    Tensor * grad = nullptr;
    EXPECT_EQ(ql_gradients(&g, loss, &q, 1, QL_RECOMPUTE_NONE, &grad), QL_UNSUPPORTED);
    EXPECT_TRUE(contains(ql_error_message(), "attention: no gradient flows through a cache of f16"));
}

TEST(Gradients, ThroughACacheOfPagesAreRefused) {
    Graph g;
    const int64_t q_ne[] = {8, 2, 3}, k_ne[] = {8, 1, 64, 2}, span_ne[] = {2, 3}, pages = 2, flat = 48,
                  w_ne[] = {48, 1};
    Tensor * q = ql_param(&g, "q", 3, q_ne);
    Tensor *k = ql_state(&g, "k", QL_F32, 4, k_ne), *v = ql_state(&g, "v", QL_F32, 4, k_ne);
    Tensor * o = ql_attention_paged(&g, q, k, v, ql_input(&g, "span", QL_I32, 2, span_ne),
                                    ql_input(&g, "pages", QL_I32, 1, &pages), 1);
    Tensor * loss = ql_mul_mat(&g, ql_input(&g, "w", QL_F32, 2, w_ne), ql_reshape(&g, o, 1, &flat));
    Tensor * grad = nullptr;
    EXPECT_EQ(ql_gradients(&g, loss, &q, 1, QL_RECOMPUTE_NONE, &grad), QL_UNSUPPORTED);
    EXPECT_TRUE(contains(ql_error_message(), "attention: no gradient flows through a cache of pages"));
}

TEST(Gradients, NeedALossOfOneNumber) {
    Block b;
    EXPECT_TRUE(contains(gradient_error(b, nullptr, b.params), "the loss is NULL"));
    EXPECT_TRUE(contains(gradient_error(b, b.nll, b.params), "the loss must be one f32 number"));
    Tensor * grad = nullptr;
    EXPECT_EQ(ql_gradients(&b.g, b.loss, b.params.data(), 1, static_cast<ql_recompute>(3), &grad), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gradients(&b.g, b.loss, nullptr, 1, QL_RECOMPUTE_NONE, nullptr), QL_INVALID_ARGUMENT);
}

TEST(Gradients, OfATensorUsedTwiceAddUp) {
    Graph g;
    const int64_t n = 5, w_ne[] = {5, 1};
    Tensor * p = ql_param(&g, "p", 1, &n);
    Tensor * w = ql_input(&g, "w", QL_F32, 2, w_ne);
    Tensor * loss = ql_mul_mat(&g, w, ql_swiglu(&g, ql_add(&g, p, p), p));
    ReferenceRun<double> run(g);
    run.set(w, case_floats({Shape(5, 1)}, 1));
    run.set(p, case_floats({Shape(5)}, 2));
    check_gradients(g, run, loss, {p}, 5);
}

}  // namespace
}  // namespace ql::test
