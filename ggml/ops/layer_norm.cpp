// y = w (x - mean(x)) / sqrt(var(x) + eps) + b, over the innermost dimension.                        (Ba et al. 2016)
// w and b may be absent: 1 and 0.
#include <cmath>

#include "ggml/graph/build.hpp"
#include "ggml/ops/broadcast.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"
#include "ggml/ops/unary.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

bool has(const Node & n, size_t i) {
    return i < n.src.size() && n.src[i];
}

Status infer_layer_norm(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    const Shape & x = n.src[0]->shape;
    for (int i = 1; i <= 2; ++i) {
        if (!has(n, static_cast<size_t>(i))) continue;
        QL_TRY(expect_f32(n, i));
        QL_TRY(expect_shape(n, i, Shape(x[0])));
    }
    const float eps = n.params.as<LayerNormParams>().eps;
    if (!(eps >= 0) || std::isinf(eps))
        return error(QL_INVALID_ARGUMENT, "layer_norm: eps is %g, it must be 0 or more", static_cast<double>(eps));
    outs.push_back({.shape = x, .may_reuse = 0});
    return {};
}

/// What the gradient is made of: u = (x - mean(x)) r and r = 1 / sqrt(var(x) + eps), a number for each row.
struct Normalised {
    Tensor *u, *r;
};

Tensor * mean_of_rows(Graph & g, Tensor * x, float offset = 0) {
    const float share = x ? 1 / static_cast<float>(x->ne(0)) : 0;
    return g.emit(op::scale, {g.emit(op::sum_rows, {x})}, ScaleParams{share, offset});
}

Tensor * less(Graph & g, Tensor * a, Tensor * b) {
    return g.emit(op::add, {a, g.emit(op::scale, {b}, ScaleParams{-1, 0})});
}

Normalised normalised(Graph & g, Tensor * x, float eps) {
    Tensor * centred = less(g, x, mean_of_rows(g, x));
    Tensor * variance = mean_of_rows(g, g.emit(op::mul, {centred, centred}), eps);
    Tensor * r = g.emit(op::unary, {variance}, UnaryParams{QL_UNARY_RSQRT, 0, 0, 0});
    return {g.emit(op::mul, {centred, r}), r};
}

/// dx = r (d - mean(d) - u mean(d u)), d = w dy;   dw = sum of dy u, db = sum of dy over all rows.
Status backward_layer_norm(GradBuilder & b, const GraphNode & n) {
    Graph & g = b.graph();
    Tensor *x = n.source(0), *dy = b.gradient(n.result(0));
    Tensor *w = has(n, 1) ? n.source(1) : nullptr, *bias = has(n, 2) ? n.source(2) : nullptr;
    if (b.wants(bias)) b.add(bias, summed_to(b, dy, bias->shape));
    if (!b.wants(x) && !b.wants(w)) return {};
    const auto [u, r] = normalised(g, b.value(x), n.params.as<LayerNormParams>().eps);
    if (b.wants(w)) b.add(w, summed_to(b, g.emit(op::mul, {dy, u}), w->shape));
    if (!b.wants(x)) return {};
    Tensor * d = w ? g.emit(op::mul, {dy, b.value(w)}) : dy;
    Tensor * along = g.emit(op::mul, {u, mean_of_rows(g, g.emit(op::mul, {d, u}))});
    b.add(x, g.emit(op::mul, {less(g, less(g, d, mean_of_rows(g, d)), along), r}));
    return {};
}

template <typename Real>
void reference_layer_norm(const RefArgs<Real> & a) {
    const int64_t width = a.in(0).ne(0);
    const auto n = static_cast<double>(width), eps = static_cast<double>(a.template params<LayerNormParams>().eps);
    for (int64_t row = 0; row < a.in(0).shape.rows(); ++row) {
        const Real * x = a.x(0) + row * width;
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < width; ++i) sum += static_cast<double>(x[i]);
        const auto centred = [&](int64_t i) { return static_cast<double>(x[i]) - sum / n; };
        for (int64_t i = 0; i < width; ++i) squares += centred(i) * centred(i);
        const double r = 1 / std::sqrt(squares / n + eps);
        for (int64_t i = 0; i < width; ++i) {
            const double w = a.has(1) ? static_cast<double>(a.x(1)[i]) : 1;
            const double bias = a.has(2) ? static_cast<double>(a.x(2)[i]) : 0;
            a.y(0)[row * width + i] = static_cast<Real>(w * centred(i) * r + bias);
        }
    }
}

std::vector<Case> cases_layer_norm() {
    const auto make = [](const char * name, Shape x) {
        return Case{name, {param_in(x), param_in(x[0], Fill::positive), param_in(x[0])}, LayerNormParams{1e-5f}};
    };
    return {{"plain 33x3", {param_in({33, 3})}, LayerNormParams{1e-5f}},
            {"no bias 65x5", {param_in({65, 5}), frozen_in(65, QL_F32, Fill::positive)}, LayerNormParams{0}},
            make("3x5", {3, 5}),
            make("65x33", {65, 33}),
            make("heads 16x3x5", {16, 3, 5}),
            make("96x5", {96, 5}),
            make("577x3", {577, 3})};
}

Result<Case> bench_layer_norm(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in(s.k), data_in(s.k)}, LayerNormParams{1e-5f}};
}

}  // namespace

const OpDef op::layer_norm = {
    .number = Op::layer_norm,
    .name = "layer_norm",
    .formula = "y = w (x - mean(x)) / sqrt(var(x) + eps) + b",
    .params = params_type<LayerNormParams>(),
    .build_empty = Empty<ql_layer_norm>::call,
    .infer = infer_layer_norm,
    .backward = backward_layer_norm,
    .differentiable = 0b111,
    .optional = 0b110,
    .cheap = true,
    .reference = reference_layer_norm<float>,
    .reference64 = reference_layer_norm<double>,
    .cases = cases_layer_norm,
    .bench = bench_layer_norm,
    .flops = flops_each<8>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_layer_norm(ql_graph * g, ql_tensor * x, ql_tensor * w, ql_tensor * b, float eps) {
    return build(g, [&] { return g->emit(op::layer_norm, {x, w, b}, LayerNormParams{eps}); });
}
