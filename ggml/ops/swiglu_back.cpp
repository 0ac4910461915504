// The gradients of y = silu(gate) * up, with a = 1 / (1 + exp(-gate)):
//     dgate = dy up a (1 + gate (1 - a));   dup = dy gate a.
// Sources gate, up, dy; results dgate and dup, which may lie in gate's and up's storage.
#include <cmath>

#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"

namespace ql {
namespace {

Status infer_swiglu_back(const Node & n, std::vector<OutSpec> & outs) {
    for (int i = 0; i < 3; ++i) QL_TRY(expect_f32(n, i));
    QL_TRY(expect_same_shape(n, 0, 1));
    QL_TRY(expect_same_shape(n, 0, 2));
    outs.push_back({.shape = n.src[0]->shape, .may_reuse = 0});
    outs.push_back({.shape = n.src[0]->shape, .may_reuse = 1});
    return {};
}

template <typename Real>
void reference_swiglu_back(const RefArgs<Real> & args) {
    const int64_t n = args.in(0).shape.elements();
    for (int64_t i = 0; i < n; ++i) {
        const double gate = args.x(0)[i], up = args.x(1)[i], dy = args.x(2)[i];
        const double a = 1 / (1 + std::exp(-gate));
        args.y(0)[i] = static_cast<Real>(dy * up * a * (1 + gate * (1 - a)));
        args.y(1)[i] = static_cast<Real>(dy * gate * a);
    }
}

std::vector<Case> cases_swiglu_back() {
    const auto make = [](const char * name, Shape s) { return Case{name, {data_in(s), data_in(s), data_in(s)}, {}}; };
    return {make("1", 1), make("33x3", {33, 3}), make("65x33", {65, 33}), make("96x11", {96, 11})};
}

Result<Case> bench_swiglu_back(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in({s.k, s.t}), data_in({s.k, s.t})}, {}};
}

}  // namespace

const OpDef op::swiglu_back = {
    .number = Op::swiglu_back,
    .name = "swiglu_back",
    .formula = "dgate = dy up a (1 + gate (1 - a)); dup = dy gate a; a = 1 / (1 + exp(-gate))",
    .infer = infer_swiglu_back,
    .no_grad = "second derivatives are out of scope",
    .reference = reference_swiglu_back<float>,
    .reference64 = reference_swiglu_back<double>,
    .cases = cases_swiglu_back,
    .bench = bench_swiglu_back,
    .flops = flops_each<10>,
};

}  // namespace ql
