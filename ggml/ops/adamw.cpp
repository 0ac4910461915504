// One AdamW step, in place, with clipping by the global norm in front of it:           (Loshchilov & Hutter 2019)
//     g *= min(1, clip / (norm + 1e-6));  p *= 1 - lr decay;
//     m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr (m / c1) / (sqrt(v / c2) + eps).
// lr is the hyper-parameter times lr_scale. A norm that is NaN or Inf leaves p, m and v as they are: the step is
// skipped. Sources p, grad, m, v, norm, hyper; results p, m, v after the step, which are the sources' own storage.
#include <algorithm>
#include <cmath>

#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/params.hpp"
#include "ql/optim.h"

namespace ql {
namespace {

Status infer(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_param(n, 0));
    QL_TRY(expect_f32(n, 1));
    QL_TRY(expect_state(n, 2));
    QL_TRY(expect_state(n, 3));
    for (int i = 1; i <= 3; ++i) QL_TRY(expect_same_shape(n, 0, i));
    QL_TRY(expect_f32(n, 4));
    QL_TRY(expect_shape(n, 4, Shape(1)));
    QL_TRY(expect_f32(n, 5));
    QL_TRY(expect_shape(n, 5, Shape(QL_HYPER_N)));
    const float scale = n.params.as<AdamwParams>().lr_scale;
    if (!std::isfinite(scale)) return error(QL_INVALID_ARGUMENT, "adamw: lr_scale is %g", static_cast<double>(scale));
    for (const int source : {0, 2, 3}) outs.push_back({.shape = n.src[0]->shape, .alias = source});
    return {};
}

template <typename Real>
void reference(const RefArgs<Real> & a) {
    const Real * hyper = a.x(5);
    const double norm = a.x(4)[0], clip = hyper[QL_HYPER_CLIP];
    if (!std::isfinite(norm)) return;
    const double factor = clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0;
    const double lr = static_cast<double>(hyper[QL_HYPER_LR]) * a.template params<AdamwParams>().lr_scale;
    const double b1 = hyper[QL_HYPER_BETA1], b2 = hyper[QL_HYPER_BETA2];
    const int64_t n = a.in(0).shape.elements();
    for (int64_t i = 0; i < n; ++i) {
        const double g = factor * a.x(1)[i];
        const double m = b1 * a.x(2)[i] + (1 - b1) * g;
        const double v = b2 * a.x(3)[i] + (1 - b2) * g * g;
        const double step = m / hyper[QL_HYPER_BIAS1] / (std::sqrt(v / hyper[QL_HYPER_BIAS2]) + hyper[QL_HYPER_EPS]);
        a.y(0)[i] = static_cast<Real>(a.x(0)[i] * (1 - lr * hyper[QL_HYPER_DECAY]) - lr * step);
        a.y(1)[i] = static_cast<Real>(m);
        a.y(2)[i] = static_cast<Real>(v);
    }
}

Case make_case(const char * name, Shape s, float lr_scale) {
    return {name,
            {param_in(s), data_in(s), state_in(s, Fill::small), state_in(s, Fill::positive), data_in(1, Fill::positive),
             data_in(QL_HYPER_N, Fill::hyper)},
            AdamwParams{lr_scale}};
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
    .params = params_type<AdamwParams>(),
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
    return build(g, [&] { return g->emit(op::adamw, {p, grad, m, v, norm, hyper}, AdamwParams{lr_scale}); });
}
