// y[:, t] = table[:, ids[t]]: embedding lookup. An id outside the table gives a row of NaN, which the loss then
// reports.
#include <limits>

#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_get_rows(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_weight(n, 0));
    QL_TRY(expect_i32(n, 1));
    const int64_t n_ids = n.src[1]->ne(0);
    if (n.src[1]->shape != Shape(n_ids)) return shape_error(n, "ids must have one dimension");
    outs.push_back({.shape = Shape(n.src[0]->ne(0), n_ids)});
    return {};
}

template <typename Real>
void reference_get_rows(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0), n_rows = a.in(0).ne(1), n_ids = a.in(1).ne(0);
    const std::vector<Real> table = a.decoded(0);
    for (int64_t t = 0; t < n_ids; ++t) {
        const int64_t id = a.ids(1)[t];
        const bool known = id >= 0 && id < n_rows;
        for (int64_t i = 0; i < width; ++i)
            a.y(0)[t * width + i] =
                known ? table[static_cast<size_t>(id * width + i)] : std::numeric_limits<Real>::quiet_NaN();
    }
}

std::vector<Case> cases_get_rows() {
    std::vector<Case> list;
    for (const ProductCase & p : weight_cases())
        list.push_back({p.name, {frozen_in({p.k, p.m}, p.dtype), ints_in(p.t, Fill::ids, p.m)}, {}});
    return list;
}

Result<Case> bench_get_rows(const BenchSize & s) {
    return Case{"", {frozen_in({s.k, s.m}, s.dtype), ints_in(s.t, Fill::ids, s.m)}, {}};
}

}  // namespace

const OpDef op::get_rows = {
    .number = Op::get_rows,
    .name = "get_rows",
    .formula = "y[:, t] = table[:, ids[t]]",
    .build_empty = Empty<ql_get_rows>::call,
    .infer = infer_get_rows,
    .no_grad = "embeddings are frozen",
    .reference = reference_get_rows<float>,
    .reference64 = reference_get_rows<double>,
    .cases = cases_get_rows,
    .bench = bench_get_rows,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_get_rows(ql_graph * g, ql_tensor * table, ql_tensor * ids) {
    return build(g, [&] { return g->emit(op::get_rows, {table, ids}); });
}
