// bf16 of whole vectors, with the bits of half.hpp, and which targets convert f16 so. Compiled once for each instruction set:
// included by Highway kernel files before HWY_BEFORE_NAMESPACE(); it opens the namespaces itself.
#if defined(QL_HALF_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_HALF_INL
#undef QL_HALF_INL
#else
#define QL_HALF_INL
#endif

#include <hwy/highway.h>

#include <cstdint>

// Targets that have instructions for f16, which give half.hpp's bits. Elsewhere Highway 1.0.3 makes numbers of infinities and
// NaN (65536 and more).
#undef QL_CONVERTS_F16
#define QL_CONVERTS_F16 \
    (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON)

HWY_BEFORE_NAMESPACE();
namespace ql {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// A bf16 is the upper half of an f32.
template <class F32>
HWY_INLINE hn::Vec<F32> widen_bf16(F32 f32, hn::Vec<hn::Rebind<uint16_t, F32>> halves) {
    const hn::RebindToUnsigned<F32> u32;
    return hn::BitCast(f32, hn::ShiftLeft<16>(hn::PromoteTo(u32, halves)));
}

/// Rounds to nearest, ties to even; NaN stays NaN.
template <class F32>
HWY_INLINE hn::Vec<hn::Rebind<uint16_t, F32>> narrow_bf16(F32, hn::Vec<F32> v) {
    const hn::RebindToUnsigned<F32> u32;
    const hn::RebindToSigned<F32> i32;
    const hn::Rebind<uint16_t, F32> u16;
    const auto bits = hn::BitCast(u32, v), high = hn::ShiftRight<16>(bits);
    const auto odd = hn::And(high, hn::Set(u32, 1));
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(u32, 0x7fff))));
    const auto nan = hn::Or(high, hn::Set(u32, 0x40));
    const auto half = hn::IfThenElse(hn::RebindMask(u32, hn::IsNaN(v)), nan, rounded);
    return hn::DemoteTo(u16, hn::BitCast(i32, half));
}

}  // namespace HWY_NAMESPACE
}  // namespace ql
HWY_AFTER_NAMESPACE();
#endif
