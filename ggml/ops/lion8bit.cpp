// One Lion step, in place, whose momentum is kept in 8 bits (blockwise_state.hpp): as lion.cpp, with m decoded before
// and encoded after it. Sources p, grad, codes and absmax of m, norm, hyper.
#include "ggml/graph/build.hpp"
#include "ggml/ops/blockwise_state.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/lion.hpp"

namespace ql {
namespace {

Status infer(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_optimizer(n));
    QL_TRY(expect_blockwise_state(n, 2));
    results_in_place(n, outs);
    return {};
}

template <typename Real>
void reference(const RefArgs<Real> & a) {
    const Real norm = a.x(4)[0];
    if (!std::isfinite(norm)) return;
    const auto s = step_scalars<float>(a.x(5), norm, a.template params<OptimizerParams>());
    auto * codes = static_cast<uint8_t *>(a.out[1]);
    const int64_t n = a.in(0).shape.elements();
    for (int64_t at = 0, block = 0; at < n; at += kStateBlock, ++block) {
        const int64_t length = std::min(kStateBlock, n - at);
        auto absmax = static_cast<float>(a.x(3)[block]);
        float m[kStateBlock];
        decode_state(kDynamicMapSigned, codes + at, absmax, length, m);
        for (int64_t i = 0; i < length; ++i) {
            auto p = static_cast<float>(a.x(0)[at + i]);
            lion_element(s, static_cast<float>(a.x(1)[at + i]), p, m[i]);
            a.y(0)[at + i] = p;
        }
        encode_state(kDynamicMapSigned, m, length, codes + at, absmax);
        a.y(2)[block] = absmax;
    }
}

Case make_case(const char * name, Shape s, float lr_scale) {
    return optimizer_case(name, s, {codes_in(s), absmax_in(s)}, lr_scale);
}

std::vector<Case> cases() {
    return {make_case("1", 1, 1), make_case("33x3", {33, 3}, 16), make_case("64x8", {64, 8}, 1),
            make_case("65x33", {65, 33}, 1)};
}

Result<Case> bench(const BenchSize & s) {
    return make_case("", {s.k, s.m}, 1);
}

}  // namespace

const OpDef op::lion8bit = {
    .number = Op::lion8bit,
    .name = "lion8bit",
    .formula = "as lion, with m in blocks of 256 codes of 8 bits",
    .params = params_type<OptimizerParams>(),
    .build_empty = Empty<ql_lion8bit>::call,
    .infer = infer,
    .no_grad = "it is a step of the optimizer",
    .reference = reference<float>,
    .reference64 = reference<double>,
    .cases = cases,
    .bench = bench,
    .flops = flops_each<14>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_lion8bit(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * m_absmax,
                                   ql_tensor * norm, ql_tensor * hyper, float lr_scale) {
    return build(g, [&] {
        return g->emit(op::lion8bit, {p, grad, m, m_absmax, norm, hyper}, OptimizerParams{lr_scale});
    });
}
