// y = x with zeros before and after it along a dimension.
#include <cstring>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/moves.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Shape widened(Shape x, const PadParams & p) {
    x.ne[static_cast<size_t>(p.dim)] += p.before + p.after;
    return x;
}

Status infer_pad(const Node & n, std::vector<OutSpec> & outs) {
    const auto p = n.params.as<PadParams>();
    QL_TRY(expect_single_elements(n, 0));
    QL_TRY(expect_dimension(n, p.dim));
    const Shape & x = n.src[0]->shape;
    const int64_t rest = x.elements() / x[static_cast<int>(p.dim)], most = kMostElements / rest;
    if (p.before < 0 || p.after < 0 || p.before > most || p.after > most - p.before ||
        x[static_cast<int>(p.dim)] > most - p.before - p.after)
        return error(QL_BAD_SHAPE, "pad: %lld before and %lld after dimension %lld of %s",
                     static_cast<long long>(p.before), static_cast<long long>(p.after), static_cast<long long>(p.dim),
                     describe(*n.src[0]).c_str());
    outs.push_back({.dtype = n.src[0]->dtype, .shape = widened(x, p)});
    return {};
}

Status backward_pad(GradBuilder & b, const GraphNode & n) {
    const auto p = n.params.as<PadParams>();
    const SliceParams back{p.dim, p.before, n.source(0)->shape[static_cast<int>(p.dim)]};
    if (b.wants(n.source(0))) b.add(n.source(0), b.graph().emit(op::slice, {b.gradient(n.result(0))}, back));
    return {};
}

template <typename Real>
void reference_pad(const RefArgs<Real> & a) {
    const auto elements = static_cast<size_t>(a.node.out[0]->shape.elements());
    std::memset(a.out[0], 0, elements * element_bytes(a));
    reference_move(a, pad_move(a.node));
}

std::vector<Case> cases_pad() {
    return {{"1", {param_in(1)}, PadParams{0, 0, 0}},
            {"innermost 33x3", {param_in({33, 3})}, PadParams{0, 5, 17}},
            {"rows 65x3", {param_in({65, 3})}, PadParams{1, 0, 30}},
            {"third 3x5x2x2", {param_in({3, 5, 2, 2})}, PadParams{2, 4, 1}},
            {"outermost 3x5", {param_in({3, 5})}, PadParams{3, 1, 1}},
            {"f16 33x3", {frozen_in({33, 3}, QL_F16)}, PadParams{0, 1, 0}},
            {"bf16 5x7", {frozen_in({5, 7}, QL_BF16)}, PadParams{1, 3, 4}},
            {"i32 33x3", {ints_in({33, 3}, Fill::ids, 100)}, PadParams{0, 8, 9}}};
}

Result<Case> bench_pad(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, PadParams{0, s.k / 2, s.k / 2}};
}

}  // namespace

Move pad_move(const Node & n) {
    const auto p = n.params.as<PadParams>();
    const Shape & x = n.src[0]->shape;
    const Strides to = dense_strides(widened(x, p));
    return {0, x, 0, p.before * to[static_cast<size_t>(p.dim)], dense_strides(x), to};
}

const OpDef op::pad = {
    .number = Op::pad,
    .name = "pad",
    .formula = "y[..., before + i, ...] = x[..., i, ...], 0 elsewhere",
    .params = params_type<PadParams>(),
    .build_empty = Empty<ql_pad>::call,
    .infer = infer_pad,
    .backward = backward_pad,
    .differentiable = 0b1,
    .reference = reference_pad<float>,
    .reference64 = reference_pad<double>,
    .cases = cases_pad,
    .bench = bench_pad,
    .flops = no_flops,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_pad(ql_graph * g, ql_tensor * x, int dim, int64_t before, int64_t after) {
    return build(g, [&] { return g->emit(op::pad, {x}, PadParams{dim, before, after}); });
}
