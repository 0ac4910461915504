// norm = sqrt(sum of the squares of all elements of all sources): the length of the whole gradient, for clipping.
// Summed in f64, each source apart and the sources' sums in their order, so that the bits depend on nothing but the
// values.
#include <cmath>

#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ql/optim.h"

namespace ql {
namespace {

Status infer_global_norm(const Node & n, std::vector<OutSpec> & outs) {
    if (n.src.empty()) return error(QL_INVALID_ARGUMENT, "global_norm: no tensors");
    for (size_t i = 0; i < n.src.size(); ++i) QL_TRY(expect_f32(n, static_cast<int>(i)));
    outs.push_back({.shape = Shape(1)});
    return {};
}

template <typename Real>
void reference_global_norm(const RefArgs<Real> & a) {
    double total = 0;
    for (int i = 0; i < static_cast<int>(a.node.src.size()); ++i) {
        double sum = 0;
        const int64_t n = a.in(i).shape.elements();
        for (int64_t j = 0; j < n; ++j) sum += static_cast<double>(a.x(i)[j]) * a.x(i)[j];
        total += sum;
    }
    a.y(0)[0] = static_cast<Real>(std::sqrt(total));
}

std::vector<Case> cases_global_norm() {
    return {
        {"one number", {data_in(1)}, {}},
        {"33x3", {data_in({33, 3})}, {}},
        {"three tensors", {data_in({65, 33}), data_in({3, 5}, Fill::small), data_in(1)}, {}},
    };
}

double flops_global_norm(const Node & n) {
    double sum = 0;
    for (const Operand * t : n.src) sum += 2.0 * static_cast<double>(t->shape.elements());
    return sum;
}

Result<Case> bench_global_norm(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.m})}, {}};
}

}  // namespace

const OpDef op::global_norm = {
    .number = Op::global_norm,
    .name = "global_norm",
    .formula = "norm = sqrt(sum_i |x_i|^2)",
    .build_empty = Empty<ql_global_norm>::call,
    .infer = infer_global_norm,
    .no_grad = "it measures gradients",
    .reference = reference_global_norm<float>,
    .reference64 = reference_global_norm<double>,
    .cases = cases_global_norm,
    .bench = bench_global_norm,
    .flops = flops_global_norm,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_global_norm(ql_graph * g, ql_tensor * const * x, int n) {
    return build(g, [&]() -> ql_tensor * {
        if (!x || n < 1) return g->fail(error(QL_INVALID_ARGUMENT, "global_norm: no tensors")), nullptr;
        return g->emit(op::global_norm, std::span<ql_tensor * const>(x, static_cast<size_t>(n)));
    });
}
