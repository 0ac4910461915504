// x repeated in each dimension where its size is 1.
#include "ggml/graph/build.hpp"
#include "ggml/ops/broadcast.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/moves.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_expand(const Node & n, std::vector<OutSpec> & outs) {
    const Shape to = n.params.as<ExpandParams>().shape;
    QL_TRY(expect_single_elements(n, 0));
    if (!repeats_to(to, n.src[0]->shape))
        return error(QL_BAD_SHAPE, "expand: %s does not become %s by repetition of sizes of 1",
                     describe(*n.src[0]).c_str(), to.str().c_str());
    outs.push_back({.dtype = n.src[0]->dtype, .shape = to});
    return {};
}

Status backward_expand(GradBuilder & b, const GraphNode & n) {
    if (b.wants(n.source(0))) b.add(n.source(0), summed_to(b, b.gradient(n.result(0)), n.source(0)->shape));
    return {};
}

template <typename Real>
void reference_expand(const RefArgs<Real> & a) {
    reference_move(a, expand_move(a.node));
}

std::vector<Case> cases_expand() {
    return {{"1", {param_in(1)}, ExpandParams{Shape(1)}},
            {"row to 33x3", {param_in(33)}, ExpandParams{Shape(33, 3)}},
            {"a number for each row to 65x7", {param_in({1, 7})}, ExpandParams{Shape(65, 7)}},
            {"5x1x4 to 5x3x4x2", {param_in({5, 1, 4})}, ExpandParams{Shape(5, 3, 4, 2)}},
            {"f16 to 33x3", {frozen_in(33, QL_F16)}, ExpandParams{Shape(33, 3)}},
            {"bf16 to 7x3", {frozen_in({1, 3}, QL_BF16)}, ExpandParams{Shape(7, 3)}},
            {"i32 to 33x3", {ints_in(33, Fill::ids, 100)}, ExpandParams{Shape(33, 3)}}};
}

Result<Case> bench_expand(const BenchSize & s) {
    return Case{"", {data_in({1, s.t})}, ExpandParams{Shape(s.k, s.t)}};
}

}  // namespace

Move expand_move(const Node & n) {
    const Shape &x = n.src[0]->shape, y = n.params.as<ExpandParams>().shape;
    Move move{0, y, 0, 0, dense_strides(x), dense_strides(y)};
    for (int i = 0; i < QL_MAX_DIMS; ++i)
        if (x[i] == 1) move.from_strides[static_cast<size_t>(i)] = 0;
    return move;
}

const OpDef op::expand = {
    .number = Op::expand,
    .name = "expand",
    .formula = "y = x, repeated in each dimension where its size is 1",
    .params = params_type<ExpandParams>(),
    .build_empty = Empty<ql_expand>::call,
    .infer = infer_expand,
    .backward = backward_expand,
    .differentiable = 0b1,
    .reference = reference_expand<float>,
    .reference64 = reference_expand<double>,
    .cases = cases_expand,
    .bench = bench_expand,
    .flops = no_flops,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_expand(ql_graph * g, ql_tensor * x, int n_dims, const int64_t * ne) {
    return build(g, [&]() -> ql_tensor * {
        Result<Shape> shape = shape_from(op::expand, n_dims, ne);
        if (!shape.ok()) return g->fail(shape.status()), nullptr;
        return g->emit(op::expand, {x}, ExpandParams{*shape});
    });
}
