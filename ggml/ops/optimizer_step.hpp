// What the operators of optimizers have in common, given a rule: the step of one element. With states of f32 or of 8 bits,
// shape rule, reference and cases follow from it.
//
// A rule has kMoments, the states of an element; Scalar, in which steps over states of f32 are computed; and
//     step(scalars, grad, p, moments): changes p and the moments; the gradient is not yet clipped.
#pragma once
#include <array>

#include "ggml/ops/blockwise_state.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/optimizer.hpp"

namespace ql {

/// The states of a parameter, one source for each moment; or two, codes and absmax.
template <typename Rule>
Status infer_step(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_optimizer(n));
    for (int i = 2; i < 2 + Rule::kMoments; ++i) {
        QL_TRY(expect_state(n, i));
        QL_TRY(expect_same_shape(n, 0, i));
    }
    results_in_place(n, outs);
    return {};
}
template <typename Rule>
Status infer_step_8bit(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_optimizer(n));
    for (int i = 0; i < Rule::kMoments; ++i) QL_TRY(expect_blockwise_state(n, 2 + 2 * i));
    results_in_place(n, outs);
    return {};
}

/// The scalars of a node's step; false: its norm is not finite, and the step is skipped.
template <typename Scalar, typename Real>
bool scalars_of(const RefArgs<Real> & a, StepScalars<Scalar> & scalars) {
    const int norm = norm_of(a.node);
    if (!std::isfinite(a.x(norm)[0])) return false;
    scalars = step_scalars<Scalar>(a.x(norm + 1), a.x(norm)[0], a.template params<OptimizerParams>());
    return true;
}

template <typename Rule, typename Real>
void reference_step(const RefArgs<Real> & a) {
    using Scalar = typename Rule::Scalar;
    StepScalars<Scalar> s;
    if (!scalars_of(a, s)) return;
    const int64_t n = a.in(0).shape.elements();
    for (int64_t i = 0; i < n; ++i) {
        auto p = static_cast<Scalar>(a.x(0)[i]);
        std::array<Scalar, Rule::kMoments> moments;
        for (int k = 0; k < Rule::kMoments; ++k) moments[static_cast<size_t>(k)] = static_cast<Scalar>(a.x(2 + k)[i]);
        Rule::step(s, static_cast<Scalar>(a.x(1)[i]), p, moments.data());
        a.y(0)[i] = static_cast<Real>(p);
        for (int k = 0; k < Rule::kMoments; ++k) a.y(1 + k)[i] = static_cast<Real>(moments[static_cast<size_t>(k)]);
    }
}

/// The map of a moment's codes: the second one is a mean of squares.
inline const DynamicMap & state_map(int moment) {
    return moment == 0 ? kDynamicMapSigned : kDynamicMapUnsigned;
}

/// In f32 whatever the rule's Scalar: a code hangs on the last bit of its number.
template <typename Rule, typename Real>
void reference_step_8bit(const RefArgs<Real> & a) {
    StepScalars<float> s;
    if (!scalars_of(a, s)) return;
    const auto codes = [&](int k) { return static_cast<uint8_t *>(a.out[static_cast<size_t>(1 + 2 * k)]); };
    const int64_t n = a.in(0).shape.elements();
    for (int64_t at = 0, block = 0; at < n; at += kStateBlock, ++block) {
        const int64_t length = std::min(kStateBlock, n - at);
        float states[Rule::kMoments][kStateBlock];
        for (int k = 0; k < Rule::kMoments; ++k)
            decode_state(state_map(k), codes(k) + at, static_cast<float>(a.x(3 + 2 * k)[block]), length, states[k]);
        for (int64_t i = 0; i < length; ++i) {
            auto p = static_cast<float>(a.x(0)[at + i]);
            std::array<float, Rule::kMoments> moments;
            for (int k = 0; k < Rule::kMoments; ++k) moments[static_cast<size_t>(k)] = states[k][i];
            Rule::step(s, static_cast<float>(a.x(1)[at + i]), p, moments.data());
            a.y(0)[at + i] = p;
            for (int k = 0; k < Rule::kMoments; ++k) states[k][i] = moments[static_cast<size_t>(k)];
        }
        for (int k = 0; k < Rule::kMoments; ++k) {
            float absmax = 0;
            encode_state(state_map(k), states[k], length, codes(k) + at, absmax);
            a.y(2 + 2 * k)[block] = absmax;
        }
    }
}

template <typename Rule>
Case step_case(const char * name, Shape s, float lr_scale) {
    std::vector<CaseInput> states;
    for (int k = 0; k < Rule::kMoments; ++k) states.push_back(state_in(s, k == 0 ? Fill::small : Fill::positive));
    return optimizer_case(name, s, std::move(states), lr_scale);
}
template <typename Rule>
Case step_case_8bit(const char * name, Shape s, float lr_scale) {
    std::vector<CaseInput> states;
    for (int k = 0; k < Rule::kMoments; ++k) states.push_back(codes_in(s)), states.push_back(absmax_in(s));
    return optimizer_case(name, s, std::move(states), lr_scale);
}

template <typename Rule>
std::vector<Case> step_cases() {
    return {step_case<Rule>("1", 1, 1), step_case<Rule>("33x3", {33, 3}, 16), step_case<Rule>("65x33", {65, 33}, 1)};
}
template <typename Rule>
std::vector<Case> step_cases_8bit() {
    return {step_case_8bit<Rule>("1", 1, 1), step_case_8bit<Rule>("33x3", {33, 3}, 16),
            step_case_8bit<Rule>("64x8", {64, 8}, 1), step_case_8bit<Rule>("65x33", {65, 33}, 1)};
}

template <typename Rule>
Result<Case> bench_step(const BenchSize & s) {
    return step_case<Rule>("", {s.k, s.m}, 1);
}
template <typename Rule>
Result<Case> bench_step_8bit(const BenchSize & s) {
    return step_case_8bit<Rule>("", {s.k, s.m}, 1);
}

}  // namespace ql
