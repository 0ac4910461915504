// out = y + s B h, h = A x: a LoRA branch added to its linear's result.                        (Hu et al. 2021)
// Sources y [m, T], x [k, T], A [k, r], B [r, m]; results out [m, T] and h [r, T], which the backward pass reads.
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_lora(const Node & n, std::vector<OutSpec> & outs) {
    for (int i = 0; i < 4; ++i) QL_TRY(expect_matrix(n, i));
    const Shape &y = n.src[0]->shape, &x = n.src[1]->shape, &a = n.src[2]->shape, &b = n.src[3]->shape;
    if (y[1] != x[1]) return shape_error(n, "numbers of tokens differ");
    if (a[0] != x[0]) return shape_error(n, "x and A differ in row length");
    if (b[0] != a[1]) return shape_error(n, "A and B differ in rank");
    if (b[1] != y[0]) return shape_error(n, "y and B differ in size");
    outs.push_back({.shape = y, .may_reuse = 0});
    outs.push_back({.shape = Shape(a[1], x[1])});
    return {};
}

Status backward_lora(GradBuilder & g, const GraphNode & n) {
    Tensor *y = n.source(0), *x = n.source(1), *a = n.source(2), *b = n.source(3);
    Tensor * dy = g.gradient(n.result(0));
    if (!dy || g.gradient(n.result(1)))
        return error(QL_UNSUPPORTED, "lora: the gradient flows through the sum, not A x");
    g.add(y, dy);
    if (!g.wants(x) && !g.wants(a) && !g.wants(b)) return {};
    Tensor * back = g.graph().emit(op::lora_back, {dy, g.value(x), n.result(1), a, b}, n.params);
    if (!back) return g.graph().status();
    const GraphNode & d = *back->producer;
    g.add(a, d.result(0));
    g.add(b, d.result(1));
    if (g.wants(x)) g.add(x, g.graph().emit(op::mul_mat_t, {a, d.result(2)}));
    return {};
}

template <typename Real>
void reference_lora(const RefArgs<Real> & args) {
    const int64_t m = args.in(0).ne(0), k = args.in(1).ne(0), r = args.in(2).ne(1), n_tokens = args.in(1).ne(1);
    const Real *y = args.x(0), *x = args.x(1), *a = args.x(2), *b = args.x(3);
    const double s = args.template params<LoraParams>().scale;
    Real *out = args.y(0), *h = args.y(1);
    for (int64_t t = 0; t < n_tokens; ++t) {
        for (int64_t j = 0; j < r; ++j) {
            double sum = 0;
            for (int64_t i = 0; i < k; ++i) sum += static_cast<double>(a[j * k + i]) * x[t * k + i];
            h[t * r + j] = static_cast<Real>(sum);
        }
        for (int64_t i = 0; i < m; ++i) {
            double sum = 0;
            for (int64_t j = 0; j < r; ++j) sum += static_cast<double>(b[i * r + j]) * h[t * r + j];
            out[t * m + i] = static_cast<Real>(y[t * m + i] + s * sum);
        }
    }
}

std::vector<Case> cases_lora() {
    const auto make = [](const char * name, int64_t k, int64_t m, int64_t r, int64_t t) {
        return Case{name, {param_in({m, t}), param_in({k, t}), param_in({k, r}), param_in({r, m})}, LoraParams{0.75f}};
    };
    return {make("1x1 r1 T1", 1, 1, 1, 1), make("33x5 r3 T1", 33, 5, 3, 1), make("65x33 r8 T33", 65, 33, 8, 33),
            make("64x192 r16 T65", 64, 192, 16, 65)};
}

double flops_lora(const Node & n) {
    const Shape &y = n.src[0]->shape, &a = n.src[2]->shape;
    return 2.0 * static_cast<double>(a[1]) * static_cast<double>(y[1]) * static_cast<double>(y[0] + a[0]);
}

Result<Case> bench_lora(const BenchSize & s) {
    return Case{"",
                {data_in({s.m, s.t}), data_in({s.k, s.t}), data_in({s.k, kBenchRank}), data_in({kBenchRank, s.m})},
                LoraParams{2}};
}

}  // namespace

const OpDef op::lora = {
    .number = Op::lora,
    .name = "lora",
    .formula = "out = y + s B h, h = A x",
    .params = params_type<LoraParams>(),
    .build_empty = Empty<ql_lora>::call,
    .infer = infer_lora,
    .backward = backward_lora,
    .differentiable = 0b1111,
    .products = true,
    .reference = reference_lora<float>,
    .reference64 = reference_lora<double>,
    .cases = cases_lora,
    .bench = bench_lora,
    .flops = flops_lora,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_lora(ql_graph * g, ql_tensor * y, ql_tensor * x, ql_tensor * a, ql_tensor * b, float s) {
    return build(g, [&] { return g->emit(op::lora, {y, x, a, b}, LoraParams{s}); });
}
