// Split: none; a thread converts what it is given. Traffic: 6 bytes an element, which is the limit beyond the caches. Loops
// over half.hpp's conversions are not vectorised at -O2: f16 took 1.3 ns an element so, on any processor.
#include "ggml/dtypes/half_rows.hpp"

#include "ggml/dtypes/half.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ggml/dtypes/half_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ggml/dtypes/half.inl"

HWY_BEFORE_NAMESPACE();
namespace ql {
namespace HWY_NAMESPACE {
constexpr hn::ScalableTag<float> kF32;
constexpr hn::Rebind<uint16_t, decltype(kF32)> kU16;

/// The elements that fill whole vectors go through `vector`, which converts those from i on; the rest through `one`.
template <class Vector, class One>
HWY_INLINE void convert(int64_t n, Vector vector, One one) {
    constexpr auto lanes = static_cast<int64_t>(hn::MaxLanes(kF32));
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) vector(i);
    for (; i < n; ++i) one(i);
}

#if QL_CONVERTS_F16
constexpr hn::Rebind<hwy::float16_t, decltype(kF32)> kF16;

void from_f16(const uint16_t * src, int64_t n, float * dst) {
    convert(
        n,
        [=](int64_t i)
            HWY_ATTR { hn::StoreU(hn::PromoteTo(kF32, hn::BitCast(kF16, hn::LoadU(kU16, src + i))), kF32, dst + i); },
        [=](int64_t i) { dst[i] = f16_to_f32(src[i]); });
}
void to_f16(const float * src, int64_t n, uint16_t * dst) {
    convert(
        n,
        [=](int64_t i)
            HWY_ATTR { hn::StoreU(hn::BitCast(kU16, hn::DemoteTo(kF16, hn::LoadU(kF32, src + i))), kU16, dst + i); },
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
        n, [=](int64_t i) HWY_ATTR { hn::StoreU(widen_bf16(kF32, hn::LoadU(kU16, src + i)), kF32, dst + i); },
        [=](int64_t i) { dst[i] = bf16_to_f32(src[i]); });
}
void to_bf16(const float * src, int64_t n, uint16_t * dst) {
    convert(
        n, [=](int64_t i) HWY_ATTR { hn::StoreU(narrow_bf16(kF32, hn::LoadU(kF32, src + i)), kU16, dst + i); },
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
