// y = W x: y[i, t] = sum_k W[k, i] x[k, t]. W may be quantised; its rows of k are the rows of the file.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_mul_mat(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_weight(n, 0));
    QL_TRY(expect_matrix(n, 1));
    if (n.src[0]->ne(0) != n.src[1]->ne(0)) return shape_error(n, "inner sizes differ");
    outs.push_back({.shape = Shape(n.src[0]->ne(1), n.src[1]->ne(1))});
    return {};
}

Status backward_mul_mat(GradBuilder & b, const GraphNode & n) {
    Tensor * w = n.source(0);
    Tensor * x = n.source(1);
    Tensor * dy = b.gradient(n.result(0));
    if (b.wants(x)) b.add(x, b.graph().emit(op::mul_mat_t, {b.value(w), dy}));
    if (b.wants(w)) b.add(w, b.graph().emit(op::outer, {b.value(x), dy}));
    return {};
}

template <typename Real>
void reference_mul_mat(const RefArgs<Real> & a) {
    const int64_t k = a.in(0).ne(0), m = a.in(0).ne(1), n_tokens = a.in(1).ne(1);
    const std::vector<Real> w = a.decoded(0);
    for (int64_t t = 0; t < n_tokens; ++t)
        for (int64_t i = 0; i < m; ++i) {
            double sum = 0;
            for (int64_t j = 0; j < k; ++j)
                sum += static_cast<double>(w[static_cast<size_t>(i * k + j)]) * a.x(1)[t * k + j];
            a.y(0)[t * m + i] = static_cast<Real>(sum);
        }
}

std::vector<Case> cases_mul_mat() {
    std::vector<Case> list;
    for (const ProductCase & p : weight_cases()) list.push_back({p.name, {p.weight(), param_in({p.k, p.t})}, {}});
    return list;
}

double flops_mul_mat(const Node & n) {
    return 2.0 * static_cast<double>(n.src[0]->shape.elements()) * static_cast<double>(n.src[1]->ne(1));
}

Result<Case> bench_mul_mat(const BenchSize & s) {
    return Case{"", {frozen_in({s.k, s.m}, s.dtype, Fill::layer), data_in({s.k, s.t})}, {}};
}

}  // namespace

const OpDef op::mul_mat = {
    .number = Op::mul_mat,
    .name = "mul_mat",
    .formula = "y[i, t] = sum_k W[k, i] x[k, t]",
    .build_empty = Empty<ql_mul_mat>::call,
    .infer = infer_mul_mat,
    .backward = backward_mul_mat,
    .differentiable = 0b11,
    .products = true,
    .reference = reference_mul_mat<float>,
    .reference64 = reference_mul_mat<double>,
    .cases = cases_mul_mat,
    .bench = bench_mul_mat,
    .flops = flops_mul_mat,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_mul_mat(ql_graph * g, ql_tensor * w, ql_tensor * x) {
    return build(g, [&] { return g->emit(op::mul_mat, {w, x}); });
}
