// One step of gradient descent with momentum, in place, with clipping and decay as in adamw.cpp:
//     g *= min(1, clip / (norm + 1e-6));  p *= 1 - lr decay;  m = b1 m + g;  p -= lr m.                 (Polyak 1964)
// The gradient is not scaled by 1 - b1, as in PyTorch's SGD and bitsandbytes': a step is up to 1 / (1 - b1) of them.
#include "ggml/graph/build.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/optimizer.hpp"

namespace ql {
namespace {

Status infer(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_optimizer(n));
    QL_TRY(expect_state(n, 2));
    QL_TRY(expect_same_shape(n, 0, 2));
    results_in_place(n, outs);
    return {};
}

template <typename Real>
void reference(const RefArgs<Real> & a) {
    const Real norm = a.x(3)[0];
    if (!std::isfinite(norm)) return;
    const auto s = step_scalars<double>(a.x(4), norm, a.template params<OptimizerParams>());
    const int64_t n = a.in(0).shape.elements();
    for (int64_t i = 0; i < n; ++i) {
        const double m = s.b1 * a.x(2)[i] + s.clip * a.x(1)[i];
        a.y(0)[i] = static_cast<Real>(a.x(0)[i] * s.keep - s.lr * m);
        a.y(1)[i] = static_cast<Real>(m);
    }
}

Case make_case(const char * name, Shape s, float lr_scale) {
    return optimizer_case(name, s, {state_in(s, Fill::small)}, lr_scale);
}

std::vector<Case> cases() {
    return {make_case("1", 1, 1), make_case("33x3", {33, 3}, 16), make_case("65x33", {65, 33}, 1)};
}

Result<Case> bench(const BenchSize & s) {
    return make_case("", {s.k, s.m}, 1);
}

}  // namespace

const OpDef op::sgd = {
    .number = Op::sgd,
    .name = "sgd",
    .formula = "p *= 1 - lr decay; m = b1 m + g; p -= lr m",
    .params = params_type<OptimizerParams>(),
    .build_empty = Empty<ql_sgd>::call,
    .infer = infer,
    .no_grad = "it is a step of the optimizer",
    .reference = reference<float>,
    .reference64 = reference<double>,
    .cases = cases,
    .bench = bench,
    .flops = flops_each<6>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_sgd(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * norm,
                              ql_tensor * hyper, float lr_scale) {
    return build(g, [&] { return g->emit(op::sgd, {p, grad, m, norm, hyper}, OptimizerParams{lr_scale}); });
}
