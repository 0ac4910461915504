// y[:, t] = x[:, ids[t]], zeros for a negative id; an id past the last row gives NaN, which whoever reads the row
// then notices.
#include <algorithm>
#include <limits>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_gather_rows(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_rows(n, 0));
    QL_TRY(expect_i32(n, 1));
    const int64_t n_ids = n.src[1]->shape[0];
    if (n.src[1]->shape != Shape(n_ids)) return shape_error(n, "ids must have one dimension");
    outs.push_back({.shape = Shape(n.src[0]->shape[0], n_ids)});
    return {};
}

Status backward_gather_rows(GradBuilder & b, const GraphNode & n) {
    const ScatterAddRowsParams p{n.source(0)->shape[1]};
    if (b.wants(n.source(0)))
        b.add(n.source(0), b.graph().emit(op::scatter_add_rows, {b.gradient(n.result(0)), n.source(1)}, p));
    return {};
}

template <typename Real>
void reference_gather_rows(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0), n_rows = a.in(0).ne(1);
    const std::vector<Real> x = a.decoded(0);
    for (int64_t t = 0; t < a.in(1).ne(0); ++t) {
        const int64_t id = a.ids(1)[t];
        Real * y = a.y(0) + t * width;
        if (id >= 0 && id < n_rows)
            std::copy_n(x.data() + id * width, width, y);
        else
            std::fill_n(y, width, id < 0 ? Real(0) : std::numeric_limits<Real>::quiet_NaN());
    }
}

std::vector<Case> cases_gather_rows() {
    const auto make = [](const char * name, Shape x, int64_t n_ids, ql_dtype dtype = QL_F32) {
        const CaseInput rows = dtype == QL_F32 ? param_in(x) : frozen_in(x, dtype);
        return Case{name, {rows, ints_in(n_ids, Fill::targets, x[1])}, {}};
    };
    return {make("1x1, 1", 1, 1),
            make("1x33, 7", {1, 33}, 7),
            make("33x5, 9", {33, 5}, 9),
            make("65x33, 70", {65, 33}, 70),
            make("96x5, 9", {96, 5}, 9),
            make("f16 33x5, 9", {33, 5}, 9, QL_F16),
            make("bf16 65x7, 9", {65, 7}, 9, QL_BF16)};
}

Result<Case> bench_gather_rows(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), ints_in(s.t, Fill::ids, s.t)}, {}};
}

}  // namespace

const OpDef op::gather_rows = {
    .number = Op::gather_rows,
    .name = "gather_rows",
    .formula = "y[:, t] = x[:, ids[t]]",
    .build_empty = Empty<ql_gather_rows>::call,
    .infer = infer_gather_rows,
    .backward = backward_gather_rows,
    .differentiable = 0b1,
    .reference = reference_gather_rows<float>,
    .reference64 = reference_gather_rows<double>,
    .cases = cases_gather_rows,
    .bench = bench_gather_rows,
    .flops = no_flops,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_gather_rows(ql_graph * g, ql_tensor * x, ql_tensor * ids) {
    return build(g, [&] { return g->emit(op::gather_rows, {x, ids}); });
}
