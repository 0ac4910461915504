// Which tensors a plan holds in bf16: all or nothing for each storage, by what the kernels say they take.
#include "plan/passes.hpp"

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
class Narrowing : public Passes {
  protected:
    Narrowing() {
        norm_ = product_ = plain;
        norm_.writes_bf16 = always;
        product_.reads_bf16 = after_weight;
        table[op_index(&op::rms_norm)] = &norm_;
        table[op_index(&op::mul_mat)] = &product_;
        device.caps.bf16 = true;
    }
    Tensor * input(int64_t n = kWidth) { return leaf(TensorKind::input, {n, kTokens}); }
    Tensor * norm(Tensor * x) { return ql_rms_norm(&g, x, leaf(TensorKind::input, Shape(x->ne(0))), 1e-5f); }
    Tensor * linear(Tensor * x) { return ql_mul_mat(&g, leaf(TensorKind::input, {x->ne(0), kWidth}), x); }
    void run(const std::vector<Tensor *> & outputs) { apply(outputs, {reach, place, narrow}); }

  private:
    Kernel norm_, product_;
};

TEST_F(Narrowing, WhatOnlyProductsReadIsHeldInBf16) {
    Tensor * y = linear(norm(input()));
    run({y});
    ASSERT_EQ(list.nodes.size(), 2u);
    EXPECT_EQ(list.nodes[0]->out[0]->dtype, QL_BF16);
    EXPECT_EQ(list.nodes[1]->src[1], list.nodes[0]->out[0]);
    EXPECT_EQ(list.nodes[1]->out[0]->dtype, QL_F32) << "an output stays what it is";
    EXPECT_EQ(y->producer->src[1]->dtype, QL_F32) << "the graph is not touched";
}

TEST_F(Narrowing, ViewsGoWithTheirStorage) {
    const int64_t heads[] = {32, 2, kTokens}, flat[] = {kWidth, kTokens};
    Tensor * y = linear(ql_reshape(&g, ql_reshape(&g, norm(input()), 3, heads), 2, flat));
    run({y});
    ASSERT_EQ(list.nodes.size(), 4u);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(list.nodes[static_cast<size_t>(i)]->out[0]->dtype, QL_BF16);
    EXPECT_EQ(list.nodes[2]->out[0]->root(), list.nodes[0]->out[0]);
}

TEST_F(Narrowing, OneReaderThatNeedsF32KeepsItSoForAll) {
    Tensor *x = norm(input()), *y = linear(x), *z = ql_add(&g, x, input());
    run({y, z});
    EXPECT_EQ(list.nodes.size(), 3u);
    for (const Node * node : list.nodes)
        for (const Operand * t : node->out) EXPECT_EQ(t->dtype, QL_F32);
}

TEST_F(Narrowing, AnOperandOfSeveralProductsIsRoundedOnce) {
    Tensor *x = ql_add(&g, input(), input()), *y = linear(x), *z = linear(x);
    run({y, z});
    EXPECT_EQ(count(), (Ops{{"add", 1}, {"to_bf16", 1}, {"mul_mat", 2}}));
    EXPECT_EQ(list.nodes[1]->src[0], value(x));
    EXPECT_EQ(list.nodes[2]->src[1], list.nodes[1]->out[0]);
    EXPECT_EQ(list.nodes[3]->src[1], list.nodes[1]->out[0]);
}

TEST_F(Narrowing, ARoundedOperandHasTheShapeOfEachReader) {
    const int64_t heads[] = {32, 2 * kTokens};
    Tensor *x = ql_add(&g, input(), input()), *y = linear(x), *z = linear(ql_reshape(&g, x, 2, heads));
    run({y, z});
    EXPECT_EQ(count().at("to_bf16"), 1);
    EXPECT_EQ(list.nodes.back()->src[1]->shape, Shape(32, 2 * kTokens));
    EXPECT_EQ(list.nodes.back()->src[1]->root(), list.nodes[1]->out[0]);
}

TEST_F(Narrowing, OutputsAndRowsThatAreNoWholeVectorsStay) {
    Tensor *kept = norm(input()), *odd = norm(input(40));
    run({kept, linear(kept), linear(odd)});
    EXPECT_EQ(count(), (Ops{{"rms_norm", 2}, {"mul_mat", 2}}));
    for (const Node * node : list.nodes) EXPECT_EQ(node->out[0]->dtype, QL_F32);
}

}  // namespace
}  // namespace ql::test
