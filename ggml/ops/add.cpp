// y = a + b; b has a's shape, or is one row that is added to every row.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    QL_TRY(expect_f32(n, 1));
    const Shape & a = n.src[0]->shape;
    const Shape & b = n.src[1]->shape;
    if (b != a && b != Shape(a[0]))
        return shape_error(n, "the second must have the first's shape or be one of its rows");
    outs.push_back({.shape = a, .may_reuse = 0});
    return {};
}

Status backward(GradBuilder & b, const GraphNode & n) {
    Tensor * dy = b.gradient(n.result(0));
    if (b.wants(n.source(1)) && n.source(1)->shape != n.source(0)->shape)
        return error(QL_UNSUPPORTED, "add: no gradient for %s, a row that is added to every row",
                     describe(*n.source(1)).c_str());
    b.add(n.source(0), dy);
    b.add(n.source(1), dy);
    return {};
}

template <typename Real>
void reference(const RefArgs<Real> & a) {
    const int64_t n = a.in(0).shape.elements(), n_b = a.in(1).shape.elements();
    for (int64_t i = 0; i < n; ++i) a.y(0)[i] = a.x(0)[i] + a.x(1)[i % n_b];
}

std::vector<Case> cases() {
    return {
        {"1", {param_in(1), param_in(1)}, {}},
        {"33x3", {param_in({33, 3}), param_in({33, 3})}, {}},
        {"65x3x5", {param_in({65, 3, 5}), param_in({65, 3, 5})}, {}},
        {"row 65x33", {param_in({65, 33}), frozen_in(65)}, {}},
    };
}

Result<Case> bench(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in({s.k, s.t})}, {}};
}

}  // namespace

const OpDef op::add = {
    .number = Op::add,
    .name = "add",
    .formula = "y = a + b",
    .build_empty = Empty<ql_add>::call,
    .infer = infer,
    .backward = backward,
    .differentiable = 0b11,
    .reference = reference<float>,
    .reference64 = reference<double>,
    .cases = cases,
    .bench = bench,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_add(ql_graph * g, ql_tensor * a, ql_tensor * b) {
    return build(g, [&] { return g->emit(op::add, {a, b}); });
}
