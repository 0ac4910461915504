// Kernels of elementary operators: sizes of several pieces, and special values, on every instruction set. What is NaN,
// infinite or out of range in the reference is the same in the kernels.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cpu/kernel_run.hpp"
#include "ggml/ops/params.hpp"
#include "ggml/ops/unary.hpp"
#include "support/conformance.hpp"

namespace ql::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

class ElementaryKernels : public testing::TestWithParam<Isa> {
  protected:
    /// Against the reference, and the same bits for any number of threads.
    void expect_agrees(const OpDef & def, const Case & c) { expect_conforms(def, c, GetParam(), 1e-11); }

    /// The same on x as the first source, and on `ids` as the second if there are any.
    void expect_agrees(const OpDef & def, const Case & c, const std::vector<float> & x, std::vector<int32_t> ids = {}) {
        SCOPED_TRACE(std::string(def.name) + " " + c.name);
        KernelRun run(def, c), expected(def, c);
        for (KernelRun * r : {&run, &expected}) {
            std::copy(x.begin(), x.end(), r->in(0));
            if (!ids.empty()) std::copy(ids.begin(), ids.end(), r->ints(1));
        }
        run.launch(GetParam(), 2);
        expected.reference();
        for (size_t result = 0; result < run.node().out.size(); ++result) {
            const auto got = run.out(result), want = expected.out(result);
            for (size_t i = 0; i < want.size(); ++i) {
                if (std::isnan(want[i]) || std::isinf(want[i]))
                    EXPECT_TRUE(std::isnan(want[i]) ? std::isnan(got[i]) : got[i] == want[i])
                        << "result " << result << "[" << i << "]: " << got[i] << " for " << want[i];
                else
                    EXPECT_NEAR(got[i], want[i], 4e-6 * std::max(1e-30f, std::abs(want[i])))
                        << "result " << result << "[" << i << "]";
            }
        }
    }
};

TEST_P(ElementaryKernels, LargeSizesAgreeWithReferenceWhateverTheThreads) {
    const Shape x(577, 131);
    expect_agrees(op::add, {"a number a row", {data_in(x), data_in({1, 131})}, {}});
    expect_agrees(op::mul, {"large", {data_in(x), data_in(x)}, {}});
    expect_agrees(op::mul, {"row", {data_in(x), data_in(577)}, {}});
    expect_agrees(op::mul, {"a number a row", {data_in(x), data_in({1, 131})}, {}});
    expect_agrees(op::mul, {"dimensions", {data_in({33, 70, 9, 3}), data_in({33, 1, 9})}, {}});
    expect_agrees(op::scale, {"large", {data_in(x)}, ScaleParams{0.3f, -2}});
    expect_agrees(op::unary, {"large", {data_in(x)}, UnaryParams{QL_UNARY_GELU, 0, 0, 0}});
    expect_agrees(op::sum_rows, {"large", {data_in(x)}, {}});
    expect_agrees(op::sum_rows, {"wide", {data_in({20001, 3})}, {}});
    expect_agrees(op::softmax, {"large", {data_in(x)}, {}});
    expect_agrees(op::softmax, {"wide", {data_in({20001, 3})}, {}});
    expect_agrees(op::softmax, {"narrow", {data_in({3, 20001})}, {}});
    expect_agrees(op::layer_norm, {"large", {data_in(x), data_in(577), data_in(577)}, LayerNormParams{1e-5f}});
    expect_agrees(op::layer_norm, {"plain", {data_in({20001, 3})}, LayerNormParams{1e-5f}});
    expect_agrees(op::gather_rows, {"large", {data_in(x), ints_in(300, Fill::targets, 131)}, {}});
    expect_agrees(op::scatter_add_rows,
                  {"large", {data_in(x), ints_in(131, Fill::targets, 40)}, ScatterAddRowsParams{40}});
    expect_agrees(op::top_k, {"large", {data_in(x)}, TopKParams{9}});
}

TEST_P(ElementaryKernels, LargeMovesAgreeWithReferenceWhateverTheThreads) {
    const Shape x(577, 131);
    expect_agrees(op::slice, {"columns", {data_in(x)}, SliceParams{0, 3, 500}});
    expect_agrees(op::slice, {"rows", {data_in(x)}, SliceParams{1, 3, 100}});
    expect_agrees(op::pad, {"columns", {data_in(x)}, PadParams{0, 3, 5}});
    expect_agrees(op::pad, {"rows", {data_in(x)}, PadParams{1, 30, 0}});
    expect_agrees(op::concat, {"columns", {data_in(x), data_in({3, 131})}, ConcatParams{0}});
    expect_agrees(op::concat, {"rows", {data_in(x), data_in({577, 70})}, ConcatParams{1}});
    expect_agrees(op::permute, {"transpose", {data_in(x)}, PermuteParams{{1, 0, 2, 3}}});
    expect_agrees(op::permute, {"heads", {data_in({66, 5, 300})}, PermuteParams{{0, 2, 1, 3}}});
    expect_agrees(op::permute, {"cycle", {data_in({33, 5, 30, 9})}, PermuteParams{{3, 2, 0, 1}}});
    expect_agrees(op::permute, {"f16", {frozen_in({130, 200}, QL_F16)}, PermuteParams{{1, 0, 2, 3}}});
    expect_agrees(op::expand, {"rows", {data_in(577)}, ExpandParams{x}});
    expect_agrees(op::expand, {"numbers", {data_in({1, 131})}, ExpandParams{x}});
}

TEST_P(ElementaryKernels, FunctionsAgreeWithReferenceOnSpecialValues) {
    const std::vector<float> x = {0,     -0.0f, kInf, -kInf, kNaN,  1e-20f, -1e-20f, 0.01f, -0.01f, 0.5f,
                                  -0.5f, 1,     -1,   2.5f,  -2.5f, 4,      -4,      9,     -9,     30,
                                  -30,   88,    -80,  1e4f,  -1e4f, 1e18f,  -1e18f,  1.25f, -0.6f};
    const auto n = static_cast<int64_t>(x.size());
    for (int32_t kind = 0; kind < kUnaryKinds; ++kind)
        for (const int32_t derivative : {0, 1}) {
            const std::string name = "kind " + std::to_string(kind) + (derivative ? "'" : "");
            const float low = kind == kUnaryClamp ? -0.6f : 1.5f;
            expect_agrees(op::unary, {name.c_str(), {data_in(n)}, UnaryParams{kind, derivative, low, 1.25f}}, x);
        }
}

TEST_P(ElementaryKernels, SoftmaxAgreesWithReferenceOnRowsThatAreNotFinite) {
    std::vector<float> x(33 * 5, 1.0f);
    std::fill_n(x.begin(), 33, -kInf);
    x[33 + 31] = kNaN, x[66 + 2] = kInf, x[99 + 32] = -kInf, x[132 + 5] = 1e30f;
    expect_agrees(op::softmax, {"rows", {data_in({33, 5})}, {}}, x);
}

TEST_P(ElementaryKernels, IdsThatNameNoRowAgreeWithReference) {
    const std::vector<float> x = case_floats({Shape(33, 4)}, 1);
    const Case gather{"ids", {data_in({33, 4}), ints_in(4, Fill::zero)}, {}};
    expect_agrees(op::gather_rows, gather, x, {4, -1, INT32_MAX, INT32_MIN});
    const Case scatter{"ids", {data_in({33, 4}), ints_in(4, Fill::zero)}, ScatterAddRowsParams{3}};
    expect_agrees(op::scatter_add_rows, scatter, x, {2, -1, 2, INT32_MIN});
    expect_agrees(op::scatter_add_rows, scatter, x, {2, -1, 3, 0});
}

TEST_P(ElementaryKernels, TopKAgreesWithReferenceOnTiesAndNaN) {
    std::vector<float> x = {3, 1, kNaN, 3, kInf, -kInf, 3, kNaN, 0, -0.0f};
    x.resize(70, 3.0f);  // whole vectors and a rest, all equal
    x[40] = kNaN, x[41] = 4, x[68] = kInf;
    for (const int64_t k : {1, 4, 10, 70}) expect_agrees(op::top_k, {"ties", {data_in({70, 1})}, TopKParams{k}}, x);
}

INSTANTIATE_TEST_SUITE_P(Cpu, ElementaryKernels, testing::ValuesIn(kernel_isas()),
                         [](const auto & info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace ql::cpu
