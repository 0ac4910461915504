// The k largest of each row, largest first. The results are values, their positions in the row, and their
// positions in the whole of x, by which the gradient is put back.
#include "ggml/ops/top_k.hpp"

#include <algorithm>
#include <numeric>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_top_k(const Node & n, std::vector<OutSpec> & outs) {
    const int64_t k = n.params.as<TopKParams>().k;
    QL_TRY(expect_numbers(n, 0));
    const Shape & x = n.src[0]->shape;
    if (k < 1 || k > x[0])
        return error(QL_INVALID_ARGUMENT, "top_k: k is %lld, it must be from 1 to the row length of %s",
                     static_cast<long long>(k), describe(*n.src[0]).c_str());
    if (x.elements() > INT32_MAX) return shape_error(n, "more elements than i32 can count");
    const Shape y(k, x[1], x[2], x[3]);
    outs.push_back({.shape = y});
    outs.push_back({.dtype = QL_I32, .shape = y});
    outs.push_back({.dtype = QL_I32, .shape = y});
    return {};
}

Status backward_top_k(GradBuilder & b, const GraphNode & n) {
    if (!b.wants(n.source(0))) return {};
    Graph & g = b.graph();
    const Shape & x = n.source(0)->shape;
    const int64_t n_values = n.result(0)->shape.elements();
    Tensor * dy = g.emit(op::reshape, {b.gradient(n.result(0))}, ReshapeParams{Shape(1, n_values)});
    Tensor * places = g.emit(op::reshape, {n.result(2)}, ReshapeParams{Shape(n_values)});
    Tensor * dx = g.emit(op::scatter_add_rows, {dy, places}, ScatterAddRowsParams{x.elements()});
    b.add(n.source(0), g.emit(op::reshape, {dx}, ReshapeParams{x}));
    return {};
}

template <typename Real>
void reference_top_k(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0), k = a.template params<TopKParams>().k;
    auto *ids = static_cast<int32_t *>(a.out[1]), *places = static_cast<int32_t *>(a.out[2]);
    std::vector<int32_t> order(static_cast<size_t>(width));
    const std::vector<Real> all = a.decoded(0);
    for (int64_t row = 0; row < a.in(0).shape.rows(); ++row) {
        const Real * x = all.data() + row * width;
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int32_t i, int32_t j) { return larger(x[i], x[j]); });
        for (int64_t i = 0; i < k; ++i) {
            const int32_t at = order[static_cast<size_t>(i)];
            a.y(0)[row * k + i] = x[at];
            ids[row * k + i] = at;
            places[row * k + i] = static_cast<int32_t>(row * width + at);
        }
    }
}

std::vector<Case> cases_top_k() {
    return {{"1 of 1", {param_in(1)}, TopKParams{1}},
            {"2 of 5x3", {param_in({5, 3})}, TopKParams{2}},
            {"all of 33x2x3", {param_in({33, 2, 3})}, TopKParams{33}},
            {"8 of 65x33", {param_in({65, 33})}, TopKParams{8}},
            {"40 of 577x3", {param_in({577, 3})}, TopKParams{40}},
            {"f16 8 of 65x7", {frozen_in({65, 7}, QL_F16)}, TopKParams{8}},
            {"bf16 40 of 577x3", {frozen_in({577, 3}, QL_BF16)}, TopKParams{40}}};
}

Result<Case> bench_top_k(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, TopKParams{std::min<int64_t>(s.k, 8)}};
}

}  // namespace

const OpDef op::top_k = {
    .number = Op::top_k,
    .name = "top_k",
    .formula = "the k largest of each row, largest first, and their positions",
    .params = params_type<TopKParams>(),
    .build_empty = Empty<ql_top_k>::call,
    .infer = infer_top_k,
    .backward = backward_top_k,
    .differentiable = 0b1,
    .reference = reference_top_k<float>,
    .reference64 = reference_top_k<double>,
    .cases = cases_top_k,
    .bench = bench_top_k,
    .flops = flops_each<1>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_top_k(ql_graph * g, ql_tensor * x, int64_t k, ql_tensor ** ids) {
    ql_tensor * values = build(g, [&] { return g->emit(op::top_k, {x}, TopKParams{k}); });
    if (ids) *ids = values ? values->producer->result(1) : nullptr;
    return values;
}
