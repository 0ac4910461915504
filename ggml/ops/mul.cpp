// y = a b, element by element; b is repeated in each dimension where its size is 1 (broadcast.hpp).
#include "ggml/graph/build.hpp"
#include "ggml/ops/broadcast.hpp"
#include "ggml/ops/cases.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status backward_mul(GradBuilder & b, const GraphNode & n) {
    Tensor *x = n.source(0), *y = n.source(1), *dy = b.gradient(n.result(0));
    if (b.wants(x)) b.add(x, b.graph().emit(op::mul, {dy, b.value(y)}));
    if (b.wants(y) && y->shape == Shape(x->shape[0]) && x->shape.rows() > 1)  // a row that every row is multiplied by
        b.add(y, b.graph().emit(op::column_dots, {dy, b.value(x)}));
    else if (b.wants(y))
        b.add(y, summed_to(b, b.graph().emit(op::mul, {dy, b.value(x)}), y->shape));
    return {};
}

template <typename Real>
void reference_mul(const RefArgs<Real> & args) {
    reference_broadcast(args, [](Real a, Real b) { return a * b; });
}

std::vector<Case> cases_mul() {
    const auto make = [](const char * name, Shape a, Shape b) { return Case{name, {param_in(a), param_in(b)}, {}}; };
    return {make("1", 1, 1),
            make("33x3", {33, 3}, {33, 3}),
            make("96x5", {96, 5}, {96, 5}),
            make("65x3x5", {65, 3, 5}, {65, 3, 5}),
            make("row 65x33", {65, 33}, 65),
            make("number a row 64x5", {64, 5}, {1, 5}),
            make("number a row 3x7x2", {3, 7, 2}, {1, 7, 2}),
            make("one for all 33x3", {33, 3}, 1),
            make("some dimensions 5x3x4x2", {5, 3, 4, 2}, {5, 1, 4})};
}

Result<Case> bench_mul(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in({s.k, s.t})}, {}};
}

}  // namespace

const OpDef op::mul = {
    .number = Op::mul,
    .name = "mul",
    .formula = "y = a b",
    .build_empty = Empty<ql_mul>::call,
    .infer = infer_broadcast,
    .backward = backward_mul,
    .differentiable = 0b11,
    .cheap = true,
    .reference = reference_mul<float>,
    .reference64 = reference_mul<double>,
    .cases = cases_mul,
    .bench = bench_mul,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_mul(ql_graph * g, ql_tensor * a, ql_tensor * b) {
    return build(g, [&] { return g->emit(op::mul, {a, b}); });
}
