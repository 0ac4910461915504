// Split: none; a thread converts what it is given. Traffic: 6 bytes an element, which is the limit beyond the caches. Loops
// over half.hpp's conversions are not vectorised at -O2: f16 took 1.3 ns an element so, on any processor.
#include "ggml/dtypes/half_rows.hpp"

#include "ggml/dtypes/half.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ggml/dtypes/half_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ql {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr hn::ScalableTag<float> kF32;
constexpr hn::RebindToUnsigned<decltype(kF32)> kU32;
constexpr hn::RebindToSigned<decltype(kF32)> kI32;
constexpr hn::Rebind<uint16_t, decltype(kF32)> kU16;

/// The elements that fill whole vectors go through `vector`, which converts those from i on; the rest through `one`.
template <class Vector, class One>
HWY_INLINE void convert(int64_t n, Vector vector, One one) {
    constexpr auto lanes = static_cast<int64_t>(hn::MaxLanes(kF32));
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) vector(i);
    for (; i < n; ++i) one(i);
}

// Targets that have instructions for f16. Elsewhere Highway 1.0.3 makes numbers of infinities and NaN.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON
constexpr hn::Rebind<hwy::float16_t, decltype(kF32)> kF16;

void from_f16(const uint16_t * src, int64_t n, float * dst) {
    convert(
        n,
        [=](int64_t i) HWY_ATTR {
            hn::StoreU(hn::PromoteTo(kF32, hn::BitCast(kF16, hn::LoadU(kU16, src + i))), kF32, dst + i);
        },
        [=](int64_t i) { dst[i] = f16_to_f32(src[i]); });
}
void to_f16(const float * src, int64_t n, uint16_t * dst) {
    convert(
        n,
        [=](int64_t i) HWY_ATTR {
            hn::StoreU(hn::BitCast(kU16, hn::DemoteTo(kF16, hn::LoadU(kF32, src + i))), kU16, dst + i);
        },
        [=](int64_t i) { dst[i] = f32_to_f16(src[i]); });
}
#else
void from_f16(const uint16_t * src, int64_t n, float * dst) {
    for (int64_t i = 0; i < n; ++i) dst[i] = f16_to_f32(src[i]);
}
void to_f16(const float * src, int64_t n, uint16_t * dst) {
    for (int64_t i = 0; i < n; ++i) dst[i] = f32_to_f16(src[i]);
}
#endif

void from_bf16(const uint16_t * src, int64_t n, float * dst) {
    convert(
        n,
        [=](int64_t i) HWY_ATTR {
            const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(kU32, hn::LoadU(kU16, src + i)));
            hn::StoreU(hn::BitCast(kF32, bits), kF32, dst + i);
        },
        [=](int64_t i) { dst[i] = bf16_to_f32(src[i]); });
}
void to_bf16(const float * src, int64_t n, uint16_t * dst) {
    convert(
        n,
        [=](int64_t i) HWY_ATTR {
            const auto x = hn::LoadU(kF32, src + i);
            const auto bits = hn::BitCast(kU32, x), high = hn::ShiftRight<16>(bits);
            const auto up = hn::Add(hn::And(high, hn::Set(kU32, 1)), hn::Set(kU32, 0x7fff));
            const auto rounded = hn::ShiftRight<16>(hn::Add(bits, up));
            const auto half =
                hn::IfThenElse(hn::RebindMask(kU32, hn::IsNaN(x)), hn::Or(high, hn::Set(kU32, 0x40)), rounded);
            hn::StoreU(hn::DemoteTo(kU16, hn::BitCast(kI32, half)), kU16, dst + i);
        },
        [=](int64_t i) { dst[i] = f32_to_bf16(src[i]); });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql {
HWY_EXPORT(from_f16);
HWY_EXPORT(to_f16);
HWY_EXPORT(from_bf16);
HWY_EXPORT(to_bf16);

void f16_to_f32(const uint16_t * src, int64_t n, float * dst) {
    HWY_DYNAMIC_DISPATCH(from_f16)(src, n, dst);
}
void f32_to_f16(const float * src, int64_t n, uint16_t * dst) {
    HWY_DYNAMIC_DISPATCH(to_f16)(src, n, dst);
}
void bf16_to_f32(const uint16_t * src, int64_t n, float * dst) {
    HWY_DYNAMIC_DISPATCH(from_bf16)(src, n, dst);
}
void f32_to_bf16(const float * src, int64_t n, uint16_t * dst) {
    HWY_DYNAMIC_DISPATCH(to_bf16)(src, n, dst);
}

}  // namespace ql
#endif
