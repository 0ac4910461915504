// Each rule of fusion: what it rewrites, what it leaves alone, and that the results stay what they were.
#include "ggml/plan/fuse.hpp"

#include <gtest/gtest.h>

#include <map>

#include "ql/ql.h"
#include "support/reference_run.hpp"

namespace ql::test {
namespace {

constexpr int64_t kWidth = 24, kHidden = 40, kRank = 3, kTokens = 7;

class Fusion : public testing::Test {
  protected:
    Graph g;
    ReferenceRun<double> run{g};
    uint64_t seed = 1;

    Tensor * leaf(TensorKind kind, Shape s) {
        Tensor * t = g.leaf(kind, "x", QL_F32, QL_MAX_DIMS, s.ne.data(), nullptr);
        run.set(t, case_floats({s}, ++seed));
        return t;
    }
    Tensor * weight(int64_t k, int64_t m) { return leaf(TensorKind::input, {k, m}); }
    Tensor * stream(int64_t n = kWidth) { return leaf(TensorKind::input, {n, kTokens}); }
    Tensor * linear(Tensor * x, int64_t m) { return ql_mul_mat(&g, weight(x->ne(0), m), x); }
    Tensor * with_lora(Tensor * y, Tensor * x) {
        return ql_lora(&g, y, x, weight(x->ne(0), kRank), weight(kRank, y->ne(0)), 0.5f);
    }

    Fused fused(const std::vector<Tensor *> & outputs) {
        EXPECT_TRUE(g.status().ok()) << g.status().message();
        std::vector<const Node *> nodes;
        for (const Node & n : g.nodes()) nodes.push_back(&n);
        return fuse(std::move(nodes), outputs);
    }
    static std::map<std::string, int> count(const Fused & f) {
        std::map<std::string, int> ops;
        for (const Node * n : f.nodes) ++ops[std::string(n->def->name)];
        return ops;
    }
    /// The graph node by node, and then the fused list, give the same outputs up to rounding.
    void expect_same_values(const Fused & f, const std::vector<Tensor *> & outputs) {
        run.run();
        std::vector<std::vector<double>> want;
        for (const Operand * t : outputs) {
            want.push_back(run.values(t));
            std::fill_n(run.reals(t), t->shape.elements(), -7.0);
        }
        for (const Node * n : f.nodes) run.run(*n);
        for (size_t o = 0; o < outputs.size(); ++o)
            for (size_t i = 0; i < want[o].size(); ++i) ASSERT_NEAR(run.reals(outputs[o])[i], want[o][i], 1e-11);
    }
};
using Ops = std::map<std::string, int>;

TEST_F(Fusion, ALinearWithItsBranchAndTheResidualIsOneProduct) {
    Tensor *x = stream(), *r = stream();
    Tensor * y = ql_add(&g, r, with_lora(linear(x, kWidth), x));
    const Fused f = fused({y});
    EXPECT_EQ(count(f), (Ops{{"mul_mat", 1}, {"mul_mat_sum", 1}}));  // h = A x is kept: the backward pass reads it
    ASSERT_EQ(f.nodes.back()->src.size(), 5u);
    EXPECT_EQ(f.nodes.back()->src[0], r);
    expect_same_values(f, {y});
}

TEST_F(Fusion, WhatComesBackThroughSeveralLinearsIsOneProduct) {
    Tensor *dq = stream(), *dk = stream(kHidden), *dh = stream(kRank);
    const auto back = [&](Tensor * dy, int64_t k) { return ql_mul_mat_t(&g, weight(k, dy->ne(0)), dy); };
    Tensor * dx = ql_add(&g, ql_add(&g, back(dq, kWidth), back(dh, kWidth)), back(dk, kWidth));
    const Fused f = fused({dx});
    EXPECT_EQ(count(f), (Ops{{"mul_mat_sum", 1}}));
    expect_same_values(f, {dx});
}

TEST_F(Fusion, TwoAdaptersOnOneLinearAreTwoTerms) {
    Tensor * x = stream();
    Tensor * y = with_lora(with_lora(linear(x, kHidden), x), x);
    const Fused f = fused({y});
    EXPECT_EQ(count(f), (Ops{{"mul_mat", 2}, {"mul_mat_sum", 1}}));
    expect_same_values(f, {y});
}

TEST_F(Fusion, AnIntermediateThatIsReadTwiceOrWantedStays) {
    Tensor *x = stream(), *wanted = linear(x, kWidth), *twice = linear(x, kWidth);
    Tensor * y = ql_add(&g, ql_add(&g, stream(), wanted), ql_swiglu(&g, twice, ql_add(&g, twice, stream())));
    const Fused f = fused({y, wanted});
    EXPECT_EQ(count(f), (Ops{{"mul_mat", 2}, {"add", 3}, {"swiglu", 1}}));
    expect_same_values(f, {y, wanted});
}

TEST_F(Fusion, NoProductMovesPastAChangeOfItsOperand) {
    Tensor * cache = leaf(TensorKind::state, {kWidth, kTokens});
    const int64_t n = kTokens;
    Tensor * rows = g.leaf(TensorKind::input, "rows", QL_I32, 1, &n, nullptr);
    run.set(rows, std::vector<int32_t>{6, 5, 4, 3, 2, 1, 0});
    Tensor * before = linear(cache, kWidth);
    Tensor * stored = ql_kv_store(&g, cache, stream(), rows);
    Tensor * y = ql_add(&g, stored, before);
    const Fused f = fused({y});
    EXPECT_EQ(count(f), (Ops{{"mul_mat", 1}, {"kv_store", 1}, {"add", 1}}));
}

TEST_F(Fusion, ASumOfMoreThanEightProductsIsSeveral) {
    Tensor * y = linear(stream(), kWidth);
    for (int i = 0; i < 9; ++i) y = ql_add(&g, y, linear(stream(), kWidth));
    const Fused f = fused({y});
    EXPECT_EQ(count(f), (Ops{{"mul_mat_sum", 2}}));
    expect_same_values(f, {y});
}

TEST_F(Fusion, TheLossBesideItsGradientIsComputedOnce) {
    Tensor *x = leaf(TensorKind::param, {kWidth, kTokens}), *head = weight(kWidth, 11);
    const int64_t n = kTokens;
    Tensor * targets = g.leaf(TensorKind::input, "targets", QL_I32, 1, &n, nullptr);
    run.set(targets, std::vector<int32_t>{1, 2, -1, 3, 10, 0, 4});
    Tensor *weights = leaf(TensorKind::input, Shape(kTokens)), *nll = nullptr, *dx = nullptr;
    Tensor * loss = ql_head_loss(&g, x, head, targets, weights, &nll);
    ASSERT_EQ(QL_OK, ql_gradients(&g, loss, &x, 1, QL_RECOMPUTE_NONE, &dx));
    const Fused f = fused({loss, dx});
    EXPECT_EQ(count(f), (Ops{{"head_loss_back", 1}}));
    EXPECT_EQ(f.same.at(loss), f.nodes[0]->out[1]);
}

TEST(FuseRules, HaveDistinctNames) {
    std::map<std::string, int> names;
    for (const FuseRule & r : fuse_rules()) EXPECT_EQ(1, ++names[r.name]);
}

}  // namespace
}  // namespace ql::test
