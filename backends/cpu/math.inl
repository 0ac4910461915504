// The exponentials, compiled once for each instruction set. A kernel takes the cheapest that is exact enough for what
// becomes of the result:
//     vexp           any x       2 units in the last place   probabilities and losses in f32
//     vexp_bounded   |x| <= 87   3 units in the last place   gates of SwiGLU
//     vexp_negative  x <= 0      7e-6 of it                  probabilities that are rounded to bf16
// and in AVX-512 alone, avx512.inl:
//     vexp2          any x       3e-6 of it                  scores of attention whose products are of bf16
//
// Included by Highway kernel files after <hwy/highway.h> and before HWY_BEFORE_NAMESPACE(); it opens the namespaces
// itself.
#if defined(QL_CPU_MATH_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_MATH_INL
#undef QL_CPU_MATH_INL
#else
#define QL_CPU_MATH_INL
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// e^x within 2 units in the last place; 0 below -104, Inf above 88.73, NaN for NaN. Subnormal results are kept.
///
/// x = n ln 2 + r with |r| <= 0.3466: e^r by its Taylor polynomial of degree 7 (cut off at 5e-9), then times 2^n in two
/// steps, so that both ends of the exponent range come out right. ln 2 is split in two, the first part short enough for
/// n times it to be exact without fused multiply-add.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vexp(D d, V x) {
    const hn::RebindToSigned<D> di;
    const V clamped = hn::Max(hn::Min(x, hn::Set(d, 89.0f)), hn::Set(d, -105.0f));
    const auto n = hn::NearestInt(hn::Mul(clamped, hn::Set(d, 1.44269504f)));
    const V nf = hn::ConvertTo(d, n);
    V r = hn::NegMulAdd(nf, hn::Set(d, 0.693359375f), clamped);  // 355 / 512
    r = hn::NegMulAdd(nf, hn::Set(d, -2.12194440e-4f), r);

    V p = hn::Set(d, 1.0f / 5040);
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 720));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
    p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
    p = hn::MulAdd(hn::Mul(p, r), r, r);
    p = hn::Add(p, hn::Set(d, 1.0f));

    const auto half = hn::ShiftRight<1>(n);
    const auto bias = hn::Set(di, 127);
    const V first = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
    const V second = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(n, half), bias)));
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Mul(hn::Mul(p, first), second));
}

/// e^x for numbers from -87 to 87 within 3 units in the last place, with half the instructions: a number beyond counts
/// as the end of that range, and NaN gives some number.
///
/// Like vexp, with a polynomial of degree 6 (cut off at 1.2e-7). Adding 1.5 2^23 rounds to an integer n and leaves it
/// in the lowest bits, from where it is added to the exponent.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vexp_bounded(D d, V x) {
    const hn::RebindToSigned<D> di;
    const V rounder = hn::Set(d, 12582912.0f);
    const V clamped = hn::Max(hn::Min(x, hn::Set(d, 87.0f)), hn::Set(d, -87.0f));
    const V shifted = hn::MulAdd(clamped, hn::Set(d, 1.44269504f), rounder);
    const V n = hn::Sub(shifted, rounder);
    V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), clamped);
    r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);

    V p = hn::Set(d, 1.0f / 720);
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
    p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
    return hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}

/// e^x for x <= 0 within 3e-6 of it, 7e-6 without fused multiply-add; e^-87 below -87, some number for NaN: what is
/// rounded to bf16 or summed up in thousands needs no more. Like vexp_bounded, by a polynomial of degree 5.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vexp_negative(D d, V x) {
    const hn::RebindToSigned<D> di;
    const V rounder = hn::Set(d, 12582912.0f), bounded = hn::Max(x, hn::Set(d, -87.0f));
    const V shifted = hn::MulAdd(bounded, hn::Set(d, 1.44269504f), rounder);
    const V r = hn::NegMulAdd(hn::Sub(shifted, rounder), hn::Set(d, 0.693147181f), bounded);
    V p = hn::Set(d, 1.0f / 120);
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
    p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
    return hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
