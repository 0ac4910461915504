// Which tensors a plan holds in bf16: all or nothing for each storage, by what the kernels say they take.
#include "ggml/plan/narrow.hpp"

#include <gtest/gtest.h>

#include <map>

#include "ql/ql.h"

namespace ql::test {
namespace {

constexpr int64_t kWidth = 64, kTokens = 33;

bool always(const Node &, size_t) {
    return true;
}
/// Operands of products stand after the weight.
bool after_weight(const Node &, size_t i) {
    return i > 0;
}

/// A backend whose norm writes bf16, whose products read it, and whose other kernels know f32 alone.
class Narrowing : public testing::Test {
  protected:
    Narrowing() {
        for (size_t i = 0; i < kOpCount; ++i) table_[i] = &plain_;
        norm_.writes_bf16 = always;
        product_.reads_bf16 = after_weight;
        table_[op_index(&op::rms_norm)] = &norm_;
        table_[op_index(&op::mul_mat)] = &product_;
    }
    Tensor * input(int64_t n = kWidth) {
        const int64_t ne[] = {n, kTokens};
        return g.leaf(TensorKind::input, "x", QL_F32, 2, ne, nullptr);
    }
    Tensor * norm(Tensor * x) {
        const int64_t n = x->ne(0);
        return ql_rms_norm(&g, x, g.leaf(TensorKind::input, "w", QL_F32, 1, &n, nullptr), 1e-5f);
    }
    Tensor * linear(Tensor * x) {
        const int64_t ne[] = {x->ne(0), kWidth};
        return ql_mul_mat(&g, g.leaf(TensorKind::input, "W", QL_F32, 2, ne, nullptr), x);
    }
    Narrowed run(const std::vector<Tensor *> & outputs) {
        EXPECT_TRUE(g.status().ok()) << g.status().message();
        Fused list;
        for (const Node & n : g.nodes()) list.nodes.push_back(&n);
        return narrow(list, table_, outputs);
    }
    static std::map<std::string, int> count(const Narrowed & n) {
        std::map<std::string, int> ops;
        for (const Node * node : n.nodes) ++ops[std::string(node->def->name)];
        return ops;
    }

    Graph g;

  private:
    Kernel plain_, norm_, product_;
    const Kernel * table_[kOpCount];
};

TEST_F(Narrowing, WhatOnlyProductsReadIsHeldInBf16) {
    Tensor * y = linear(norm(input()));
    const Narrowed n = run({y});
    ASSERT_EQ(n.nodes.size(), 2u);
    EXPECT_EQ(n.nodes[0]->out[0]->dtype, QL_BF16);
    EXPECT_EQ(n.nodes[1]->src[1], n.nodes[0]->out[0]);
    EXPECT_EQ(n.nodes[1]->out[0], y) << "an output stays what it is";
    EXPECT_EQ(y->producer->src[1]->dtype, QL_F32) << "the graph is not touched";
    EXPECT_EQ(n.origin.at(n.nodes[1]), y->producer);
}

TEST_F(Narrowing, ViewsGoWithTheirStorage) {
    const int64_t heads[] = {32, 2, kTokens}, flat[] = {kWidth, kTokens};
    Tensor * y = linear(ql_reshape(&g, ql_reshape(&g, norm(input()), 3, heads), 2, flat));
    const Narrowed n = run({y});
    ASSERT_EQ(n.nodes.size(), 4u);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(n.nodes[static_cast<size_t>(i)]->out[0]->dtype, QL_BF16);
    EXPECT_EQ(n.nodes[2]->out[0]->root(), n.nodes[0]->out[0]);
}

TEST_F(Narrowing, OneReaderThatNeedsF32KeepsItSoForAll) {
    Tensor *x = norm(input()), *y = linear(x), *z = ql_add(&g, x, input());
    const Narrowed n = run({y, z});
    EXPECT_EQ(n.nodes.size(), 3u);
    for (const Node * node : n.nodes)
        for (const Operand * t : node->out) EXPECT_EQ(t->dtype, QL_F32);
}

TEST_F(Narrowing, AnOperandOfSeveralProductsIsRoundedOnce) {
    Tensor *x = ql_add(&g, input(), input()), *y = linear(x), *z = linear(x);
    const Narrowed n = run({y, z});
    EXPECT_EQ(count(n), (std::map<std::string, int>{{"add", 1}, {"to_bf16", 1}, {"mul_mat", 2}}));
    EXPECT_EQ(n.nodes[1]->src[0], x);
    EXPECT_EQ(n.nodes[2]->src[1], n.nodes[1]->out[0]);
    EXPECT_EQ(n.nodes[3]->src[1], n.nodes[1]->out[0]);
}

TEST_F(Narrowing, OutputsAndRowsThatAreNoWholeVectorsStay) {
    Tensor *kept = norm(input()), *odd = norm(input(40));
    const Narrowed n = run({kept, linear(kept), linear(odd)});
    EXPECT_EQ(count(n), (std::map<std::string, int>{{"rms_norm", 2}, {"mul_mat", 2}}));
    for (const Node * node : n.nodes) EXPECT_EQ(node->out[0]->dtype, QL_F32);
}

}  // namespace
}  // namespace ql::test
