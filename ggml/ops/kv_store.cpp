// cache[:, index[t]] = rows[:, t], in place: the keys or values of new tokens enter a cache. An index outside the cache
// is skipped; callers check their indices.
//
// A cache of f16 takes rows rounded to nearest. What f16 cannot hold becomes NaN there: a query that sees it then has a
// result of NaN, which whoever samples from logits notices. The largest f16 in its place would be a wrong number that
// nobody notices, and so would infinity: a query's product with it may be -inf, and the key be passed over in silence.
#include <algorithm>

#include "ggml/dtypes/half.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_kv_store(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_cache(n, 0));
    QL_TRY(expect_matrix(n, 1));
    QL_TRY(expect_i32(n, 2));
    if (n.src[0]->ne(0) != n.src[1]->ne(0)) return shape_error(n, "cache and rows differ in width");
    QL_TRY(expect_shape(n, 2, Shape(n.src[1]->ne(1))));
    outs.push_back({.dtype = n.src[0]->dtype, .shape = n.src[0]->shape, .alias = 0});
    return {};
}

template <typename Real>
void reference_kv_store(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0), n_cache = a.in(0).ne(1), n_rows = a.in(1).ne(1);
    for (int64_t t = 0; t < n_rows; ++t) {
        const int64_t at = a.ids(2)[t];
        if (at < 0 || at >= n_cache) continue;
        const Real * row = a.x(1) + t * width;
        if (a.in(0).dtype == QL_F16)
            std::transform(row, row + width, static_cast<uint16_t *>(a.out[0]) + at * width,
                           [](Real x) { return cache_f16(static_cast<float>(x)); });
        else
            std::copy_n(row, width, a.y(0) + at * width);
    }
}

std::vector<Case> cases_kv_store() {
    const auto make = [](const char * name, int64_t width, int64_t n_cache, int64_t n_rows, ql_dtype dtype = QL_F32) {
        return Case{
            name,
            {cache_in({width, n_cache}, dtype), data_in({width, n_rows}), ints_in(n_rows, Fill::distinct, n_cache)},
            {}};
    };
    return {make("1x1, 1", 1, 1, 1),
            make("33x65, 3", 33, 65, 3),
            make("65x40, 33", 65, 40, 33),
            make("f16 1x1, 1", 1, 1, 1, QL_F16),
            make("f16 33x65, 3", 33, 65, 3, QL_F16),
            make("f16 65x40, 33", 65, 40, 33, QL_F16)};
}

Result<Case> bench_kv_store(const BenchSize & s) {
    return Case{"", {state_in({s.k, s.t}), data_in({s.k, s.t}), ints_in(s.t, Fill::distinct, s.t)}, {}};
}

}  // namespace

const OpDef op::kv_store = {
    .number = Op::kv_store,
    .name = "kv_store",
    .formula = "cache[:, index[t]] = rows[:, t], in place",
    .build_empty = Empty<ql_kv_store>::call,
    .infer = infer_kv_store,
    .no_grad = "caches are for generation; it changes a state in place",
    .reference = reference_kv_store<float>,
    .reference64 = reference_kv_store<double>,
    .cases = cases_kv_store,
    .bench = bench_kv_store,
    .flops = no_flops,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_kv_store(ql_graph * g, ql_tensor * cache, ql_tensor * rows, ql_tensor * index) {
    return build(g, [&] { return g->emit(op::kv_store, {cache, rows, index}); });
}
