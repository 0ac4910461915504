// z = W^T y: z[k, t] = sum_i W[k, i] y[i, t], from the same bytes of W as y = W x: the way back through a frozen
// linear.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_mul_mat_t(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_weight(n, 0));
    QL_TRY(expect_matrix(n, 1));
    if (n.src[0]->ne(1) != n.src[1]->ne(0))
        return shape_error(n, "the rows of the first and the row length of the second differ");
    outs.push_back({.shape = Shape(n.src[0]->ne(0), n.src[1]->ne(1))});
    return {};
}

Status backward_mul_mat_t(GradBuilder & b, const GraphNode & n) {
    if (b.wants(n.source(1)))
        b.add(n.source(1), b.graph().emit(op::mul_mat, {b.value(n.source(0)), b.gradient(n.result(0))}));
    return {};
}

template <typename Real>
void reference_mul_mat_t(const RefArgs<Real> & a) {
    const int64_t k = a.in(0).ne(0), m = a.in(0).ne(1), n_tokens = a.in(1).ne(1);
    const std::vector<Real> w = a.decoded(0);
    std::vector<double> z(static_cast<size_t>(k));
    for (int64_t t = 0; t < n_tokens; ++t) {
        z.assign(z.size(), 0);
        for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < k; ++j)
                z[static_cast<size_t>(j)] += static_cast<double>(w[static_cast<size_t>(i * k + j)]) * a.x(1)[t * m + i];
        for (int64_t j = 0; j < k; ++j) a.y(0)[t * k + j] = static_cast<Real>(z[static_cast<size_t>(j)]);
    }
}

std::vector<Case> cases_mul_mat_t() {
    std::vector<Case> list;
    for (const ProductCase & p : weight_cases())
        list.push_back({p.name, {frozen_in({p.k, p.m}, p.dtype), param_in({p.m, p.t})}, {}});
    return list;
}

double flops_mul_mat_t(const Node & n) {
    return 2.0 * static_cast<double>(n.src[0]->shape.elements()) * static_cast<double>(n.src[1]->ne(1));
}

Result<Case> bench_mul_mat_t(const BenchSize & s) {
    return Case{"", {frozen_in({s.k, s.m}, s.dtype, Fill::layer), data_in({s.m, s.t})}, {}};
}

}  // namespace

const OpDef op::mul_mat_t = {
    .number = Op::mul_mat_t,
    .name = "mul_mat_t",
    .formula = "z[k, t] = sum_i W[k, i] y[i, t]",
    .build_empty = Empty<ql_mul_mat_t>::call,
    .infer = infer_mul_mat_t,
    .backward = backward_mul_mat_t,
    .differentiable = 0b10,
    .products = true,
    .reference = reference_mul_mat_t<float>,
    .reference64 = reference_mul_mat_t<double>,
    .cases = cases_mul_mat_t,
    .bench = bench_mul_mat_t,
    .flops = flops_mul_mat_t,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_mul_mat_t(ql_graph * g, ql_tensor * w, ql_tensor * y) {
    return build(g, [&] { return g->emit(op::mul_mat_t, {w, y}); });
}
