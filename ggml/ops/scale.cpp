// y = factor x + offset.
#include <cmath>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_scale(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    const auto p = n.params.as<ScaleParams>();
    if (!std::isfinite(p.factor) || !std::isfinite(p.offset))
        return error(QL_INVALID_ARGUMENT, "scale: factor %g, offset %g; both must be finite",
                     static_cast<double>(p.factor), static_cast<double>(p.offset));
    outs.push_back({.shape = n.src[0]->shape, .may_reuse = 0});
    return {};
}

Status backward_scale(GradBuilder & b, const GraphNode & n) {
    const ScaleParams p{n.params.as<ScaleParams>().factor, 0};
    if (b.wants(n.source(0))) b.add(n.source(0), b.graph().emit(op::scale, {b.gradient(n.result(0))}, p));
    return {};
}

template <typename Real>
void reference_scale(const RefArgs<Real> & a) {
    const auto p = a.template params<ScaleParams>();
    for (int64_t i = 0; i < a.in(0).shape.elements(); ++i)
        a.y(0)[i] = static_cast<Real>(static_cast<double>(p.factor) * static_cast<double>(a.x(0)[i]) +
                                      static_cast<double>(p.offset));
}

std::vector<Case> cases_scale() {
    return {{"1", {param_in(1)}, ScaleParams{-2, 0}},
            {"33x3", {param_in({33, 3})}, ScaleParams{0.125f, 1}},
            {"96x11", {param_in({96, 11})}, ScaleParams{-1, 3}}};
}

Result<Case> bench_scale(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, ScaleParams{2, 1}};
}

}  // namespace

const OpDef op::scale = {
    .number = Op::scale,
    .name = "scale",
    .formula = "y = factor x + offset",
    .params = params_type<ScaleParams>(),
    .build_empty = Empty<ql_scale>::call,
    .infer = infer_scale,
    .backward = backward_scale,
    .differentiable = 0b1,
    .cheap = true,
    .reference = reference_scale<float>,
    .reference64 = reference_scale<double>,
    .cases = cases_scale,
    .bench = bench_scale,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_scale(ql_graph * g, ql_tensor * x, float factor, float offset) {
    return build(g, [&] { return g->emit(op::scale, {x}, ScaleParams{factor, offset}); });
}
