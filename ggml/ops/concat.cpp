// y = a followed by b along a dimension.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/moves.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

size_t dimension(const Node & n) {
    return static_cast<size_t>(n.params.as<ConcatParams>().dim);
}

Shape joined(const Node & n) {
    Shape y = n.src[0]->shape;
    y.ne[dimension(n)] += n.src[1]->shape.ne[dimension(n)];
    return y;
}

Status infer_concat(const Node & n, std::vector<OutSpec> & outs) {
    for (int i = 0; i < 2; ++i) QL_TRY(expect_single_elements(n, i));
    QL_TRY(expect_dimension(n, n.params.as<ConcatParams>().dim));
    if (n.src[0]->dtype != n.src[1]->dtype)
        return error(QL_BAD_DTYPE, "concat: %s and %s differ in type", describe(*n.src[0]).c_str(),
                     describe(*n.src[1]).c_str());
    for (size_t d = 0; d < QL_MAX_DIMS; ++d)
        if (d != dimension(n) && n.src[0]->shape.ne[d] != n.src[1]->shape.ne[d])
            return shape_error(n, "the tensors differ in another dimension than that of the concatenation");
    outs.push_back({.dtype = n.src[0]->dtype, .shape = joined(n)});
    return {};
}

Status backward_concat(GradBuilder & b, const GraphNode & n) {
    const auto dim = static_cast<int64_t>(dimension(n));
    int64_t first = 0;
    for (const Operand * x : n.src) {
        const int64_t size = x->shape.ne[dimension(n)];
        if (b.wants(x)) b.add(x, b.graph().emit(op::slice, {b.gradient(n.result(0))}, SliceParams{dim, first, size}));
        first += size;
    }
    return {};
}

template <typename Real>
void reference_concat(const RefArgs<Real> & a) {
    for (int i = 0; i < 2; ++i) reference_move(a, concat_move(a.node, i));
}

std::vector<Case> cases_concat() {
    const auto make = [](const char * name, int64_t dim, Shape a, Shape b) {
        return Case{name, {param_in(a), param_in(b)}, ConcatParams{dim}};
    };
    return {make("1 and 1", 0, 1, 1),
            make("innermost 33x3", 0, {33, 3}, {5, 3}),
            make("rows 65x3", 1, {65, 3}, {65, 30}),
            make("third 3x5x2x2", 2, {3, 5, 2, 2}, {3, 5, 3, 2}),
            make("outermost 3x5", 3, {3, 5}, {3, 5, 1, 2}),
            {"f16 33x3", {frozen_in({33, 3}, QL_F16), frozen_in({32, 3}, QL_F16)}, ConcatParams{0}},
            {"bf16 5x7", {frozen_in({5, 7}, QL_BF16), frozen_in({5, 2}, QL_BF16)}, ConcatParams{1}},
            {"i32 33x3", {ints_in({33, 3}, Fill::ids, 100), ints_in({1, 3}, Fill::ids, 9)}, ConcatParams{0}}};
}

Result<Case> bench_concat(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in({s.k, s.t})}, ConcatParams{0}};
}

}  // namespace

Move concat_move(const Node & n, int source) {
    const Shape & x = n.src[static_cast<size_t>(source)]->shape;
    const Strides to = dense_strides(joined(n));
    const int64_t before = source ? n.src[0]->shape.ne[dimension(n)] : 0;
    return {source, x, 0, before * to[dimension(n)], dense_strides(x), to};
}

const OpDef op::concat = {
    .number = Op::concat,
    .name = "concat",
    .formula = "y = a, and b behind it along a dimension",
    .params = params_type<ConcatParams>(),
    .build_empty = Empty<ql_concat>::call,
    .infer = infer_concat,
    .backward = backward_concat,
    .differentiable = 0b11,
    .reference = reference_concat<float>,
    .reference64 = reference_concat<double>,
    .cases = cases_concat,
    .bench = bench_concat,
    .flops = no_flops,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_concat(ql_graph * g, ql_tensor * a, ql_tensor * b, int dim) {
    return build(g, [&] { return g->emit(op::concat, {a, b}, ConcatParams{dim}); });
}
