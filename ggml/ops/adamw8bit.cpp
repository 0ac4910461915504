// One AdamW step, in place, whose moments are kept in 8 bits (blockwise_state.hpp): as adamw.cpp, with m and v decoded
// before and encoded after it. Sources p, grad, codes and absmax of m, codes and absmax of v, norm, hyper.
#include "ggml/graph/build.hpp"
#include "ggml/ops/blockwise_state.hpp"
#include "ggml/ops/flops.hpp"

namespace ql {
namespace {

Status infer(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_optimizer(n));
    QL_TRY(expect_blockwise_state(n, 2));
    QL_TRY(expect_blockwise_state(n, 4));
    results_in_place(n, outs);
    return {};
}

template <typename Real>
void reference(const RefArgs<Real> & a) {
    const Real norm = a.x(6)[0];
    if (!std::isfinite(norm)) return;
    const auto s = step_scalars<float>(a.x(7), norm, a.template params<OptimizerParams>());
    auto *m_codes = static_cast<uint8_t *>(a.out[1]), *v_codes = static_cast<uint8_t *>(a.out[3]);
    const int64_t n = a.in(0).shape.elements();
    for (int64_t at = 0, block = 0; at < n; at += kStateBlock, ++block) {
        const int64_t length = std::min(kStateBlock, n - at);
        auto m_absmax = static_cast<float>(a.x(3)[block]), v_absmax = static_cast<float>(a.x(5)[block]);
        float m[kStateBlock], v[kStateBlock];
        decode_state(kDynamicMapSigned, m_codes + at, m_absmax, length, m);
        decode_state(kDynamicMapUnsigned, v_codes + at, v_absmax, length, v);
        for (int64_t i = 0; i < length; ++i) {
            const float g = s.clip * static_cast<float>(a.x(1)[at + i]);
            m[i] = s.b1 * m[i] + s.c1 * g;
            v[i] = s.b2 * v[i] + s.c2 * (g * g);
            const float step = m[i] * s.unbias1 / (std::sqrt(v[i] * s.unbias2) + s.eps);
            a.y(0)[at + i] = static_cast<float>(a.x(0)[at + i]) * s.keep - s.lr * step;
        }
        encode_state(kDynamicMapSigned, m, length, m_codes + at, m_absmax);
        encode_state(kDynamicMapUnsigned, v, length, v_codes + at, v_absmax);
        a.y(2)[block] = m_absmax;
        a.y(4)[block] = v_absmax;
    }
}

Case make_case(const char * name, Shape s, float lr_scale) {
    return optimizer_case(name, s, {codes_in(s), absmax_in(s), codes_in(s), absmax_in(s)}, lr_scale);
}

std::vector<Case> cases() {
    return {make_case("1", 1, 1), make_case("33x3", {33, 3}, 16), make_case("64x8", {64, 8}, 1),
            make_case("65x33", {65, 33}, 1)};
}

Result<Case> bench(const BenchSize & s) {
    return make_case("", {s.k, s.m}, 1);
}

}  // namespace

const OpDef op::adamw8bit = {
    .number = Op::adamw8bit,
    .name = "adamw8bit",
    .formula = "as adamw, with m and v in blocks of 256 codes of 8 bits",
    .params = params_type<OptimizerParams>(),
    .build_empty = Empty<ql_adamw8bit>::call,
    .infer = infer,
    .no_grad = "it is a step of the optimizer",
    .reference = reference<float>,
    .reference64 = reference<double>,
    .cases = cases,
    .bench = bench,
    .flops = flops_each<24>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_adamw8bit(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * m_absmax,
                                    ql_tensor * v, ql_tensor * v_absmax, ql_tensor * norm, ql_tensor * hyper,
                                    float lr_scale) {
    return build(g, [&] {
        return g->emit(op::adamw8bit, {p, grad, m, m_absmax, v, v_absmax, norm, hyper}, OptimizerParams{lr_scale});
    });
}
