// y[:, r] = the sum of x[:, t] over the t with ids[t] == r, in the order of t. A negative id leaves its row out; an
// id past the last row makes all of y NaN: there is no row to show it in.
#include <algorithm>
#include <limits>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_scatter_add_rows(const Node & n, std::vector<OutSpec> & outs) {
    const int64_t n_rows = n.params.as<ScatterAddRowsParams>().n_rows;
    QL_TRY(expect_rows(n, 0));
    QL_TRY(expect_i32(n, 1));
    const Shape & x = n.src[0]->shape;
    QL_TRY(expect_shape(n, 1, Shape(x[1])));
    if (n_rows < 1)
        return error(QL_BAD_SHAPE, "scatter_add_rows: %lld rows of %lld", static_cast<long long>(n_rows),
                     static_cast<long long>(x[0]));
    outs.push_back({.shape = Shape(x[0], n_rows)});
    return {};
}

Status backward_scatter_add_rows(GradBuilder & b, const GraphNode & n) {
    if (b.wants(n.source(0)))
        b.add(n.source(0), b.graph().emit(op::gather_rows, {b.gradient(n.result(0)), n.source(1)}));
    return {};
}

template <typename Real>
void reference_scatter_add_rows(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0), n_rows = a.template params<ScatterAddRowsParams>().n_rows;
    const std::vector<Real> x = a.decoded(0);
    std::vector<double> sums(static_cast<size_t>(width * n_rows));
    for (int64_t t = 0; t < a.in(0).ne(1); ++t) {
        const int64_t id = a.ids(1)[t];
        if (id >= n_rows) {
            std::fill(sums.begin(), sums.end(), std::numeric_limits<double>::quiet_NaN());
            break;
        }
        for (int64_t i = 0; id >= 0 && i < width; ++i)
            sums[static_cast<size_t>(id * width + i)] += static_cast<double>(x[static_cast<size_t>(t * width + i)]);
    }
    std::transform(sums.begin(), sums.end(), a.y(0), [](double sum) { return static_cast<Real>(sum); });
}

std::vector<Case> cases_scatter_add_rows() {
    const auto make = [](const char * name, Shape x, int64_t n_rows, ql_dtype dtype = QL_F32) {
        const CaseInput rows = dtype == QL_F32 ? param_in(x) : frozen_in(x, dtype);
        return Case{name, {rows, ints_in(x[1], Fill::targets, n_rows)}, ScatterAddRowsParams{n_rows}};
    };
    return {make("1x1 to 1", 1, 1),
            make("1x33 to 7", {1, 33}, 7),
            make("33x5 to 9", {33, 5}, 9),
            make("65x33 to 3", {65, 33}, 3),
            make("577x9 to 4", {577, 9}, 4),
            make("96x9 to 4", {96, 9}, 4),
            make("f16 33x5 to 9", {33, 5}, 9, QL_F16),
            make("bf16 65x33 to 3", {65, 33}, 3, QL_BF16)};
}

Result<Case> bench_scatter_add_rows(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), ints_in(s.t, Fill::ids, s.t)}, ScatterAddRowsParams{s.t}};
}

}  // namespace

const OpDef op::scatter_add_rows = {
    .number = Op::scatter_add_rows,
    .name = "scatter_add_rows",
    .formula = "y[:, r] = sum of x[:, t] over t with ids[t] == r",
    .params = params_type<ScatterAddRowsParams>(),
    .build_empty = Empty<ql_scatter_add_rows>::call,
    .infer = infer_scatter_add_rows,
    .backward = backward_scatter_add_rows,
    .differentiable = 0b1,
    .reference = reference_scatter_add_rows<float>,
    .reference64 = reference_scatter_add_rows<double>,
    .cases = cases_scatter_add_rows,
    .bench = bench_scatter_add_rows,
    .flops = flops_each<1>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_scatter_add_rows(ql_graph * g, ql_tensor * x, ql_tensor * ids, int64_t n_rows) {
    return build(g, [&] { return g->emit(op::scatter_add_rows, {x, ids}, ScatterAddRowsParams{n_rows}); });
}
