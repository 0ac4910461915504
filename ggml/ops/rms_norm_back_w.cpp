// The gradient of the weight of y = w x r, r = 1 / sqrt(mean(x^2) + eps):   dw[i] = sum over rows t of x[i, t] r_t dy[i, t].
// Sources x, dy.
#include <cmath>

#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"

namespace ql {
namespace {

Status infer_rms_norm_back_w(const Node & n, std::vector<OutSpec> & outs) {
    for (int i = 0; i < 2; ++i) QL_TRY(expect_f32(n, i));
    QL_TRY(expect_same_shape(n, 0, 1));
    outs.push_back({.shape = Shape(n.src[0]->ne(0))});
    return {};
}

template <typename Real>
void reference_rms_norm_back_w(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0), n_rows = a.in(0).shape.rows();
    const double eps = a.template params<RmsNormParams>().eps;
    std::vector<double> sums(static_cast<size_t>(width));
    for (int64_t row = 0; row < n_rows; ++row) {
        const Real *x = a.x(0) + row * width, *dy = a.x(1) + row * width;
        double squares = 0;
        for (int64_t i = 0; i < width; ++i) squares += static_cast<double>(x[i]) * x[i];
        const double r = 1 / std::sqrt(squares / static_cast<double>(width) + eps);
        for (int64_t i = 0; i < width; ++i) sums[static_cast<size_t>(i)] += static_cast<double>(x[i]) * r * dy[i];
    }
    for (int64_t i = 0; i < width; ++i) a.y(0)[i] = static_cast<Real>(sums[static_cast<size_t>(i)]);
}

std::vector<Case> cases_rms_norm_back_w() {
    const auto make = [](const char * name, Shape s) {
        return Case{name, {data_in(s), data_in(s)}, RmsNormParams{1e-5f}};
    };
    return {make("1", 1),
            make("3x5", {3, 5}),
            make("33x3", {33, 3}),
            make("65x33", {65, 33}),
            make("576x3", {576, 3}),
            make("heads 16x3x5", {16, 3, 5})};
}

Result<Case> bench_rms_norm_back_w(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in({s.k, s.t})}, RmsNormParams{1e-5f}};
}

}  // namespace

const OpDef op::rms_norm_back_w = {
    .number = Op::rms_norm_back_w,
    .name = "rms_norm_back_w",
    .formula = "dw[i] = sum_t x[i, t] dy[i, t] / sqrt(mean(x_t^2) + eps)",
    .params = params_type<RmsNormParams>(),
    .infer = infer_rms_norm_back_w,
    .no_grad = "second derivatives are out of scope",
    .reference = reference_rms_norm_back_w<float>,
    .reference64 = reference_rms_norm_back_w<double>,
    .cases = cases_rms_norm_back_w,
    .bench = bench_rms_norm_back_w,
    .flops = flops_each<5>,
};

}  // namespace ql
