// The same values under another shape. Nothing moves: the result is the source's storage.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_reshape(const Node & n, std::vector<OutSpec> & outs) {
    const Operand & x = *n.src[0];
    const Shape shape = n.params.as<ReshapeParams>().shape;
    int64_t total = 1;
    for (int i = 0; i < QL_MAX_DIMS; ++i)
        if (shape[i] < 1 || __builtin_mul_overflow(total, shape[i], &total)) total = -1;
    if (total != x.shape.elements())
        return error(QL_BAD_SHAPE, "reshape: %s has %lld elements, which do not fill %s", describe(x).c_str(),
                     static_cast<long long>(x.shape.elements()), shape.str().c_str());
    if (shape[0] % ql_dtype_block_length(x.dtype))
        return error(QL_BAD_SHAPE, "reshape: rows of %s would cut through the blocks of %s", shape.str().c_str(),
                     describe(x).c_str());
    outs.push_back({.dtype = x.dtype, .shape = shape, .alias = 0});
    return {};
}

Status backward_reshape(GradBuilder & b, const GraphNode & n) {
    if (b.wants(n.source(0)))
        b.add(n.source(0), b.graph().emit(op::reshape, {b.gradient(n.result(0))}, ReshapeParams{n.source(0)->shape}));
    return {};
}

template <typename Real>
void reference_reshape(const RefArgs<Real> &) {}

std::vector<Case> cases_reshape() {
    return {
        {"1", {param_in(1)}, ReshapeParams{Shape(1)}},
        {"33x3", {param_in({33, 3})}, ReshapeParams{Shape(3, 11, 3)}},
        {"64x33 to heads", {param_in({64, 33})}, ReshapeParams{Shape(16, 4, 33)}},
    };
}

Result<Case> bench_reshape(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, ReshapeParams{Shape(s.t, s.k)}};
}

}  // namespace

const OpDef op::reshape = {
    .number = Op::reshape,
    .name = "reshape",
    .formula = "y = x, under another shape",
    .params = params_type<ReshapeParams>(),
    .build_empty = Empty<ql_reshape>::call,
    .infer = infer_reshape,
    .backward = backward_reshape,
    .differentiable = 0b1,
    .view = true,
    .cheap = true,
    .reference = reference_reshape<float>,
    .reference64 = reference_reshape<double>,
    .cases = cases_reshape,
    .bench = bench_reshape,
    .flops = no_flops,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_reshape(ql_graph * g, ql_tensor * x, int n_dims, const int64_t * ne) {
    return build(g, [&]() -> ql_tensor * {
        Result<Shape> shape = shape_from(op::reshape, n_dims, ne);
        if (!shape.ok()) return g->fail(shape.status()), nullptr;
        return g->emit(op::reshape, {x}, ReshapeParams{*shape});
    });
}
