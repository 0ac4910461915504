// y = elements [first, first + n) of x along a dimension.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/moves.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Shape cut(Shape x, const SliceParams & p) {
    x.ne[static_cast<size_t>(p.dim)] = p.n;
    return x;
}

Status infer_slice(const Node & n, std::vector<OutSpec> & outs) {
    const auto p = n.params.as<SliceParams>();
    QL_TRY(expect_single_elements(n, 0));
    QL_TRY(expect_dimension(n, p.dim));
    const Shape & x = n.src[0]->shape;
    const int64_t size = x[static_cast<int>(p.dim)];
    if (p.first < 0 || p.n < 1 || p.n > size || p.first > size - p.n)
        return error(QL_BAD_SHAPE, "slice: %lld elements from %lld on, of dimension %lld of %s",
                     static_cast<long long>(p.n), static_cast<long long>(p.first), static_cast<long long>(p.dim),
                     describe(*n.src[0]).c_str());
    outs.push_back({.dtype = n.src[0]->dtype, .shape = cut(x, p)});
    return {};
}

Status backward_slice(GradBuilder & b, const GraphNode & n) {
    const auto p = n.params.as<SliceParams>();
    const int64_t size = n.source(0)->shape[static_cast<int>(p.dim)];
    if (b.wants(n.source(0)))
        b.add(n.source(0),
              b.graph().emit(op::pad, {b.gradient(n.result(0))}, PadParams{p.dim, p.first, size - p.first - p.n}));
    return {};
}

template <typename Real>
void reference_slice(const RefArgs<Real> & a) {
    reference_move(a, slice_move(a.node));
}

std::vector<Case> cases_slice() {
    return {{"1 of 1", {param_in(1)}, SliceParams{0, 0, 1}},
            {"innermost 33x3", {param_in({33, 3})}, SliceParams{0, 5, 17}},
            {"rows 65x33", {param_in({65, 33})}, SliceParams{1, 32, 1}},
            {"third 3x5x7x2", {param_in({3, 5, 7, 2})}, SliceParams{2, 1, 5}},
            {"outermost 3x5x2x4", {param_in({3, 5, 2, 4})}, SliceParams{3, 0, 3}},
            {"f16 33x3", {frozen_in({33, 3}, QL_F16)}, SliceParams{0, 1, 31}},
            {"bf16 5x7", {frozen_in({5, 7}, QL_BF16)}, SliceParams{1, 3, 4}},
            {"i32 33x3", {ints_in({33, 3}, Fill::ids, 100)}, SliceParams{0, 8, 9}}};
}

Result<Case> bench_slice(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, SliceParams{0, 0, (s.k + 1) / 2}};
}

}  // namespace

Move slice_move(const Node & n) {
    const auto p = n.params.as<SliceParams>();
    const Shape &x = n.src[0]->shape, y = cut(x, p);
    const Strides from = dense_strides(x);
    return {0, y, p.first * from[static_cast<size_t>(p.dim)], 0, from, dense_strides(y)};
}

const OpDef op::slice = {
    .number = Op::slice,
    .name = "slice",
    .formula = "y[..., i, ...] = x[..., first + i, ...]",
    .params = params_type<SliceParams>(),
    .build_empty = Empty<ql_slice>::call,
    .infer = infer_slice,
    .backward = backward_slice,
    .differentiable = 0b1,
    .reference = reference_slice<float>,
    .reference64 = reference_slice<double>,
    .cases = cases_slice,
    .bench = bench_slice,
    .flops = no_flops,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_slice(ql_graph * g, ql_tensor * x, int dim, int64_t first, int64_t n) {
    return build(g, [&] { return g->emit(op::slice, {x}, SliceParams{dim, first, n}); });
}
