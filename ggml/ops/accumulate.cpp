// sum += x, in place: micro-batches' gradients add up in a state until the optimizer's step.
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ql/optim.h"

namespace ql {
namespace {

Status infer_accumulate(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_state(n, 0));
    QL_TRY(expect_f32(n, 1));
    QL_TRY(expect_same_shape(n, 0, 1));
    outs.push_back({.shape = n.src[0]->shape, .alias = 0});
    return {};
}

template <typename Real>
void reference_accumulate(const RefArgs<Real> & a) {
    const int64_t n = a.in(0).shape.elements();
    for (int64_t i = 0; i < n; ++i) a.y(0)[i] = a.x(0)[i] + a.x(1)[i];
}

std::vector<Case> cases_accumulate() {
    return {
        {"1", {state_in(1), data_in(1)}, {}},
        {"33x3", {state_in({33, 3}), data_in({33, 3})}, {}},
        {"65x33", {state_in({65, 33}), data_in({65, 33})}, {}},
    };
}

Result<Case> bench_accumulate(const BenchSize & s) {
    return Case{"", {state_in({s.k, s.m}), data_in({s.k, s.m})}, {}};
}

}  // namespace

const OpDef op::accumulate = {
    .number = Op::accumulate,
    .name = "accumulate",
    .formula = "sum += x, in place",
    .build_empty = Empty<ql_accumulate>::call,
    .infer = infer_accumulate,
    .no_grad = "it changes a state in place, after the backward pass",
    .reference = reference_accumulate<float>,
    .reference64 = reference_accumulate<double>,
    .cases = cases_accumulate,
    .bench = bench_accumulate,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_accumulate(ql_graph * g, ql_tensor * sum, ql_tensor * x) {
    return build(g, [&] { return g->emit(op::accumulate, {sum, x}); });
}
