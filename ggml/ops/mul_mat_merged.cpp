// y = M x, M = Q(W + s B A) as lora_merge made it. The gradient of A and B is that of y = W x + s B (A x), straight
// through the rounding: h = A x is computed in the backward pass alone, and y and dx are M's.    (Bengio et al. 2013)
// Sources M [k, m], x [k, T], A [k, r], B [r, m]; the result y [m, T].
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_mul_mat_merged(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_weight(n, 0));
    QL_TRY(expect_matrix(n, 1));
    if (n.src[0]->ne(0) != n.src[1]->ne(0)) return shape_error(n, "inner sizes differ");
    QL_TRY(expect_branch(n, 2, n.src[0]->shape));
    outs.push_back({.shape = Shape(n.src[0]->ne(1), n.src[1]->ne(1))});
    return {};
}

Status backward_mul_mat_merged(GradBuilder & g, const GraphNode & n) {
    Tensor *x = n.source(1), *a = n.source(2), *b = n.source(3);
    Tensor * dy = g.gradient(n.result(0));
    if (g.wants(x)) g.add(x, g.graph().emit(op::mul_mat_t, {n.source(0), dy}));
    if (!g.wants(a) && !g.wants(b)) return {};
    Tensor * h = g.graph().emit(op::mul_mat, {a, g.value(x)});
    Tensor * back = g.graph().emit(op::lora_back, {dy, g.value(x), h, a, b}, n.params);
    if (!back) return g.graph().status();
    g.add(a, back->producer->result(0));
    g.add(b, back->producer->result(1));
    return {};
}

template <typename Real>
void reference_mul_mat_merged(const RefArgs<Real> & args) {
    const int64_t k = args.in(0).ne(0), m = args.in(0).ne(1), n_tokens = args.in(1).ne(1);
    const std::vector<Real> w = args.decoded(0);
    for (int64_t t = 0; t < n_tokens; ++t)
        for (int64_t i = 0; i < m; ++i) {
            double sum = 0;
            for (int64_t j = 0; j < k; ++j)
                sum += static_cast<double>(w[static_cast<size_t>(i * k + j)]) * args.x(1)[t * k + j];
            args.y(0)[t * m + i] = static_cast<Real>(sum);
        }
}

std::vector<Case> cases_mul_mat_merged() {
    std::vector<Case> list;
    for (const ProductCase & p : product_cases())
        list.push_back({p.name,
                        {cache_in({p.k, p.m}, p.dtype), param_in({p.k, p.t}), param_in({p.k, 3}), param_in({3, p.m})},
                        LoraParams{0.75f}});
    return list;
}

double flops_mul_mat_merged(const Node & n) {
    return 2.0 * static_cast<double>(n.src[0]->shape.elements()) * static_cast<double>(n.src[1]->ne(1));
}

Result<Case> bench_mul_mat_merged(const BenchSize & s) {
    return Case{"",
                {frozen_in({s.k, s.m}, s.dtype, Fill::layer), data_in({s.k, s.t}), data_in({s.k, kBenchRank}),
                 data_in({kBenchRank, s.m})},
                LoraParams{2}};
}

}  // namespace

const OpDef op::mul_mat_merged = {
    .number = Op::mul_mat_merged,
    .name = "mul_mat_merged",
    .formula = "y = M x, M = Q(W + s B A)",
    .params = params_type<LoraParams>(),
    .build_empty = Empty<ql_mul_mat_merged>::call,
    .infer = infer_mul_mat_merged,
    .backward = backward_mul_mat_merged,
    .differentiable = 0b1110,
    .straight_through = 0b1100,
    .products = true,
    .reference = reference_mul_mat_merged<float>,
    .reference64 = reference_mul_mat_merged<double>,
    .cases = cases_mul_mat_merged,
    .bench = bench_mul_mat_merged,
    .flops = flops_mul_mat_merged,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_mul_mat_merged(ql_graph * g, ql_tensor * merged, ql_tensor * x, ql_tensor * a, ql_tensor * b,
                                         float s) {
    return build(g, [&] { return g->emit(op::mul_mat_merged, {merged, x, a, b}, LoraParams{s}); });
}
