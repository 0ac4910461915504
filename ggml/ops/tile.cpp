// y[i, ...] = x[i mod size, ...], i < n: each row repeated until n elements are full, the last time perhaps in part.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_tile(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    const int64_t width = n.params.as<TileParams>().n;
    const Shape & x = n.src[0]->shape;
    if (width < x[0])
        return error(QL_BAD_SHAPE, "tile: rows of %lld cannot be filled with %s, whose rows are longer",
                     static_cast<long long>(width), describe(*n.src[0]).c_str());
    outs.push_back({.shape = Shape(width, x[1], x[2], x[3])});
    return {};
}

Status backward_tile(GradBuilder & b, const GraphNode & n) {
    const TileParams to{n.source(0)->shape[0]};
    if (b.wants(n.source(0))) b.add(n.source(0), b.graph().emit(op::sum_tiles, {b.gradient(n.result(0))}, to));
    return {};
}

template <typename Real>
void reference_tile(const RefArgs<Real> & a) {
    const int64_t size = a.in(0).ne(0), width = a.node.out[0]->ne(0);
    for (int64_t row = 0; row < a.in(0).shape.rows(); ++row)
        for (int64_t i = 0; i < width; ++i) a.y(0)[row * width + i] = a.x(0)[row * size + i % size];
}

std::vector<Case> cases_tile() {
    return {{"1 to 1", {param_in(1)}, TileParams{1}},
            {"1 to 5x3", {param_in({1, 3})}, TileParams{5}},
            {"33x3 as it is", {param_in({33, 3})}, TileParams{33}},
            {"short last time: 22x33 to 65", {param_in({22, 33})}, TileParams{65}},
            {"16x5 to 576", {param_in({16, 5})}, TileParams{576}},
            {"7x3x2 to 15", {param_in({7, 3, 2})}, TileParams{15}}};
}

Result<Case> bench_tile(const BenchSize & s) {
    return Case{"", {data_in({kBenchRank, s.t})}, TileParams{std::max<int64_t>(s.k, kBenchRank)}};
}

}  // namespace

const OpDef op::tile = {
    .number = Op::tile,
    .name = "tile",
    .formula = "y[i, ...] = x[i mod size, ...]",
    .params = params_type<TileParams>(),
    .build_empty = Empty<ql_tile>::call,
    .infer = infer_tile,
    .backward = backward_tile,
    .differentiable = 0b1,
    .reference = reference_tile<float>,
    .reference64 = reference_tile<double>,
    .cases = cases_tile,
    .bench = bench_tile,
    .flops = no_flops,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_tile(ql_graph * g, ql_tensor * x, int64_t n) {
    return build(g, [&] { return g->emit(op::tile, {x}, TileParams{n}); });
}
