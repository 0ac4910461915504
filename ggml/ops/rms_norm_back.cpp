// The gradient of y = w x r, r = 1 / sqrt(mean(x^2) + eps):   dx = r (w dy) - r^3 x mean(x w dy).
// Sources x, w, dy. A row is read before it is written, so dx may lie in dy's storage.
#include <cmath>

#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"

namespace ql {
namespace {

Status infer_rms_norm_back(const Node & n, std::vector<OutSpec> & outs) {
    for (int i = 0; i < 3; ++i) QL_TRY(expect_f32(n, i));
    QL_TRY(expect_shape(n, 1, Shape(n.src[0]->ne(0))));
    QL_TRY(expect_same_shape(n, 0, 2));
    outs.push_back({.shape = n.src[0]->shape, .may_reuse = 2});
    return {};
}

template <typename Real>
void reference_rms_norm_back(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0), n_rows = a.in(0).shape.rows();
    const Real * w = a.x(1);
    const double eps = a.template params<RmsNormParams>().eps;
    for (int64_t row = 0; row < n_rows; ++row) {
        const Real *x = a.x(0) + row * width, *dy = a.x(2) + row * width;
        double squares = 0, dot = 0;
        for (int64_t i = 0; i < width; ++i) {
            squares += static_cast<double>(x[i]) * x[i];
            dot += static_cast<double>(x[i]) * w[i] * dy[i];
        }
        const double r = 1 / std::sqrt(squares / static_cast<double>(width) + eps);
        const double c = r * r * r * dot / static_cast<double>(width);
        for (int64_t i = 0; i < width; ++i) a.y(0)[row * width + i] = static_cast<Real>(r * w[i] * dy[i] - c * x[i]);
    }
}

std::vector<Case> cases_rms_norm_back() {
    const auto make = [](const char * name, Shape s) {
        return Case{name, {data_in(s), frozen_in(s[0], QL_F32, Fill::positive), data_in(s)}, RmsNormParams{1e-5f}};
    };
    return {make("1", 1), make("3x5", {3, 5}), make("33x3", {33, 3}), make("65x33", {65, 33}), make("576x3", {576, 3})};
}

Result<Case> bench_rms_norm_back(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in(s.k), data_in({s.k, s.t})}, RmsNormParams{1e-5f}};
}

}  // namespace

const OpDef op::rms_norm_back = {
    .number = Op::rms_norm_back,
    .name = "rms_norm_back",
    .formula = "dx = r (w dy) - r^3 x mean(x w dy), r = 1 / sqrt(mean(x^2) + eps)",
    .params = params_type<RmsNormParams>(),
    .infer = infer_rms_norm_back,
    .no_grad = "second derivatives are out of scope",
    .reference = reference_rms_norm_back<float>,
    .reference64 = reference_rms_norm_back<double>,
    .cases = cases_rms_norm_back,
    .bench = bench_rms_norm_back,
    .flops = flops_each<9>,
};

}  // namespace ql
