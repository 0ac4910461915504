// The functions of `unary` and their derivatives on vectors; ggml/ops/unary.cpp has the formulas. None is asked about
// NaN: the caller keeps NaN itself. Compiled once for each instruction set; included like vec.inl, which it includes.
#if defined(QL_CPU_UNARY_FUNCTIONS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_UNARY_FUNCTIONS_INL
#undef QL_CPU_UNARY_FUNCTIONS_INL
#else
#define QL_CPU_UNARY_FUNCTIONS_INL
#endif

#include <hwy/contrib/math/math-inl.h>

#include <cmath>

#include "backends/cpu/math.inl"
#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE Vec constant(float x) {
    return hn::Set(kF32, x);
}
HWY_INLINE Vec inverse(Vec x) {
    return hn::Div(constant(1), x);
}

HWY_INLINE Vec sigmoid(Vec x) {
    return inverse(hn::Add(constant(1), vexp(kF32, hn::Neg(x))));
}
/// e / (1 + e)^2, e = exp(-|x|): no difference of close numbers.
HWY_INLINE Vec sigmoid_slope(Vec x) {
    const Vec e = vexp(kF32, hn::Neg(hn::Abs(x))), sum = hn::Add(constant(1), e);
    return hn::Div(e, hn::Mul(sum, sum));
}
HWY_INLINE Vec tanh_slope(Vec x) {
    return hn::Mul(constant(4), sigmoid_slope(hn::Add(x, x)));
}
HWY_INLINE Vec silu(Vec x) {
    return hn::Mul(x, sigmoid(x));
}
HWY_INLINE Vec silu_slope(Vec x) {
    return hn::MulAdd(x, sigmoid_slope(x), sigmoid(x));
}

/// exp(-x^2 / 2).
HWY_INLINE Vec bell(Vec x) {
    return vexp(kF32, hn::Mul(hn::Mul(x, x), constant(-0.5f)));
}
/// The share of the standard normal distribution below x, which left of 0 is erfc(z) / 2, z = |x| / sqrt(2), within
/// 4e-7 of itself even where it is small: erfc(z) = exp(-z^2) t p(t), t = 1 / (1 + z / 2), p of degree 9 through the
/// values of exp(z^2) erfc(z) / t at the zeros of Chebyshev's polynomial on [0, 1].
HWY_INLINE Vec normal_share(Vec x) {
    constexpr float kPolynomial[] = {0.03404347859f, 0.08598342568f, -0.25236354251f, 0.10984381066f, 0.04826817001f,
                                     0.18224343395f, 0.24634681373f, 0.28210987539f,  0.28209471601f};
    const Vec t = inverse(hn::MulAdd(hn::Abs(x), constant(0.35355339059f), constant(1)));  // 1 / sqrt(8)
    Vec p = constant(-0.01857025441f);
    for (const float c : kPolynomial) p = hn::MulAdd(p, t, constant(c));
    const Vec tail = hn::Mul(hn::Mul(constant(0.5f), bell(x)), hn::Mul(t, p));
    return hn::IfThenElse(hn::Lt(x, hn::Zero(kF32)), tail, hn::Sub(constant(1), tail));
}
HWY_INLINE Vec gelu_slope(Vec x) {
    const Vec density = hn::Mul(bell(x), constant(0.39894228040f));  // 1 / sqrt(2 pi)
    return hn::MulAdd(x, density, normal_share(x));
}

/// 2 sqrt(2 / pi) (x + 0.044715 x^3).
HWY_INLINE Vec gelu_tanh_argument(Vec x) {
    const Vec inner = hn::MulAdd(hn::Mul(x, x), constant(0.044715f), constant(1));
    return hn::Mul(hn::Mul(x, constant(1.5957691216f)), inner);
}
HWY_INLINE Vec gelu_tanh_slope(Vec x) {
    const Vec u = gelu_tanh_argument(x);
    const Vec du = hn::Mul(constant(1.5957691216f), hn::MulAdd(hn::Mul(x, x), constant(0.134145f), constant(1)));
    return hn::MulAdd(hn::Mul(x, sigmoid_slope(u)), du, sigmoid(u));
}

HWY_INLINE Vec relu(Vec x) {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(kF32)), x, hn::Zero(kF32));
}
HWY_INLINE Vec step(Vec x) {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(kF32)), constant(1), hn::Zero(kF32));
}
HWY_INLINE Vec softplus(Vec x) {
    return hn::Add(relu(x), hn::Log1p(kF32, vexp(kF32, hn::Neg(hn::Abs(x)))));
}

/// With what Highway's own logarithm leaves open: -inf for 0, NaN for a negative number, inf for inf.
HWY_INLINE Vec logarithm(Vec x) {
    const Vec zero = hn::Zero(kF32), infinite = constant(INFINITY);
    const Vec inside = hn::IfThenElse(hn::Eq(x, infinite), x, hn::Log(kF32, x));
    const Vec negative = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinite), constant(NAN));
    return hn::IfThenElse(hn::Gt(x, zero), inside, negative);
}
HWY_INLINE Vec rsqrt(Vec x) {
    return inverse(hn::Sqrt(x));
}
HWY_INLINE Vec rsqrt_slope(Vec x) {
    return hn::Div(constant(-0.5f), hn::Mul(x, hn::Sqrt(x)));
}
HWY_INLINE Vec reciprocal_slope(Vec x) {
    return hn::Div(constant(-1), hn::Mul(x, x));
}

HWY_INLINE Vec clamp(Vec x, float low, float high) {
    const Vec least = constant(low), most = constant(high);
    const Vec raised = hn::IfThenElse(hn::Lt(x, least), least, x);
    return hn::IfThenElse(hn::Gt(raised, most), most, raised);
}
HWY_INLINE Vec clamp_slope(Vec x, float low, float high) {
    const auto inside = hn::And(hn::Ge(x, constant(low)), hn::Le(x, constant(high)));
    return hn::IfThenElse(inside, constant(1), hn::Zero(kF32));
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
