// The vector vocabulary beyond Highway's own: vectors and their tags, loads and stores of a part of a vector, and sums
// in a fixed order. Compiled once for each instruction set; included like math.inl.
//
// A kernel thinks in vectors of f32, Vec, of kLanes numbers; kF32 is their tag. Integers of the same width are VecU32
// and kU32; 16-bit numbers of as many lanes have tags alone.
#if defined(QL_CPU_VEC_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_VEC_INL
#undef QL_CPU_VEC_INL
#else
#define QL_CPU_VEC_INL
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

#include "ggml/dtypes/half.hpp"
#include "ggml/dtypes/half.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using TagF32 = hn::ScalableTag<float>;
using TagU32 = hn::RebindToUnsigned<TagF32>;
using TagI32 = hn::RebindToSigned<TagF32>;
using TagU16 = hn::Rebind<uint16_t, TagF32>;
using TagF16 = hn::Rebind<hwy::float16_t, TagF32>;
using Vec = hn::Vec<TagF32>;
using VecU32 = hn::Vec<TagU32>;
constexpr TagF32 kF32;
constexpr TagU32 kU32;
constexpr TagI32 kI32;
constexpr TagU16 kU16;
constexpr TagF16 kF16;
constexpr int kLanes = hn::MaxLanes(kF32);
static_assert(kLanes <= 16, "buffers are padded for 16 lanes");

// Masked memory operations that never touch what lies past the end; other targets use a buffer instead.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr bool kSafeMasks = true;
#else
constexpr bool kSafeMasks = false;
#endif

/// The first n <= kLanes elements at p, zero behind them.
HWY_INLINE Vec load_part(const float * p, int64_t n) {
    if (n >= kLanes) return hn::LoadU(kF32, p);
    if constexpr (kSafeMasks) return hn::MaskedLoad(hn::FirstN(kF32, static_cast<size_t>(n)), kF32, p);
    alignas(64) float buffer[kLanes] = {};
    std::memcpy(buffer, p, static_cast<size_t>(n) * sizeof(float));
    return hn::Load(kF32, buffer);
}

/// The first n elements of v to p.
HWY_INLINE void store_part(Vec v, float * p, int64_t n) {
    if (n >= kLanes) return hn::StoreU(v, kF32, p);
    if constexpr (kSafeMasks) return hn::BlendedStore(v, hn::FirstN(kF32, static_cast<size_t>(n)), kF32, p);
    alignas(64) float buffer[kLanes];
    hn::Store(v, kF32, buffer);
    std::memcpy(p, buffer, static_cast<size_t>(n) * sizeof(float));
}

// The same of bf16.

HWY_INLINE Vec load_part(const uint16_t * p, int64_t n) {
    hn::Vec<TagU16> bits;
    if (kLanes == 1 || n >= kLanes) {
        bits = hn::LoadU(kU16, p);
    } else {
        alignas(64) uint16_t buffer[kLanes] = {};
        std::memcpy(buffer, p, static_cast<size_t>(n) * sizeof(uint16_t));
        bits = hn::Load(kU16, buffer);
    }
    return ql::HWY_NAMESPACE::widen_bf16(kF32, bits);
}

HWY_INLINE void store_part(Vec v, uint16_t * p, int64_t n) {
    const auto narrow = ql::HWY_NAMESPACE::narrow_bf16(kF32, v);
    if (kLanes == 1 || n >= kLanes) return hn::StoreU(narrow, kU16, p);
    alignas(64) uint16_t buffer[kLanes];
    hn::Store(narrow, kU16, buffer);
    std::memcpy(p, buffer, static_cast<size_t>(n) * sizeof(uint16_t));
}

// The same of f16, by instructions where there are some. Elsewhere the elements go through our own conversion.
#if QL_CONVERTS_F16
constexpr bool kConvertsF16 = true;
HWY_INLINE Vec load_part(const hwy::float16_t * p, int64_t n) {
    if (n >= kLanes) return hn::PromoteTo(kF32, hn::LoadU(kF16, p));
    alignas(64) hwy::float16_t buffer[kLanes] = {};
    std::memcpy(buffer, p, static_cast<size_t>(n) * sizeof(hwy::float16_t));
    return hn::PromoteTo(kF32, hn::Load(kF16, buffer));
}

HWY_INLINE void store_part(Vec v, hwy::float16_t * p, int64_t n) {
    const auto half = hn::DemoteTo(kF16, v);
    if (n >= kLanes) return hn::StoreU(half, kF16, p);
    alignas(64) hwy::float16_t buffer[kLanes];
    hn::Store(half, kF16, buffer);
    std::memcpy(p, buffer, static_cast<size_t>(n) * sizeof(hwy::float16_t));
}
#else
constexpr bool kConvertsF16 = false;
HWY_INLINE Vec load_part(const hwy::float16_t * p, int64_t n) {
    alignas(64) float wide[kLanes] = {};
    for (int64_t i = 0; i < HWY_MIN(n, kLanes); ++i) {
        uint16_t half;
        std::memcpy(&half, p + i, sizeof(half));
        wide[i] = f16_to_f32(half);
    }
    return hn::Load(kF32, wide);
}

HWY_INLINE void store_part(Vec v, hwy::float16_t * p, int64_t n) {
    alignas(64) float wide[kLanes];
    hn::Store(v, kF32, wide);
    for (int64_t i = 0; i < HWY_MIN(n, kLanes); ++i) {
        const uint16_t half = f32_to_f16(wide[i]);
        std::memcpy(p + i, &half, sizeof(half));
    }
}
#endif

HWY_INLINE float sum_of(Vec v) {
    return hn::GetLane(hn::SumOfLanes(kF32, v));
}

/// sum_i a[i] b[i]: four chains, added in a fixed order.
HWY_INLINE float dot(const float * a, const float * b, int64_t n) {
    Vec s0 = hn::Zero(kF32), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
        s0 = hn::MulAdd(hn::LoadU(kF32, a + i), hn::LoadU(kF32, b + i), s0);
        s1 = hn::MulAdd(hn::LoadU(kF32, a + i + kLanes), hn::LoadU(kF32, b + i + kLanes), s1);
        s2 = hn::MulAdd(hn::LoadU(kF32, a + i + 2 * kLanes), hn::LoadU(kF32, b + i + 2 * kLanes), s2);
        s3 = hn::MulAdd(hn::LoadU(kF32, a + i + 3 * kLanes), hn::LoadU(kF32, b + i + 3 * kLanes), s3);
    }
    for (; i < n; i += kLanes) s0 = hn::MulAdd(load_part(a + i, n - i), load_part(b + i, n - i), s0);
    return sum_of(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
