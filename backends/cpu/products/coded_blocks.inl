// Blocks of coded.hpp in vectors. Compiled once for each instruction set; included like vec.inl.
#if defined(QL_CPU_CODED_BLOCKS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_CODED_BLOCKS_INL
#undef QL_CPU_CODED_BLOCKS_INL
#else
#define QL_CPU_CODED_BLOCKS_INL
#endif

#include <limits>
#include <type_traits>

#include "backends/cpu/products/coded.hpp"
#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

using VecI32 = hn::Vec<TagI32>;

struct BlockScales {
    Vec scale, inverse;
};

/// The magnitudes of finite numbers, infinities and NaN in the order of the integers that their bits are.
HWY_INLINE VecI32 magnitude_bits(Vec x) {
    return hn::And(hn::BitCast(kI32, x), hn::Set(kI32, 0x7fffffff));
}

/// Of blocks with these largest magnitudes.
HWY_INLINE BlockScales block_scales(const Coding & of, VecI32 largest_bits) {
    const Vec largest = hn::BitCast(kF32, largest_bits), most = hn::Set(kF32, static_cast<float>(of.largest));
    const auto finite = hn::RebindMask(kF32, hn::Lt(largest_bits, hn::Set(kI32, 0x7f800000)));
    const auto normal = hn::And(finite, hn::Ge(largest, hn::Set(kF32, kCodedSmallest)));
    const Vec scale = hn::IfThenElseZero(normal, hn::Div(largest, most));
    return {hn::IfThenElse(finite, scale, hn::Set(kF32, std::numeric_limits<float>::quiet_NaN())),
            hn::IfThenElseZero(normal, hn::Div(most, largest))};
}

inline constexpr int64_t kRotated = 64;
static_assert(kRotated == kCodedSteps && kInt8.rotates && kInt8.block == kRotated && !kInt16.rotates);
inline constexpr float kRotatedScale = 1.0f / kRotated;

#if HWY_TARGET != HWY_SCALAR
/// Sums and differences of v's lanes that are kDistance apart; swapped: v with those exchanged.
template <int kDistance>
HWY_INLINE Vec lane_sums(Vec v, Vec swapped) {
    constexpr int to_sign = 31 - hwy::FloorLog2(uint32_t{kDistance});
    const auto lane = hn::ShiftLeft<to_sign>(hn::Iota(kU32, 0));
    const Vec sign = hn::BitCast(kF32, hn::And(lane, hn::Set(kU32, 0x80000000)));
    return hn::Add(swapped, hn::Xor(v, sign));
}
#endif

/// 64 numbers times H. dst: aligned.
HWY_INLINE void rotate_row(const float * x, float * dst) {
    constexpr int kVectors = kRotated / kLanes;
    Vec v[kVectors];
    for (int i = 0; i < kVectors; ++i) v[i] = hn::LoadU(kF32, x + i * kLanes);
    for (int h = kVectors / 2; h > 0; h /= 2)
        for (int i = 0; i < kVectors; ++i) {
            if (i & h) continue;
            const Vec a = v[i], b = v[i + h];
            v[i] = hn::Add(a, b), v[i + h] = hn::Sub(a, b);
        }
    for (int i = 0; i < kVectors; ++i) {
#if HWY_TARGET != HWY_SCALAR
#if HWY_MAX_BYTES == 64
        v[i] = lane_sums<8>(v[i], hn::ConcatLowerUpper(kF32, v[i], v[i]));
#endif
#if HWY_MAX_BYTES >= 32
        v[i] = lane_sums<4>(v[i], hn::SwapAdjacentBlocks(v[i]));
#endif
        v[i] = lane_sums<2>(v[i], hn::Shuffle1032(v[i]));
        v[i] = lane_sums<1>(v[i], hn::Shuffle2301(v[i]));
#endif
        hn::Store(v[i], kF32, dst + i * kLanes);
    }
}

/// Eight vectors, `stride` apart: sums and differences at distances of 4, 2 and 1 of them.
HWY_INLINE void rotate_eight(float * x, int64_t stride) {
    Vec v[8];
    HWY_UNROLL(8)
    for (int i = 0; i < 8; ++i) v[i] = hn::Load(kF32, x + i * stride);
    HWY_UNROLL(3)
    for (int h = 4; h > 0; h /= 2) {
        HWY_UNROLL(8)
        for (int i = 0; i < 8; ++i) {
            if (i & h) continue;
            const Vec a = v[i], b = v[i + h];
            v[i] = hn::Add(a, b), v[i + h] = hn::Sub(a, b);
        }
    }
    HWY_UNROLL(8)
    for (int i = 0; i < 8; ++i) hn::Store(v[i], kF32, x + i * stride);
}

/// H times kLanes columns, where they are. x [64][kStride].
template <int64_t kStride>
HWY_INLINE void rotate_columns(float * x) {
    for (int64_t p = 0; p < 8; ++p) rotate_eight(x + p * kStride, 8 * kStride);
    for (int64_t p = 0; p < kRotated; p += 8) rotate_eight(x + p * kStride, kStride);
}

/// n numbers, a multiple of kCodedSteps: their codes go to dst. Returns their scale. Bytes get A's bias.
template <class Code>
HWY_INLINE float code_block(const Coding & of, const float * x, int64_t n, Code * dst) {
    constexpr int32_t bias = sizeof(Code) == 1 ? kByteBias : 0;
    const hn::Rebind<Code, TagI32> codes;
    HWY_ALIGN float rotated[kRotated];
    if (of.rotates) rotate_row(x, rotated), x = rotated;
    VecI32 largest = hn::Zero(kI32);
    for (int64_t i = 0; i < n; i += kLanes) largest = hn::Max(largest, magnitude_bits(hn::LoadU(kF32, x + i)));
    const BlockScales s = block_scales(of, hn::MaxOfLanes(kI32, largest));
    const auto counts = hn::Gt(s.inverse, hn::Zero(kF32));  // else codes are 0, also those of what is not finite
    for (int64_t i = 0; i < n; i += kLanes) {
        const VecI32 code = hn::NearestInt(hn::IfThenElseZero(counts, hn::Mul(hn::LoadU(kF32, x + i), s.inverse)));
        hn::StoreU(hn::DemoteTo(codes, hn::Add(code, hn::Set(kI32, bias))), codes, dst + i);
    }
    return hn::GetLane(s.scale);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
