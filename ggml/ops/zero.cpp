// x = 0, in place: a gradient sum starts again after the optimizer's step.
#include <algorithm>

#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ql/optim.h"

namespace ql {
namespace {

Status infer_zero(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_state(n, 0));
    outs.push_back({.shape = n.src[0]->shape, .alias = 0});
    return {};
}

template <typename Real>
void reference_zero(const RefArgs<Real> & a) {
    std::fill_n(a.y(0), a.in(0).shape.elements(), Real(0));
}

std::vector<Case> cases_zero() {
    return {{"1", {state_in(1)}, {}}, {"33x3", {state_in({33, 3})}, {}}, {"65x33", {state_in({65, 33})}, {}}};
}

Result<Case> bench_zero(const BenchSize & s) {
    return Case{"", {state_in({s.k, s.m})}, {}};
}

}  // namespace

const OpDef op::zero = {
    .number = Op::zero,
    .name = "zero",
    .formula = "x = 0, in place",
    .build_empty = Empty<ql_zero>::call,
    .infer = infer_zero,
    .no_grad = "it changes a state in place, after the backward pass",
    .reference = reference_zero<float>,
    .reference64 = reference_zero<double>,
    .cases = cases_zero,
    .bench = bench_zero,
    .flops = no_flops,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_zero(ql_graph * g, ql_tensor * x) {
    return build(g, [&] { return g->emit(op::zero, {x}); });
}
