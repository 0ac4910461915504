// c_i = g_i / |W_i + s (B A)_i|, by rows: what DoRA multiplies a linear's result by; |.| counts as a constant for the
// gradient.                                                                                        (Liu et al. 2024)
//     |W_i + s (B A)_i|^2 = |W_i|^2 + sum_j B[j, i] (2 s C[j, i] + s^2 P[j, i]),  C = A W^T, P = (A A^T) B
// Sources g [m], |W_i|^2 as w2 [m], C, P and B [r, m]; results c [m] and 1 / |.| [m], which the gradient of g reads.
#include <cmath>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_dora_scale(const Node & n, std::vector<OutSpec> & outs) {
    for (int i = 0; i < 5; ++i) QL_TRY(expect_f32(n, i));
    QL_TRY(expect_matrix(n, 4));
    const Shape & b = n.src[4]->shape;
    for (int i = 0; i < 2; ++i) QL_TRY(expect_shape(n, i, Shape(b[1])));
    for (int i = 2; i < 4; ++i) QL_TRY(expect_shape(n, i, b));
    outs.push_back({.shape = Shape(b[1])});
    outs.push_back({.shape = Shape(b[1])});
    return {};
}

Status backward_dora_scale(GradBuilder & b, const GraphNode & n) {
    Tensor * dc = b.gradient(n.result(0));
    if (!dc || b.gradient(n.result(1)))
        return error(QL_UNSUPPORTED, "dora_scale: the gradient flows through the scale, not the norm");
    if (b.wants(n.source(0))) b.add(n.source(0), b.graph().emit(op::mul, {dc, n.result(1)}));
    return {};
}

template <typename Real>
void reference_dora_scale(const RefArgs<Real> & args) {
    const int64_t r = args.in(4).ne(0), m = args.in(4).ne(1);
    const Real *g = args.x(0), *w2 = args.x(1), *c = args.x(2), *p = args.x(3), *b = args.x(4);
    const double s = static_cast<double>(args.template params<LoraParams>().scale);
    for (int64_t i = 0; i < m; ++i) {
        double change = 0;
        for (int64_t j = i * r; j < (i + 1) * r; ++j)
            change += static_cast<double>(b[j]) * s * (2 * static_cast<double>(c[j]) + s * static_cast<double>(p[j]));
        const double squares = static_cast<double>(w2[i]) + change;
        const double inverse = squares > 0 ? 1 / std::sqrt(squares) : 0;
        args.y(0)[i] = static_cast<Real>(static_cast<double>(g[i]) * inverse);
        args.y(1)[i] = static_cast<Real>(inverse);
    }
}

std::vector<Case> cases_dora_scale() {
    const auto make = [](const char * name, int64_t m, int64_t r) {
        const Shape b(r, m);
        return Case{name,
                    {param_in(m), frozen_in(m, QL_F32, Fill::positive), data_in(b), data_in(b), data_in(b)},
                    LoraParams{0.05f}};
    };
    return {make("1 r1", 1, 1), make("33 r3", 33, 3), make("65 r16", 65, 16), make("192 r40", 192, 40)};
}

double flops_dora_scale(const Node & n) {
    return 4.0 * static_cast<double>(n.src[4]->shape.elements());
}

Result<Case> bench_dora_scale(const BenchSize & s) {
    const Shape b(kBenchRank, s.m);
    return Case{"",
                {data_in(s.m), frozen_in(s.m, QL_F32, Fill::positive), data_in(b), data_in(b), data_in(b)},
                LoraParams{0.01f}};
}

}  // namespace

const OpDef op::dora_scale = {
    .number = Op::dora_scale,
    .name = "dora_scale",
    .formula = "c_i = g_i / |W_i + s (B A)_i|",
    .params = params_type<LoraParams>(),
    .build_empty = Empty<ql_dora_scale>::call,
    .infer = infer_dora_scale,
    .backward = backward_dora_scale,
    .differentiable = 0b1,
    .reference = reference_dora_scale<float>,
    .reference64 = reference_dora_scale<double>,
    .cases = cases_dora_scale,
    .bench = bench_dora_scale,
    .flops = flops_dora_scale,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_dora_scale(ql_graph * g, ql_tensor * magnitude, ql_tensor * w, ql_tensor * w2, ql_tensor * a,
                                     ql_tensor * b, float s) {
    return build(g, [&]() -> ql_tensor * {
        PermuteParams swap;
        swap.from[0] = 1, swap.from[1] = 0;
        Tensor * c = g->emit(op::mul_mat, {w, a});
        c = c ? g->emit(op::permute, {c}, swap) : nullptr;
        Tensor * square = g->emit(op::mul_mat, {a, a});
        Tensor * p = square ? g->emit(op::mul_mat, {square, b}) : nullptr;
        return c && p ? g->emit(op::dora_scale, {magnitude, w2, c, p, b}, LoraParams{s}) : nullptr;
    });
}
