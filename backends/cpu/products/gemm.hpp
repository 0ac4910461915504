// The matrix product that everything here is made of, and how it is cut up.
//
//     C[t, j] = (add[t, j] +) sum_i s_i sum_p A_i[t, p] B_i[p, j],      rows t: tokens, as they lie in memory
//
// A sum of products is one product over their depths laid end to end: a linear with its LoRA branch, or the gradient
// that comes back through q, k and v at once, reads and writes C a single time. Each B_i is a weight, decoded a panel
// at a time: 64 columns (a group) by at most `panel depth` steps of p, small enough for the L2 cache, and used for all
// rows at once. Forward (y = W x) the columns are W's rows, backward (z = W^T y) its columns: the same packed bytes
// serve both.
//
// Work is cut into units: a group times a tile of six rows. A thread gets a contiguous range of units and decodes the
// groups in it, so that at most one group for each thread more than needed is decoded, and threads are level to a unit.
//
// The sum over p is in order within a depth block, from zero; the blocks' sums are added in order. That depends on the
// shapes of the B_i alone: not on the number of rows, nor on which thread has which units.
#pragma once
#include <array>
#include <cstddef>
#include <span>

#include "backends/cpu/pool.hpp"
#include "backends/cpu/products/weight.hpp"

namespace ql::cpu {

inline constexpr int64_t kGroup = 64;  // columns
inline constexpr int64_t kTile = 6;    // rows
inline constexpr size_t kPanelBytes = 256 * 1024;
inline constexpr int kMaxTerms = 8;

enum class Side { forward, backward };

/// One product of the sum. A[t, p] = a[t * a_row + p * a_step], of f32; rows of bf16 (a_step 1) end in zeros up to an
/// even number.
template <typename T>
struct Term {
    Weight w;
    Side side = Side::forward;
    const T * a = nullptr;
    int64_t a_row = 0, a_step = 1;
    float scale = 1;

    int64_t columns() const { return side == Side::forward ? w.m : w.k; }
    int64_t depth() const { return side == Side::forward ? w.k : w.m; }
};

template <typename T>
struct Gemm {
    std::span<const Term<T>> terms;  // at most kMaxTerms, of as many columns
    int64_t rows = 0;                // of each A and of C
    float * c = nullptr;
    int64_t ldc = 0;              // elements from a row of C to the next
    const float * add = nullptr;  // rows as C's, may be C itself; null: nothing is added

    int64_t columns() const { return terms[0].columns(); }
    int64_t tiles() const { return (rows + kTile - 1) / kTile; }
    int64_t units() const { return (columns() + kGroup - 1) / kGroup * tiles(); }
};
using GemmF32 = Gemm<float>;
using GemmBf16 = Gemm<uint16_t>;

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
