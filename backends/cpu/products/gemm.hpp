// The matrix product that everything here is made of, and how it is cut up.
//
//     C[t, j] = scale * sum_p A[t, p] B[p, j] (+ add[t, j]),      rows t: tokens, as they lie in memory
//
// B is a weight, decoded a panel at a time: 64 columns (a group) by at most `depth block` steps of p, small enough for
// the L2 cache, and used for all rows at once. Forward (y = W x) the columns are W's rows, backward (z = W^T y) its
// columns: the same packed bytes serve both.
//
// Work is cut into units: a group times a tile of six rows. A thread gets a contiguous range of units and decodes the
// groups in it, so that at most one group for each thread more than needed is decoded, and threads are level to a unit.
//
// The sum over p is in order within a depth block, from zero; the blocks' sums are added in order. That depends on the
// shapes of B alone: not on the number of rows, nor on which thread has which units.
#pragma once
#include <cstddef>

#include "backends/cpu/pool.hpp"
#include "backends/cpu/products/weight.hpp"

namespace ql::cpu {

inline constexpr int64_t kGroup = 64;  // columns
inline constexpr int64_t kTile = 6;    // rows
inline constexpr size_t kPanelBytes = 256 * 1024;
inline constexpr int64_t kDepthF32 = kPanelBytes / (kGroup * sizeof(float));
inline constexpr int64_t kDepthBf16 = kPanelBytes / (kGroup * sizeof(uint16_t));

enum class Side { forward, backward };

/// What f32 and bf16 products have in common.
struct GemmShape {
    Weight w;
    Side side = Side::forward;
    int64_t rows = 0;  // of A and C
    float * c = nullptr;
    int64_t ldc = 0;              // elements from a row of C to the next
    const float * add = nullptr;  // rows as C's, may be C itself; null: nothing is added
    float scale = 1;

    int64_t columns() const { return side == Side::forward ? w.m : w.k; }
    int64_t depth() const { return side == Side::forward ? w.k : w.m; }
    int64_t tiles() const { return (rows + kTile - 1) / kTile; }
    int64_t units() const { return (columns() + kGroup - 1) / kGroup * tiles(); }
};

struct GemmF32 : GemmShape {
    const float * a = nullptr;  // A[t, p] = a[t * a_row + p * a_step]
    int64_t a_row = 0, a_step = 1;
};

struct GemmBf16 : GemmShape {
    const uint16_t * a = nullptr;  // rows of bf16, padded with zeros to an even number
    int64_t a_row = 0;
};

/// Bytes of scratch that a product needs.
inline size_t gemm_scratch(const Pool & pool) {
    return static_cast<size_t>(pool.threads()) * kPanelBytes;
}

void gemm(Pool & pool, const GemmF32 & g, std::byte * scratch);

/// Only where the processor has AVX-512 BF16.
void gemm(Pool & pool, const GemmBf16 & g, std::byte * scratch);
/// Elements from a row of bf16 to the next: padded, and not a multiple of a page, so that rows do not share cache sets.
constexpr int64_t bf16_stride(int64_t n) {
    return (n + 31) / 32 * 32 + 32;
}
/// Rows of f32 [n, rows] to bf16 rows of stride bf16_stride(n), rounded to nearest, ties to even.
void round_rows(Pool & pool, const float * x, int64_t n, int64_t rows, uint16_t * dst);

}  // namespace ql::cpu
