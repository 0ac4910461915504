// y = w x / sqrt(mean(x^2) + eps), over the innermost dimension.                        (Zhang & Sennrich 2019)
#include <cmath>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_rms_norm(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    QL_TRY(expect_f32(n, 1));
    QL_TRY(expect_shape(n, 1, Shape(n.src[0]->ne(0))));
    const float eps = n.params.as<RmsNormParams>().eps;
    if (!(eps >= 0) || std::isinf(eps))
        return error(QL_INVALID_ARGUMENT, "rms_norm: eps is %g, it must be 0 or more", static_cast<double>(eps));
    outs.push_back({.shape = n.src[0]->shape, .may_reuse = 0});
    return {};
}

Status backward_rms_norm(GradBuilder & b, const GraphNode & n) {
    Tensor * dy = b.gradient(n.result(0));
    if (b.wants(n.source(0)))
        b.add(n.source(0), b.graph().emit(op::rms_norm_back, {b.value(n.source(0)), n.source(1), dy}, n.params));
    if (b.wants(n.source(1)))
        b.add(n.source(1), b.graph().emit(op::rms_norm_back_w, {b.value(n.source(0)), dy}, n.params));
    return {};
}

template <typename Real>
void reference_rms_norm(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0), n_rows = a.in(0).shape.rows();
    const double eps = a.template params<RmsNormParams>().eps;
    for (int64_t row = 0; row < n_rows; ++row) {
        const Real * x = a.x(0) + row * width;
        double squares = 0;
        for (int64_t i = 0; i < width; ++i) squares += static_cast<double>(x[i]) * x[i];
        const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + eps);
        for (int64_t i = 0; i < width; ++i) a.y(0)[row * width + i] = static_cast<Real>(x[i] * factor * a.x(1)[i]);
    }
}

std::vector<Case> cases_rms_norm() {
    const auto make = [](const char * name, Shape s) {
        return Case{name, {param_in(s), param_in(s[0], Fill::positive)}, RmsNormParams{1e-5f}};
    };
    return {make("1", 1),
            make("3x5", {3, 5}),
            make("33x3", {33, 3}),
            make("65x33", {65, 33}),
            make("heads 16x3x5", {16, 3, 5}),
            make("576x3", {576, 3})};
}

Result<Case> bench_rms_norm(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in(s.k)}, RmsNormParams{1e-5f}};
}

}  // namespace

const OpDef op::rms_norm = {
    .number = Op::rms_norm,
    .name = "rms_norm",
    .formula = "y = w x / sqrt(mean(x^2) + eps)",
    .params = params_type<RmsNormParams>(),
    .build_empty = Empty<ql_rms_norm>::call,
    .infer = infer_rms_norm,
    .backward = backward_rms_norm,
    .differentiable = 0b11,
    .cheap = true,
    .reference = reference_rms_norm<float>,
    .reference64 = reference_rms_norm<double>,
    .cases = cases_rms_norm,
    .bench = bench_rms_norm,
    .flops = flops_each<4>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_rms_norm(ql_graph * g, ql_tensor * x, ql_tensor * w, float eps) {
    return build(g, [&] { return g->emit(op::rms_norm, {x, w}, RmsNormParams{eps}); });
}
