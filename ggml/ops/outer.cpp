// G = x y^T summed over tokens: G[k, i] = sum_t x[k, t] y[i, t], the gradient of a product's matrix.
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_outer(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_matrix(n, 0));
    QL_TRY(expect_matrix(n, 1));
    if (n.src[0]->ne(1) != n.src[1]->ne(1)) return shape_error(n, "numbers of tokens differ");
    outs.push_back({.shape = Shape(n.src[0]->ne(0), n.src[1]->ne(0))});
    return {};
}

template <typename Real>
void reference_outer(const RefArgs<Real> & a) {
    const int64_t k = a.in(0).ne(0), m = a.in(1).ne(0), n_tokens = a.in(0).ne(1);
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < k; ++j) {
            double sum = 0;
            for (int64_t t = 0; t < n_tokens; ++t) sum += static_cast<double>(a.x(0)[t * k + j]) * a.x(1)[t * m + i];
            a.y(0)[i * k + j] = static_cast<Real>(sum);
        }
}

std::vector<Case> cases_outer() {
    const auto make = [](const char * name, int64_t k, int64_t m, int64_t t) {
        return Case{name, {data_in({k, t}), data_in({m, t})}, {}};
    };
    return {make("1x1x1", 1, 1, 1), make("33x3x5", 33, 3, 5), make("65x33x1", 65, 33, 1), make("192x8x65", 192, 8, 65),
            make("31x64x33", 31, 64, 33)};
}

double flops_outer(const Node & n) {
    return 2.0 * static_cast<double>(n.src[0]->shape.elements()) * static_cast<double>(n.src[1]->ne(0));
}

Result<Case> bench_outer(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in({s.m, s.t})}, {}};
}

}  // namespace

const OpDef op::outer = {
    .number = Op::outer,
    .name = "outer",
    .formula = "G[k, i] = sum_t x[k, t] y[i, t]",
    .build_empty = Empty<ql_outer>::call,
    .infer = infer_outer,
    .no_grad = "second derivatives are out of scope",
    .products = true,
    .reference = reference_outer<float>,
    .reference64 = reference_outer<double>,
    .cases = cases_outer,
    .bench = bench_outer,
    .flops = flops_outer,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_outer(ql_graph * g, ql_tensor * x, ql_tensor * y) {
    return build(g, [&] { return g->emit(op::outer, {x, y}); });
}
