// y = silu(gate) * up, silu(x) = x / (1 + exp(-x)).                                               (Shazeer 2020)
#include <cmath>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_swiglu(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    QL_TRY(expect_f32(n, 1));
    QL_TRY(expect_same_shape(n, 0, 1));
    outs.push_back({.shape = n.src[0]->shape, .may_reuse = 0});
    return {};
}

Status backward_swiglu(GradBuilder & b, const GraphNode & n) {
    if (!b.wants(n.source(0)) && !b.wants(n.source(1))) return {};
    Tensor * d_gate =
        b.graph().emit(op::swiglu_back, {b.value(n.source(0)), b.value(n.source(1)), b.gradient(n.result(0))});
    if (!d_gate) return b.graph().status();
    Tensor * d_up = d_gate->producer->result(1);
    b.add(n.source(0), d_gate);
    b.add(n.source(1), d_up);
    return {};
}

template <typename Real>
void reference_swiglu(const RefArgs<Real> & a) {
    const int64_t n = a.in(0).shape.elements();
    for (int64_t i = 0; i < n; ++i) {
        const double gate = a.x(0)[i];
        a.y(0)[i] = static_cast<Real>(gate / (1 + std::exp(-gate)) * a.x(1)[i]);
    }
}

std::vector<Case> cases_swiglu() {
    const auto make = [](const char * name, Shape s) { return Case{name, {param_in(s), param_in(s)}, {}}; };
    return {make("1", 1), make("33x3", {33, 3}), make("65x33", {65, 33}), make("96x11", {96, 11})};
}

Result<Case> bench_swiglu(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in({s.k, s.t})}, {}};
}

}  // namespace

const OpDef op::swiglu = {
    .number = Op::swiglu,
    .name = "swiglu",
    .formula = "y = silu(gate) * up, silu(x) = x / (1 + exp(-x))",
    .build_empty = Empty<ql_swiglu>::call,
    .infer = infer_swiglu,
    .backward = backward_swiglu,
    .differentiable = 0b11,
    .cheap = true,
    .reference = reference_swiglu<float>,
    .reference64 = reference_swiglu<double>,
    .cases = cases_swiglu,
    .bench = bench_swiglu,
    .flops = flops_each<5>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_swiglu(ql_graph * g, ql_tensor * gate, ql_tensor * up) {
    return build(g, [&] { return g->emit(op::swiglu, {gate, up}); });
}
