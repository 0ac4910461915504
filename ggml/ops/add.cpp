// y = a + b; b is repeated in each dimension where its size is 1 (broadcast.hpp).
#include "ggml/graph/build.hpp"
#include "ggml/ops/broadcast.hpp"
#include "ggml/ops/cases.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status backward_add(GradBuilder & b, const GraphNode & n) {
    Tensor * dy = b.gradient(n.result(0));
    b.add(n.source(0), dy);
    if (b.wants(n.source(1))) b.add(n.source(1), summed_to(b, dy, n.source(1)->shape));
    return {};
}

template <typename Real>
void reference_add(const RefArgs<Real> & args) {
    reference_broadcast(args, [](Real a, Real b) { return a + b; });
}

std::vector<Case> cases_add() {
    return {
        {"1", {param_in(1), param_in(1)}, {}},
        {"33x3", {param_in({33, 3}), param_in({33, 3})}, {}},
        {"65x3x5", {param_in({65, 3, 5}), param_in({65, 3, 5})}, {}},
        {"row 65x33", {param_in({65, 33}), param_in(65)}, {}},
        {"number a row 33x7", {param_in({33, 7}), param_in({1, 7})}, {}},
        {"one for all 33x3", {param_in({33, 3}), param_in(1)}, {}},
    };
}

Result<Case> bench_add(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in({s.k, s.t})}, {}};
}

}  // namespace

const OpDef op::add = {
    .number = Op::add,
    .name = "add",
    .formula = "y = a + b",
    .build_empty = Empty<ql_add>::call,
    .infer = infer_broadcast,
    .backward = backward_add,
    .differentiable = 0b11,
    .reference = reference_add<float>,
    .reference64 = reference_add<double>,
    .cases = cases_add,
    .bench = bench_add,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_add(ql_graph * g, ql_tensor * a, ql_tensor * b) {
    return build(g, [&] { return g->emit(op::add, {a, b}); });
}
