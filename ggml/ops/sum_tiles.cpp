// y[j, ...] = sum_b x[b n + j, ...]: each row cut into tiles of n, the last of them perhaps short, and these added up.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_sum_tiles(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    const int64_t width = n.params.as<TileParams>().n;
    const Shape & x = n.src[0]->shape;
    if (width < 1 || width > x[0])
        return error(QL_BAD_SHAPE, "sum_tiles: tiles of %lld, 1 to %lld are possible in %s",
                     static_cast<long long>(width), static_cast<long long>(x[0]), describe(*n.src[0]).c_str());
    outs.push_back({.shape = Shape(width, x[1], x[2], x[3])});
    return {};
}

Status backward_sum_tiles(GradBuilder & b, const GraphNode & n) {
    const TileParams to{n.source(0)->shape[0]};
    if (b.wants(n.source(0))) b.add(n.source(0), b.graph().emit(op::tile, {b.gradient(n.result(0))}, to));
    return {};
}

template <typename Real>
void reference_sum_tiles(const RefArgs<Real> & a) {
    const int64_t size = a.in(0).ne(0), width = a.node.out[0]->ne(0);
    std::vector<double> sums(static_cast<size_t>(width));
    for (int64_t row = 0; row < a.in(0).shape.rows(); ++row) {
        std::fill(sums.begin(), sums.end(), 0.0);
        for (int64_t i = 0; i < size; ++i)
            sums[static_cast<size_t>(i % width)] += static_cast<double>(a.x(0)[row * size + i]);
        for (int64_t j = 0; j < width; ++j) a.y(0)[row * width + j] = static_cast<Real>(sums[static_cast<size_t>(j)]);
    }
}

std::vector<Case> cases_sum_tiles() {
    return {{"1 of 1", {param_in(1)}, TileParams{1}},
            {"1 of 5x3", {param_in({5, 3})}, TileParams{1}},
            {"all of 33x3", {param_in({33, 3})}, TileParams{33}},
            {"short last tile: 22 of 65x33", {param_in({65, 33})}, TileParams{22}},
            {"16 of 576x5", {param_in({576, 5})}, TileParams{16}},
            {"7 of 15x3x2", {param_in({15, 3, 2})}, TileParams{7}}};
}

Result<Case> bench_sum_tiles(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, TileParams{kBenchRank}};
}

}  // namespace

const OpDef op::sum_tiles = {
    .number = Op::sum_tiles,
    .name = "sum_tiles",
    .formula = "y[j, ...] = sum_b x[b n + j, ...]",
    .params = params_type<TileParams>(),
    .build_empty = Empty<ql_sum_tiles>::call,
    .infer = infer_sum_tiles,
    .backward = backward_sum_tiles,
    .differentiable = 0b1,
    .reference = reference_sum_tiles<float>,
    .reference64 = reference_sum_tiles<double>,
    .cases = cases_sum_tiles,
    .bench = bench_sum_tiles,
    .flops = flops_each<1>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_sum_tiles(ql_graph * g, ql_tensor * x, int64_t n) {
    return build(g, [&] { return g->emit(op::sum_tiles, {x}, TileParams{n}); });
}
