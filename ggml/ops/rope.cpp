// Rotates pairs of the first n_rot elements of every head by the table's angles; the rest is copied.   (Su et al. 2021)
//     y0 = x0 cos - x1 sin;   y1 = x0 sin + x1 cos;      `inverse` negates sin, which is the gradient.
// Pairs are (2i, 2i + 1) in normal mode, (i, i + n_rot / 2) in neox mode.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_rope(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    QL_TRY(expect_matrix(n, 1));
    const Shape &x = n.src[0]->shape, &table = n.src[1]->shape;
    if (x[3] != 1) return shape_error(n, "x must be [d, H, T]");
    if (x[2] != table[1]) return shape_error(n, "numbers of tokens differ");
    if (table[0] > x[0] || table[0] % 2)
        return shape_error(n, "the table's row must be even and no longer than a head");
    const int32_t mode = n.params.as<RopeParams>().mode;
    if (mode != QL_ROPE_NORMAL && mode != QL_ROPE_NEOX)
        return error(QL_INVALID_ARGUMENT, "rope: unknown mode %d", mode);
    outs.push_back({.shape = x, .may_reuse = 0});
    return {};
}

Status backward_rope(GradBuilder & b, const GraphNode & n) {
    auto params = n.params.as<RopeParams>();
    params.inverse = !params.inverse;
    if (b.wants(n.source(0)))
        b.add(n.source(0), b.graph().emit(op::rope, {b.gradient(n.result(0)), n.source(1)}, params));
    return {};
}

template <typename Real>
void reference_rope(const RefArgs<Real> & a) {
    const auto params = a.template params<RopeParams>();
    const int64_t d = a.in(0).ne(0), n_heads = a.in(0).ne(1), n_tokens = a.in(0).ne(2), n_rot = a.in(1).ne(0);
    const bool neox = params.mode == QL_ROPE_NEOX;
    for (int64_t t = 0; t < n_tokens; ++t)
        for (int64_t h = 0; h < n_heads; ++h) {
            const Real * x = a.x(0) + (t * n_heads + h) * d;
            Real * y = a.y(0) + (t * n_heads + h) * d;
            for (int64_t i = 0; i < n_rot / 2; ++i) {
                const int64_t p = neox ? i : 2 * i, q = neox ? i + n_rot / 2 : 2 * i + 1;
                const double x0 = x[p], x1 = x[q], cos = a.x(1)[t * n_rot + 2 * i];
                const double sin = params.inverse ? -a.x(1)[t * n_rot + 2 * i + 1] : a.x(1)[t * n_rot + 2 * i + 1];
                y[p] = static_cast<Real>(x0 * cos - x1 * sin);
                y[q] = static_cast<Real>(x0 * sin + x1 * cos);
            }
            for (int64_t i = n_rot; i < d; ++i) y[i] = x[i];
        }
}

std::vector<Case> cases_rope() {
    const auto make = [](const char * name, Shape x, int64_t n_rot, RopeParams params) {
        return Case{name, {param_in(x), data_in({n_rot, x[2]})}, params};
    };
    return {
        make("normal 2x1x1", {2, 1, 1}, 2, {QL_ROPE_NORMAL, 0}),
        make("normal 10x3x5, n_rot 6", {10, 3, 5}, 6, {QL_ROPE_NORMAL, 0}),
        make("normal 64x3x33", {64, 3, 33}, 64, {QL_ROPE_NORMAL, 0}),
        make("normal inverse 64x3x3", {64, 3, 3}, 64, {QL_ROPE_NORMAL, 1}),
        make("neox 33x3x5, n_rot 22", {33, 3, 5}, 22, {QL_ROPE_NEOX, 0}),
        make("neox 64x2x33", {64, 2, 33}, 64, {QL_ROPE_NEOX, 0}),
        make("neox inverse 16x3x3", {16, 3, 3}, 16, {QL_ROPE_NEOX, 1}),
    };
}

Result<Case> bench_rope(const BenchSize & s) {
    QL_ASSIGN(const int64_t heads, bench_heads(s));
    return Case{"", {data_in({kBenchHead, heads, s.t}), data_in({kBenchHead, s.t})}, RopeParams{QL_ROPE_NORMAL, 0}};
}

}  // namespace

const OpDef op::rope = {
    .number = Op::rope,
    .name = "rope",
    .formula = "y0 = x0 cos - x1 sin; y1 = x0 sin + x1 cos, for pairs of each head",
    .params = params_type<RopeParams>(),
    .build_empty = Empty<ql_rope>::call,
    .infer = infer_rope,
    .backward = backward_rope,
    .differentiable = 0b1,
    .reference = reference_rope<float>,
    .reference64 = reference_rope<double>,
    .cases = cases_rope,
    .bench = bench_rope,
    .flops = flops_each<3>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_rope(ql_graph * g, ql_tensor * x, ql_tensor * table, ql_rope_mode mode) {
    return build(g, [&] { return g->emit(op::rope, {x, table}, RopeParams{enum_number(mode), 0}); });
}
