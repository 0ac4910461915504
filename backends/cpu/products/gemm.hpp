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
// Work is cut into pieces: the 64 columns of a group, times some 16 tiles of six rows. A thread decodes a group when it
// comes to its first piece and keeps it for the next: neighbours are mostly the same thread's, and one at the border of
// two threads' shares is decoded by both. Threads end within a piece of each other, some 15 microseconds.
//
// The sum over p is in order within a depth block, from zero (for at most 8 columns in bf16, in two sums, which take
// pairs of steps by turns); the blocks' sums are added in order. That order depends on the shapes of the B_i alone: not
// on the number of rows, nor on which thread has which units.
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
inline constexpr int64_t kPanelDepthF32 = kPanelBytes / (kGroup * sizeof(float));
inline constexpr int64_t kPanelDepthBf16 = kPanelBytes / (kGroup * sizeof(uint16_t));

enum class Side { forward, backward };

/// The 16 bits of a result: bf16 for operands of further products, f16 for logits, whose magnitude is known to be small
/// and whose differences count.
enum class Half { bf16, f16 };

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
    uint16_t * c_half = nullptr;  // not null: the result goes here in 16 bits instead (bf16 products only), rows as C's
    Half half = Half::bf16;

    int64_t columns() const { return terms[0].columns(); }
    int64_t groups() const { return (columns() + kGroup - 1) / kGroup; }
};
using GemmF32 = Gemm<float>;
using GemmBf16 = Gemm<uint16_t>;

/// Before each thread's panel: the group in it, and the round of rows that it was packed for. As long as a cache line,
/// which keeps panels aligned.
struct alignas(64) PanelHead {
    int64_t group, round;
};

/// Bytes of scratch that a product needs: the threads' panels with their heads.
inline size_t gemm_scratch(const Pool & pool) {
    return static_cast<size_t>(pool.threads()) * (sizeof(PanelHead) + kPanelBytes);
}
/// Steps of p in a panel whose product gives 16 bits: all of them, so that sums are rounded once. Panels of hidden
/// sizes beyond 2048 are then larger than the others.
template <typename Terms>
int64_t half_panel_depth(const Terms & terms) {
    int64_t depth = 0;
    for (const auto & t : terms) depth += (t.depth() + 31) / 32 * 32;
    return depth > kPanelDepthBf16 ? depth : kPanelDepthBf16;
}
/// The same where the result is in 16 bits; terms: of anything that has a depth().
template <typename Terms>
size_t gemm_half_scratch(const Pool & pool, const Terms & terms) {
    return static_cast<size_t>(pool.threads()) *
           (sizeof(PanelHead) + static_cast<size_t>(half_panel_depth(terms)) * kGroup * sizeof(uint16_t));
}
/// Steps of p in a panel of this product.
inline int64_t panel_depth(const GemmBf16 & g) {
    return g.c_half ? half_panel_depth(g.terms) : kPanelDepthBf16;
}
inline size_t panel_bytes(const GemmBf16 & g) {
    return static_cast<size_t>(panel_depth(g)) * kGroup * sizeof(uint16_t);
}

void gemm(Pool & pool, const GemmF32 & g, std::byte * scratch);

/// Elements from a row of bf16 to the next: padded, and not a multiple of a page, so that rows do not share cache sets.
constexpr int64_t bf16_stride(int64_t n) {
    return (n + 31) / 32 * 32 + 32;
}

}  // namespace ql::cpu
