// One AdamW step, in place, with clipping by the global norm in front of it:           (Loshchilov & Hutter 2019)
//     g *= min(1, clip / (norm + 1e-6));  p *= 1 - lr decay;
//     m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr (m / c1) / (sqrt(v / c2) + eps).
// lr is the hyper-parameter times lr_scale. A norm that is NaN or Inf leaves p, m and v as they are: the step is
// skipped. Sources p, grad, m, v, norm, hyper; results p, m, v after the step, which are the sources' own storage.
#include "ggml/graph/build.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/optimizer.hpp"

namespace ql {
namespace {

Status infer(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_optimizer(n));
    for (const int state : {2, 3}) {
        QL_TRY(expect_state(n, state));
        QL_TRY(expect_same_shape(n, 0, state));
    }
    results_in_place(n, outs);
    return {};
}

template <typename Real>
void reference(const RefArgs<Real> & a) {
    const Real norm = a.x(4)[0];
    if (!std::isfinite(norm)) return;
    const auto s = step_scalars<double>(a.x(5), norm, a.template params<OptimizerParams>());
    const int64_t n = a.in(0).shape.elements();
    for (int64_t i = 0; i < n; ++i) {
        const double g = s.clip * a.x(1)[i];
        const double m = s.b1 * a.x(2)[i] + s.c1 * g;
        const double v = s.b2 * a.x(3)[i] + s.c2 * g * g;
        const double step = m * s.unbias1 / (std::sqrt(v * s.unbias2) + s.eps);
        a.y(0)[i] = static_cast<Real>(a.x(0)[i] * s.keep - s.lr * step);
        a.y(1)[i] = static_cast<Real>(m);
        a.y(2)[i] = static_cast<Real>(v);
    }
}

Case make_case(const char * name, Shape s, float lr_scale) {
    return optimizer_case(name, s, {state_in(s, Fill::small), state_in(s, Fill::positive)}, lr_scale);
}

std::vector<Case> cases() {
    return {make_case("1", 1, 1), make_case("33x3", {33, 3}, 16), make_case("65x33", {65, 33}, 1)};
}

Result<Case> bench(const BenchSize & s) {
    return make_case("", {s.k, s.m}, 1);
}

}  // namespace

const OpDef op::adamw = {
    .number = Op::adamw,
    .name = "adamw",
    .formula =
        "p *= 1 - lr decay; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr (m / c1) / (sqrt(v / c2) + eps)",
    .params = params_type<OptimizerParams>(),
    .build_empty = Empty<ql_adamw>::call,
    .infer = infer,
    .no_grad = "it is a step of the optimizer",
    .reference = reference<float>,
    .reference64 = reference<double>,
    .cases = cases,
    .bench = bench,
    .flops = flops_each<16>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_adamw(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * v,
                                ql_tensor * norm, ql_tensor * hyper, float lr_scale) {
    return build(g, [&] { return g->emit(op::adamw, {p, grad, m, v, norm, hyper}, OptimizerParams{lr_scale}); });
}
