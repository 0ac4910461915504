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

/// Added to a number below 2^22, it rounds it to a whole one, to nearest, ties to even, and leaves that in the low bits.
inline constexpr float kRounder = 0x1.8p23f;

// Multiplication by Hadamard's matrix: sums and differences of vectors, then of lanes.

inline constexpr int64_t kRotated = 64;
static_assert(kRotated == kCodedSteps && kInt8.rotates && kInt8.block == kRotated && !kInt16.rotates);
inline constexpr float kRotatedScale = 1.0f / kRotated;

/// At distances of R / 2, ..., 2, 1 vectors.
template <int R>
HWY_INLINE void rotate_few(Vec (&v)[R]) {
    HWY_UNROLL(5)
    for (int h = R / 2; h > 0; h /= 2) {
        HWY_UNROLL(16)
        for (int i = 0; i < R; ++i) {
            if (i & h) continue;
            const Vec a = v[i], b = v[i + h];
            v[i] = hn::Add(a, b), v[i + h] = hn::Sub(a, b);
        }
    }
}

/// n vectors, `stride` apart, where they are.
template <int64_t n>
HWY_INLINE void rotate_vectors(float * x, int64_t stride) {
    constexpr int64_t most = HWY_MAX_BYTES == 64 ? 16 : 8, rest = n / HWY_MIN(n, most);
    constexpr int r = static_cast<int>(n / rest);
    for (int64_t i = 0; i < rest; ++i) {
        float * at = x + i * stride;
        Vec v[r];
        HWY_UNROLL(16)
        for (int j = 0; j < r; ++j) v[j] = hn::Load(kF32, at + j * rest * stride);
        rotate_few(v);
        HWY_UNROLL(16)
        for (int j = 0; j < r; ++j) hn::Store(v[j], kF32, at + j * rest * stride);
    }
    if constexpr (rest > 1)
        for (int64_t i = 0; i < r; ++i) rotate_vectors<rest>(x + i * rest * stride, stride);
}

/// H times kLanes columns of a block, where they are. x [64][kStride].
template <int64_t kStride>
HWY_INLINE void rotate_columns(float * x) {
    rotate_vectors<kRotated>(x, kStride);
}

#if HWY_TARGET != HWY_SCALAR
/// Sums and differences of v's lanes that are kDistance apart; swapped: v with those exchanged. The factor is 1 or -1,
/// so nothing is rounded but the sum.
template <int kDistance>
HWY_INLINE Vec lane_sums(Vec v, Vec swapped) {
    constexpr int to_sign = 31 - hwy::FloorLog2(uint32_t{kDistance});
    const auto lane = hn::ShiftLeft<to_sign>(hn::Iota(kU32, 0));
    const auto sign = hn::And(lane, hn::Set(kU32, 0x80000000));
    return hn::MulAdd(v, hn::Or(hn::BitCast(kF32, sign), hn::Set(kF32, 1)), swapped);
}
#endif

/// At distances below a vector's length.
HWY_INLINE Vec rotate_lanes(Vec v) {
#if HWY_TARGET != HWY_SCALAR
#if HWY_MAX_BYTES == 64
    v = lane_sums<8>(v, hn::ConcatLowerUpper(kF32, v, v));
#endif
#if HWY_MAX_BYTES >= 32
    v = lane_sums<4>(v, hn::SwapAdjacentBlocks(v));
#endif
    v = lane_sums<2>(v, hn::Shuffle1032(v));
    v = lane_sums<1>(v, hn::Shuffle2301(v));
#endif
    return v;
}

/// kLanes numbers to codes of a block; what its scale does not count is zero. Bytes get A's bias.
template <class Code>
HWY_INLINE void store_codes(Vec x, Vec inverse, Code * dst) {
    const hn::Rebind<std::make_unsigned_t<Code>, TagU32> codes;
    const auto counts = hn::Gt(inverse, hn::Zero(kF32));  // else codes are 0, also those of what is not finite
    const float zero = sizeof(Code) == 1 ? kRounder + kByteBias : kRounder;
    const Vec code = hn::Add(hn::IfThenElseZero(counts, hn::Mul(x, inverse)), hn::Set(kF32, zero));
    hn::StoreU(hn::TruncateTo(codes, hn::BitCast(kU32, code)), codes,
               reinterpret_cast<std::make_unsigned_t<Code> *>(dst));
}

/// A block, rotated: its codes go to dst. Returns its scale.
template <class T, class Code>
HWY_INLINE float code_rotated(const Coding & of, const T * x, Code * dst) {
    constexpr int kVectors = kRotated / kLanes;
    Vec v[kVectors];
    HWY_UNROLL(16)
    for (int i = 0; i < kVectors; ++i) v[i] = load_part(x + i * kLanes, kLanes);
    rotate_few(v);
    VecI32 largest = hn::Zero(kI32);
    HWY_UNROLL(16)
    for (int i = 0; i < kVectors; ++i) {
        v[i] = rotate_lanes(v[i]);
        largest = hn::Max(largest, magnitude_bits(v[i]));
    }
    const BlockScales s = block_scales(of, hn::MaxOfLanes(kI32, largest));
    HWY_UNROLL(16)
    for (int i = 0; i < kVectors; ++i) store_codes(v[i], s.inverse, dst + i * kLanes);
    return hn::GetLane(s.scale);
}

/// A block of n numbers, a multiple of kCodedSteps: its codes go to dst. Returns its scale.
template <class T, class Code>
HWY_INLINE float code_block(const Coding & of, const T * x, int64_t n, Code * dst) {
    if (of.rotates) return code_rotated(of, x, dst);
    VecI32 largest = hn::Zero(kI32);
    for (int64_t i = 0; i < n; i += kLanes) largest = hn::Max(largest, magnitude_bits(load_part(x + i, kLanes)));
    const BlockScales s = block_scales(of, hn::MaxOfLanes(kI32, largest));
    for (int64_t i = 0; i < n; i += kLanes) store_codes(load_part(x + i, kLanes), s.inverse, dst + i);
    return hn::GetLane(s.scale);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
