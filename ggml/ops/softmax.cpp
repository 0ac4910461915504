// y[i, ...] = exp(x[i, ...] - m) / sum_j exp(x[j, ...] - m), m the row's largest: over the innermost dimension.
// A row of -inf alone, or with NaN or inf in it, gives NaN.
#include <algorithm>
#include <cmath>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_softmax(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_numbers(n, 0));
    outs.push_back({.shape = n.src[0]->shape, .may_reuse = n.src[0]->dtype == QL_F32 ? 0 : -1});
    return {};
}

/// dx = y dy - y sum(y dy).
Status backward_softmax(GradBuilder & b, const GraphNode & n) {
    if (!b.wants(n.source(0))) return {};
    Graph & g = b.graph();
    Tensor * y = b.value(n.result(0));
    Tensor * direct = g.emit(op::mul, {b.gradient(n.result(0)), y});
    Tensor * common = g.emit(op::mul, {y, g.emit(op::sum_rows, {direct})});
    b.add(n.source(0), g.emit(op::add, {direct, g.emit(op::scale, {common}, ScaleParams{-1, 0})}));
    return {};
}

template <typename Real>
void reference_softmax(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0);
    const std::vector<Real> all = a.decoded(0);
    for (int64_t row = 0; row < a.in(0).shape.rows(); ++row) {
        const Real * x = all.data() + row * width;
        Real * y = a.y(0) + row * width;
        const auto top = static_cast<double>(*std::max_element(x, x + width));
        double sum = 0;
        for (int64_t i = 0; i < width; ++i) sum += std::exp(static_cast<double>(x[i]) - top);
        for (int64_t i = 0; i < width; ++i) y[i] = static_cast<Real>(std::exp(static_cast<double>(x[i]) - top) / sum);
    }
}

std::vector<Case> cases_softmax() {
    return {{"1", {param_in(1)}, {}},
            {"3x5", {param_in({3, 5})}, {}},
            {"65x33", {param_in({65, 33})}, {}},
            {"577x2x3", {param_in({577, 2, 3})}, {}},
            {"96x5", {param_in({96, 5})}, {}},
            {"f16 65x7", {frozen_in({65, 7}, QL_F16)}, {}},
            {"bf16 33x3", {frozen_in({33, 3}, QL_BF16)}, {}},
            {"bf16 96x5", {frozen_in({96, 5}, QL_BF16)}, {}}};
}

Result<Case> bench_softmax(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, {}};
}

}  // namespace

const OpDef op::softmax = {
    .number = Op::softmax,
    .name = "softmax",
    .formula = "y[i, ...] = exp(x[i, ...]) / sum_j exp(x[j, ...])",
    .build_empty = Empty<ql_softmax>::call,
    .infer = infer_softmax,
    .backward = backward_softmax,
    .differentiable = 0b1,
    .cheap = true,
    .reference = reference_softmax<float>,
    .reference64 = reference_softmax<double>,
    .cases = cases_softmax,
    .bench = bench_softmax,
    .flops = flops_each<5>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_softmax(ql_graph * g, ql_tensor * x) {
    return build(g, [&] { return g->emit(op::softmax, {x}); });
}
