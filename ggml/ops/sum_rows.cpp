// y[0, ...] = sum_i x[i, ...]: each row becomes one number.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_sum_rows(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_numbers(n, 0));
    const Shape & x = n.src[0]->shape;
    outs.push_back({.shape = Shape(1, x[1], x[2], x[3])});
    return {};
}

Status backward_sum_rows(GradBuilder & b, const GraphNode & n) {
    const ExpandParams to{n.source(0)->shape};
    if (b.wants(n.source(0))) b.add(n.source(0), b.graph().emit(op::expand, {b.gradient(n.result(0))}, to));
    return {};
}

template <typename Real>
void reference_sum_rows(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0);
    const std::vector<Real> x = a.decoded(0);
    for (int64_t row = 0; row < a.in(0).shape.rows(); ++row) {
        double sum = 0;
        for (int64_t i = 0; i < width; ++i) sum += static_cast<double>(x[static_cast<size_t>(row * width + i)]);
        a.y(0)[row] = static_cast<Real>(sum);
    }
}

std::vector<Case> cases_sum_rows() {
    return {{"1", {param_in(1)}, {}},
            {"3x5", {param_in({3, 5})}, {}},
            {"65x33", {param_in({65, 33})}, {}},
            {"577x2x3", {param_in({577, 2, 3})}, {}},
            {"f16 577x3", {frozen_in({577, 3}, QL_F16)}, {}},
            {"bf16 65x7", {frozen_in({65, 7}, QL_BF16)}, {}}};
}

Result<Case> bench_sum_rows(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, {}};
}

}  // namespace

const OpDef op::sum_rows = {
    .number = Op::sum_rows,
    .name = "sum_rows",
    .formula = "y[0, ...] = sum_i x[i, ...]",
    .build_empty = Empty<ql_sum_rows>::call,
    .infer = infer_sum_rows,
    .backward = backward_sum_rows,
    .differentiable = 0b1,
    .reference = reference_sum_rows<float>,
    .reference64 = reference_sum_rows<double>,
    .cases = cases_sum_rows,
    .bench = bench_sum_rows,
    .flops = flops_each<1>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_sum_rows(ql_graph * g, ql_tensor * x) {
    return build(g, [&] { return g->emit(op::sum_rows, {x}); });
}
