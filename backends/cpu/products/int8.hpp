// Products in int8: what is multiplied, and how it is rounded. All instruction sets give the same bits.
//
// Along the sum, both operands are cut into blocks of 64 steps. A block of a token, or of a column of B, has a scale,
// its largest magnitude / 127, and codes, round(x * (127 / largest magnitude)): whole numbers in [-127, 127], rounded to
// nearest, ties to even. A weight of any format is decoded to f32 first, so that both directions of a product, and all
// formats, are one arithmetic; a block of nf4 that has a code of its largest magnitude gets round(127 codebook).
//
//     C[t, j] = sum over blocks, in order, of  (sum of codes_t codes_j) * scale_j * scale_t
//
// The inner sum is in int32 and exact: at most 64 * 127 * 127 < 2^24, so it is an f32 too. What follows is rounded step
// by step, without fused multiply-add, from left to right; gemm.hpp says in which order the sums of blocks are added.
//
// A block with a NaN or an infinity has the scale NaN, and so has all of its token or its column. A block whose largest
// magnitude is below 2^-100 is zero.
#pragma once
#include "backends/cpu/products/gemm.hpp"

namespace ql::cpu {

inline constexpr int64_t kInt8Block = 64;  // steps of the sum with a scale in common
inline constexpr float kInt8Largest = 127, kInt8Smallest = 0x1p-100f;

/// Steps that a sum of n takes: whole blocks, codes past the end are zero.
constexpr int64_t int8_steps(int64_t n) {
    return (n + kInt8Block - 1) / kInt8Block * kInt8Block;
}
/// Elements of 16 bits from a row of codes to the next: the codes, which vectors multiply in 16 bits, then the scales in
/// f32. Whole cache lines, and not a multiple of a page, so that rows do not share cache sets.
constexpr int64_t int8_stride(int64_t n) {
    const int64_t row = int8_steps(n) + int8_steps(n) / kInt8Block * 2, lines = (row + 31) / 32 * 32;
    return lines % 2048 == 0 ? lines + 32 : lines;
}
inline const float * int8_scales(const int16_t * row, int64_t n) {
    return reinterpret_cast<const float *>(row + int8_steps(n));
}

/// Terms' a: rows of codes, of stride int8_stride(depth).
using GemmInt8 = Gemm<int16_t>;
inline constexpr int64_t kPanelDepthInt8 = kPanelBytes / (kGroup * sizeof(int16_t));
/// Bytes of a panel: codes in pairs of steps, then scales [block][column].
inline constexpr size_t kInt8PanelBytes = kPanelBytes + kPanelDepthInt8 / kInt8Block * kGroup * sizeof(float);
inline size_t gemm_int8_scratch(const Pool & pool) {
    return static_cast<size_t>(pool.threads()) * (sizeof(PanelHead) + kInt8PanelBytes);
}

/// Whether a weight's products may be in int8: f32 weights, such as LoRA's matrices, stay what they are.
constexpr bool has_int8_product(ql_dtype dtype) {
    return dtype != QL_F32;
}

/// Rows of f32 [n, rows] to rows of codes and scales.
void quantize_rows(Pool & pool, const float * x, int64_t n, int64_t rows, int16_t * dst);
void gemm_int8(Pool & pool, const GemmInt8 & g, std::byte * scratch);

}  // namespace ql::cpu
