// Small matrix products in f32 whose results stay in registers: C (+)= A B for a few rows of C at a time.
//
// B and C are rows of whole vectors (buffers padded to kPad); A is read one number at a time by broadcasts, so it may
// be transposed at no cost. Each number of C is one chain of fused multiply-adds in the order of the depth: the result
// does not depend on how rows and columns are cut into tiles, nor on zeros that a wider range of the depth adds.
#if defined(QL_CPU_TILE_PRODUCT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_TILE_PRODUCT_INL
#undef QL_CPU_TILE_PRODUCT_INL
#else
#define QL_CPU_TILE_PRODUCT_INL
#endif

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// Element (r, k) at p[r * row + k * depth].
struct LeftF32 {
    const float * p;
    int64_t row, depth;
};

// A tile holds kTileRows x kTileVectors sums. 24 of 32 registers (AVX-512, NEON) or 12 of 16.
constexpr int kTileRows = 6;
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON
constexpr int kTileVectors = 4;
#else
constexpr int kTileVectors = 2;
#endif

template <int kRows, int kVectors>
void tile(LeftF32 a, const float * HWY_RESTRICT b, int64_t ldb, int64_t depth, float * HWY_RESTRICT c, int64_t ldc,
          bool add) {
    Vec sum[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int n = 0; n < kVectors; ++n) sum[r][n] = add ? hn::LoadU(kF32, c + r * ldc + n * kLanes) : hn::Zero(kF32);
    for (int64_t k = 0; k < depth; ++k) {
        Vec right[kVectors];
#pragma GCC unroll 8
        for (int n = 0; n < kVectors; ++n) right[n] = hn::LoadU(kF32, b + k * ldb + n * kLanes);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
            const Vec left = hn::Set(kF32, a.p[r * a.row + k * a.depth]);
#pragma GCC unroll 8
            for (int n = 0; n < kVectors; ++n) sum[r][n] = hn::MulAdd(left, right[n], sum[r][n]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int n = 0; n < kVectors; ++n) hn::StoreU(sum[r][n], kF32, c + r * ldc + n * kLanes);
}

using TileKernelF32 = decltype(&tile<1, 1>);
template <int kVectors>
constexpr TileKernelF32 kTileOfRows[kTileRows] = {tile<1, kVectors>, tile<2, kVectors>, tile<3, kVectors>,
                                                  tile<4, kVectors>, tile<5, kVectors>, tile<6, kVectors>};

template <int kVectors>
HWY_INLINE void columns(LeftF32 a, const float * b, int64_t ldb, int64_t depth, float * c, int64_t ldc, int64_t rows,
                        bool add) {
    for (int64_t r = 0; r < rows; r += kTileRows) {
        const LeftF32 part{a.p + r * a.row, a.row, a.depth};
        const int64_t n = HWY_MIN(rows - r, int64_t{kTileRows});
        kTileOfRows<kVectors>[n - 1](part, b, ldb, depth, c + r * ldc, ldc, add);
    }
}

/// C = A B, or C += A B: rows x vectors whole vectors.
inline void product(LeftF32 a, const float * b, int64_t ldb, int64_t depth, float * c, int64_t ldc, int64_t rows,
                    int64_t vectors, bool add) {
    int64_t n = 0;
    for (; n + kTileVectors <= vectors; n += kTileVectors)
        columns<kTileVectors>(a, b + n * kLanes, ldb, depth, c + n * kLanes, ldc, rows, add);
    if constexpr (kTileVectors == 4)
        for (; n + 2 <= vectors; n += 2) columns<2>(a, b + n * kLanes, ldb, depth, c + n * kLanes, ldc, rows, add);
    for (; n < vectors; ++n) columns<1>(a, b + n * kLanes, ldb, depth, c + n * kLanes, ldc, rows, add);
}

/// Copies `rows` rows of n floats to rows of `width` floats, zero behind n. False if one is NaN or Inf.
inline bool pack_rows(const float * from, int64_t stride, int64_t rows, int64_t n, float * to, int64_t width) {
    Vec bad = hn::Zero(kF32);
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < width; i += kLanes) {
            const Vec x = i < n ? load_part(from + r * stride + i, n - i) : hn::Zero(kF32);
            bad = hn::MulAdd(x, hn::Zero(kF32), bad);  // 0 x is NaN where x is not finite
            hn::StoreU(x, kF32, to + r * width + i);
        }
    return sum_of(bad) == 0;
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
