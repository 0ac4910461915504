// A square of 32-bit elements turned over in registers, on its way into a panel. Compiled once for each instruction set;
// included like vec.inl.
#if defined(QL_CPU_TRANSPOSE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_TRANSPOSE_INL
#undef QL_CPU_TRANSPOSE_INL
#else
#define QL_CPU_TRANSPOSE_INL
#endif

#include "backends/cpu/products/gemm.hpp"
#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// src: kLanes rows of stride ld; dst: its transpose, rows of kStride.
template <int64_t kStride = kGroup>
HWY_INLINE void transpose(const float * src, [[maybe_unused]] int64_t ld, float * dst) {
#if HWY_TARGET == HWY_SCALAR
    hn::StoreU(hn::LoadU(kF32, src), kF32, dst);
#else
    const hn::RepartitionToWide<TagU32> wide;
    Vec q[kLanes / 4][4];  // q[g][i]: its block b is column 4 b + i of rows 4 g to 4 g + 3
    for (int g = 0; g < kLanes / 4; ++g) {
        const Vec r0 = hn::LoadU(kF32, src + (4 * g) * ld), r1 = hn::LoadU(kF32, src + (4 * g + 1) * ld);
        const Vec r2 = hn::LoadU(kF32, src + (4 * g + 2) * ld), r3 = hn::LoadU(kF32, src + (4 * g + 3) * ld);
        const auto low01 = hn::BitCast(wide, hn::InterleaveLower(kF32, r0, r1));
        const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(kF32, r0, r1));
        const auto low23 = hn::BitCast(wide, hn::InterleaveLower(kF32, r2, r3));
        const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(kF32, r2, r3));
        q[g][0] = hn::BitCast(kF32, hn::InterleaveLower(wide, low01, low23));
        q[g][1] = hn::BitCast(kF32, hn::InterleaveUpper(wide, low01, low23));
        q[g][2] = hn::BitCast(kF32, hn::InterleaveLower(wide, high01, high23));
        q[g][3] = hn::BitCast(kF32, hn::InterleaveUpper(wide, high01, high23));
    }
    for (int i = 0; i < 4; ++i) {
        const auto store = [&](int b, Vec v) HWY_ATTR { hn::StoreU(v, kF32, dst + (4 * b + i) * kStride); };
#if HWY_MAX_BYTES == 64
        const Vec even_low = hn::ConcatLowerLower(kF32, q[2][i], q[0][i]),
                  odd_low = hn::ConcatLowerLower(kF32, q[3][i], q[1][i]);
        const Vec even_high = hn::ConcatUpperUpper(kF32, q[2][i], q[0][i]),
                  odd_high = hn::ConcatUpperUpper(kF32, q[3][i], q[1][i]);
        store(0, hn::OddEvenBlocks(hn::SwapAdjacentBlocks(odd_low), even_low));
        store(1, hn::OddEvenBlocks(odd_low, hn::SwapAdjacentBlocks(even_low)));
        store(2, hn::OddEvenBlocks(hn::SwapAdjacentBlocks(odd_high), even_high));
        store(3, hn::OddEvenBlocks(odd_high, hn::SwapAdjacentBlocks(even_high)));
#elif HWY_MAX_BYTES == 32
        store(0, hn::ConcatLowerLower(kF32, q[1][i], q[0][i]));
        store(1, hn::ConcatUpperUpper(kF32, q[1][i], q[0][i]));
#else
        store(0, q[0][i]);
#endif
    }
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
