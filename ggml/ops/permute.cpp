// The dimensions in another order: dimension i of y is dimension from[i] of x.
#include <algorithm>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/moves.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Shape permuted(const Shape & x, const PermuteParams & p) {
    return Shape(x[p.from[0]], x[p.from[1]], x[p.from[2]], x[p.from[3]]);
}

Status infer_permute(const Node & n, std::vector<OutSpec> & outs) {
    const auto p = n.params.as<PermuteParams>();
    QL_TRY(expect_single_elements(n, 0));
    const int32_t in_order[] = {0, 1, 2, 3};
    if (!std::is_permutation(std::begin(in_order), std::end(in_order), std::begin(p.from)))
        return error(QL_INVALID_ARGUMENT, "permute: dimensions %d, %d, %d, %d; each of 0 to 3 is needed once",
                     p.from[0], p.from[1], p.from[2], p.from[3]);
    outs.push_back({.dtype = n.src[0]->dtype, .shape = permuted(n.src[0]->shape, p)});
    return {};
}

Status backward_permute(GradBuilder & b, const GraphNode & n) {
    const auto p = n.params.as<PermuteParams>();
    PermuteParams inverse;
    for (int32_t i = 0; i < QL_MAX_DIMS; ++i) inverse.from[p.from[i]] = i;
    if (b.wants(n.source(0))) b.add(n.source(0), b.graph().emit(op::permute, {b.gradient(n.result(0))}, inverse));
    return {};
}

template <typename Real>
void reference_permute(const RefArgs<Real> & a) {
    reference_move(a, permute_move(a.node));
}

std::vector<Case> cases_permute() {
    return {{"1", {param_in(1)}, PermuteParams{{0, 1, 2, 3}}},
            {"transpose 33x5", {param_in({33, 5})}, PermuteParams{{1, 0, 2, 3}}},
            {"transpose 65x70", {param_in({65, 70})}, PermuteParams{{1, 0, 2, 3}}},
            {"heads 16x3x5", {param_in({16, 3, 5})}, PermuteParams{{0, 2, 1, 3}}},
            {"cycle 3x5x7x2", {param_in({3, 5, 7, 2})}, PermuteParams{{2, 3, 1, 0}}},
            {"innermost out 33x2x3x5", {param_in({33, 2, 3, 5})}, PermuteParams{{3, 1, 2, 0}}},
            {"f16 33x3", {frozen_in({33, 3}, QL_F16)}, PermuteParams{{1, 0, 2, 3}}},
            {"bf16 5x7x3", {frozen_in({5, 7, 3}, QL_BF16)}, PermuteParams{{2, 0, 1, 3}}},
            {"i32 33x3", {ints_in({33, 3}, Fill::ids, 100)}, PermuteParams{{1, 0, 2, 3}}}};
}

Result<Case> bench_permute(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, PermuteParams{{1, 0, 2, 3}}};
}

}  // namespace

Move permute_move(const Node & n) {
    const auto p = n.params.as<PermuteParams>();
    const Shape y = permuted(n.src[0]->shape, p);
    const Strides x = dense_strides(n.src[0]->shape);
    Move move{0, y, 0, 0, {}, dense_strides(y)};
    for (size_t i = 0; i < QL_MAX_DIMS; ++i) move.from_strides[i] = x[static_cast<size_t>(p.from[i])];
    return move;
}

const OpDef op::permute = {
    .number = Op::permute,
    .name = "permute",
    .formula = "y = x with its dimensions in another order",
    .params = params_type<PermuteParams>(),
    .build_empty = Empty<ql_permute>::call,
    .infer = infer_permute,
    .backward = backward_permute,
    .differentiable = 0b1,
    .reference = reference_permute<float>,
    .reference64 = reference_permute<double>,
    .cases = cases_permute,
    .bench = bench_permute,
    .flops = no_flops,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_permute(ql_graph * g, ql_tensor * x, const int from[QL_MAX_DIMS]) {
    return build(g, [&]() -> ql_tensor * {
        if (!from) return g->fail(error(QL_INVALID_ARGUMENT, "permute: the order of dimensions is NULL")), nullptr;
        return g->emit(op::permute, {x}, PermuteParams{{from[0], from[1], from[2], from[3]}});
    });
}
