// What elementary operators promise beyond their formulas: where values go, and what becomes of NaN, of infinity and of
// ids that name no row.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ql/ql.h"
#include "support/reference_run.hpp"

namespace ql::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

struct Elementary : testing::Test {
    Graph g;
    ReferenceRun<float> run{g};

    Tensor * f32(Shape s, const std::vector<float> & v) {
        Tensor * t = g.leaf(TensorKind::input, "x", QL_F32, QL_MAX_DIMS, s.ne.data(), nullptr);
        run.set(t, v);
        return t;
    }
    Tensor * i32(const std::vector<int32_t> & v) {
        const auto n = static_cast<int64_t>(v.size());
        Tensor * t = g.leaf(TensorKind::input, "i", QL_I32, 1, &n, nullptr);
        run.set(t, v);
        return t;
    }
    std::vector<float> result(const Tensor * t) {
        EXPECT_TRUE(g.status().ok()) << g.status().message();
        return run.run(), run.values(t);
    }
    float of(ql_unary_kind kind, float x) { return result(ql_unary(&g, f32(1, {x}), kind))[0]; }
};

using Floats = std::vector<float>;

TEST_F(Elementary, FunctionsHaveTheValuesOfTheTextbook) {
    EXPECT_FLOAT_EQ(of(QL_UNARY_SILU, 1), 0.731058579f);
    EXPECT_FLOAT_EQ(of(QL_UNARY_GELU, 1), 0.841344746f);
    EXPECT_FLOAT_EQ(of(QL_UNARY_GELU, -3), -0.00404969409f);
    EXPECT_FLOAT_EQ(of(QL_UNARY_GELU_TANH, 1), 0.841191991f);
    EXPECT_FLOAT_EQ(of(QL_UNARY_SIGMOID, -2), 0.119202922f);
    EXPECT_FLOAT_EQ(of(QL_UNARY_TANH, 0.5f), 0.462117157f);
    EXPECT_FLOAT_EQ(of(QL_UNARY_RELU, -2), 0);
    EXPECT_FLOAT_EQ(of(QL_UNARY_RELU_SQUARED, 3), 9);
    EXPECT_FLOAT_EQ(of(QL_UNARY_SOFTPLUS, 1), 1.31326169f);
    EXPECT_FLOAT_EQ(of(QL_UNARY_SOFTPLUS, 1000), 1000);
    EXPECT_FLOAT_EQ(of(QL_UNARY_EXP, 1), 2.71828183f);
    EXPECT_FLOAT_EQ(of(QL_UNARY_LOG, 10), 2.30258509f);
    EXPECT_FLOAT_EQ(of(QL_UNARY_LOG, 0), -kInf);
    EXPECT_TRUE(std::isnan(of(QL_UNARY_LOG, -1)));
    EXPECT_FLOAT_EQ(of(QL_UNARY_RSQRT, 4), 0.5f);
    EXPECT_FLOAT_EQ(of(QL_UNARY_RECIPROCAL, -4), -0.25f);
}

TEST_F(Elementary, FunctionsKeepNaN) {
    for (int32_t kind = 0; kind < QL_UNARY_N; ++kind)
        EXPECT_TRUE(std::isnan(of(static_cast<ql_unary_kind>(kind), kNaN))) << kind;
    EXPECT_TRUE(std::isnan(result(ql_clamp(&g, f32(1, {kNaN}), -1, 1))[0]));
    EXPECT_TRUE(std::isnan(result(ql_soft_cap(&g, f32(1, {kNaN}), 1))[0]));
}

TEST_F(Elementary, ClampAndSoftCapEndAtTheirLimits) {
    EXPECT_EQ(result(ql_clamp(&g, f32(4, {-kInf, -1, 0.5f, 7}), -1, 2)), (Floats{-1, -1, 0.5f, 2}));
    EXPECT_EQ(result(ql_soft_cap(&g, f32(3, {-kInf, 0, kInf}), 30)), (Floats{-30, 0, 30}));
}

TEST_F(Elementary, SoftmaxOfLargeNumbersIsFiniteAndMinusInfinityGetsNothing) {
    EXPECT_EQ(result(ql_softmax(&g, f32(3, {1e30f, -kInf, 1e30f}))), (Floats{0.5f, 0, 0.5f}));
}

TEST_F(Elementary, SoftmaxOfARowWithoutAFiniteLargestIsNaN) {
    const Floats y = result(ql_softmax(&g, f32({2, 4}, {-kInf, -kInf, kInf, 0, kNaN, 0, 0, 0})));
    for (size_t i = 0; i < 6; ++i) EXPECT_TRUE(std::isnan(y[i])) << i;
    EXPECT_EQ(y[6], 0.5f);
}

TEST_F(Elementary, LayerNormOfAConstantRowIsTheBias) {
    EXPECT_EQ(result(ql_layer_norm(&g, f32({3, 1}, {5, 5, 5}), f32(3, {1, 2, 3}), f32(3, {7, 8, 9}), 1e-5f)),
              (Floats{7, 8, 9}));
}

TEST_F(Elementary, MulRepeatsSizesOfOne) {
    Tensor * a = f32({2, 3}, {1, 2, 3, 4, 5, 6});
    EXPECT_EQ(result(ql_mul(&g, a, f32(2, {1, 10}))), (Floats{1, 20, 3, 40, 5, 60}));
    EXPECT_EQ(result(ql_mul(&g, a, f32({1, 3}, {1, 10, 100}))), (Floats{1, 2, 30, 40, 500, 600}));
    EXPECT_EQ(result(ql_mul(&g, a, f32(1, {2}))), (Floats{2, 4, 6, 8, 10, 12}));
}

TEST_F(Elementary, MovesPutValuesWhereTheySay) {
    Tensor * x = f32({3, 2}, {1, 2, 3, 4, 5, 6});
    const int transpose[] = {1, 0, 2, 3};
    const int64_t repeated[] = {2, 2};
    EXPECT_EQ(result(ql_slice(&g, x, 0, 1, 2)), (Floats{2, 3, 5, 6}));
    EXPECT_EQ(result(ql_slice(&g, x, 1, 1, 1)), (Floats{4, 5, 6}));
    EXPECT_EQ(result(ql_pad(&g, x, 0, 1, 0)), (Floats{0, 1, 2, 3, 0, 4, 5, 6}));
    EXPECT_EQ(result(ql_pad(&g, x, 1, 0, 1)), (Floats{1, 2, 3, 4, 5, 6, 0, 0, 0}));
    EXPECT_EQ(result(ql_concat(&g, x, f32({1, 2}, {7, 8}), 0)), (Floats{1, 2, 3, 7, 4, 5, 6, 8}));
    EXPECT_EQ(result(ql_permute(&g, x, transpose)), (Floats{1, 4, 2, 5, 3, 6}));
    EXPECT_EQ(result(ql_expand(&g, f32({1, 2}, {1, 2}), 2, repeated)), (Floats{1, 1, 2, 2}));
    EXPECT_EQ(result(ql_sum_rows(&g, x)), (Floats{6, 15}));
}

TEST_F(Elementary, PermuteTakesDimensionFromOfTheSource) {
    const int order[] = {2, 0, 1, 3};
    Tensor * y = ql_permute(&g, f32({5, 3, 2}, case_floats({Shape(5, 3, 2)}, 1)), order);
    EXPECT_EQ(y->shape, Shape(2, 5, 3));
}

TEST_F(Elementary, GatherGivesZerosForNoRowAndNaNForARowThatIsNotThere) {
    const Floats y = result(ql_gather_rows(&g, f32({2, 2}, {1, 2, 3, 4}), i32({1, -1, 2, 0})));
    EXPECT_EQ(Floats(y.begin(), y.begin() + 4), (Floats{3, 4, 0, 0}));
    EXPECT_TRUE(std::isnan(y[4]) && std::isnan(y[5]));
    EXPECT_EQ(Floats(y.begin() + 6, y.end()), (Floats{1, 2}));
}

TEST_F(Elementary, ScatterAddsRowsOfOneIdAndLeavesOutNegativeOnes) {
    Tensor * x = f32({2, 4}, {1, 2, 10, 20, 100, 200, 1000, 2000});
    EXPECT_EQ(result(ql_scatter_add_rows(&g, x, i32({2, 0, -1, 2}), 3)), (Floats{10, 20, 0, 0, 1001, 2002}));
}

TEST_F(Elementary, ScatterToARowThatIsNotThereIsNaNThroughout) {
    for (const float y : result(ql_scatter_add_rows(&g, f32({1, 2}, {1, 2}), i32({0, 3}), 3)))
        EXPECT_TRUE(std::isnan(y));
}

TEST_F(Elementary, TopKGivesEqualOnesInTheOrderOfTheRowAndNaNFirst) {
    Tensor * ids = nullptr;
    Tensor * values = ql_top_k(&g, f32({5, 2}, {1, 3, 2, 3, 3, -kInf, 0, kNaN, kInf, -1}), 3, &ids);
    const Floats y = result(values);
    EXPECT_EQ(Floats(y.begin(), y.begin() + 3), (Floats{3, 3, 3}));
    EXPECT_TRUE(std::isnan(y[3]));
    EXPECT_EQ(Floats(y.begin() + 4, y.end()), (Floats{kInf, 0}));
    EXPECT_EQ(run.values(ids), (Floats{1, 3, 4, 2, 3, 1}));
}

TEST_F(Elementary, SecondDerivativesOfFunctionsAreRefused) {
    const int64_t n = 1;
    Tensor * x = ql_param(&g, "x", 1, &n);
    Tensor *y = ql_unary(&g, x, QL_UNARY_TANH), *first = nullptr, *second = nullptr;
    ASSERT_EQ(ql_gradients(&g, y, &x, 1, QL_RECOMPUTE_NONE, &first), QL_OK);
    EXPECT_EQ(ql_gradients(&g, first, &x, 1, QL_RECOMPUTE_NONE, &second), QL_UNSUPPORTED);
    EXPECT_NE(std::string(ql_error_message()).find("unary: second derivatives are out of scope"), std::string::npos);
}

}  // namespace
}  // namespace ql::test
