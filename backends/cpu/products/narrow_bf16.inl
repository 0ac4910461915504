// Products of a few columns in vdpbf16ps: h = A x of LoRA and dh = B^T dy, whose columns are its rank.
//
// One vector of columns has to feed many rows, or sums would wait for each other: up to 24, four whole tiles. Up to 8
// columns fill half a vector; the panel is then folded, so that a vector holds two consecutive pairs of each column,
// and A's pairs are broadcast two at a time: half the instructions. The halves are added at the end.
//
// Memory traffic: A once, and that is what limits; the rows of the next 24 are asked for while these are multiplied.
//
// Included by gemm_bf16.cpp.
#pragma once
#include <iterator>

#include "backends/cpu/avx512.inl"
#include "backends/cpu/products/gemm.hpp"
#include "backends/cpu/products/target_bf16.inl"

namespace ql::cpu {
namespace {

/// A stretch of the depth: rows of A, and B in the panel.
struct StretchBf16 {
    int64_t pairs;
    const uint16_t * a;
    int64_t a_row;
    const uint32_t * b;
};
struct StretchesBf16 {
    StretchBf16 stretch[kMaxTerms];
    int n = 0;
};

/// Whether a product's panels are folded.
inline bool is_folded(const GemmBf16 & g) {
    return g.columns() <= kLanes / 2;
}

/// Turns rows of pairs of at most 8 columns into vectors of two pairs a column, one behind the other, zeros behind the
/// last pair.
inline void fold_panel(uint32_t * panel, int64_t pairs) {
    const __m512i order = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    for (int64_t p = 0; p < pairs; p += 2) {
        const __m512i even = _mm512_load_si512(panel + p * kGroup);
        const __m512i odd = p + 1 < pairs ? _mm512_load_si512(panel + (p + 1) * kGroup) : _mm512_setzero_si512();
        _mm512_store_si512(panel + p / 2 * kLanes, _mm512_permutex2var_epi32(even, order, odd));
    }
}

/// sum[r] += the next pairs of row r - two where the panel is folded - times those of all columns.
template <int R, bool kFolded, typename Broadcast>
[[gnu::always_inline]] inline void add_step(__m512 (&sum)[R], const uint16_t * a, int64_t a_row, const uint32_t * b,
                                            const Broadcast & broadcast) {
    const auto x = (__m512bh)_mm512_load_si512(b);
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r) sum[r] = _mm512_dpbf16_ps(sum[r], x, (__m512bh)broadcast(a + r * a_row));
}

/// Rows [t, t + R) by at most 16 columns, or 8 of a folded panel.
template <int R, bool kFolded>
[[gnu::noinline]] void narrow_kernel(const StretchesBf16 & stretches, int64_t t, const TargetBf16 & to) {
    constexpr int64_t kElements = kFolded ? 4 : 2, kLine = 32, kStride = kFolded ? kLanes : kGroup;
    const auto one_pair = [](const uint16_t * a) {
        int pair;
        __builtin_memcpy(&pair, a, sizeof(pair));
        return _mm512_set1_epi32(pair);
    };
    const auto all_pairs = [&](const uint16_t * a) {
        if constexpr (!kFolded) return one_pair(a);
        long long pairs;
        __builtin_memcpy(&pairs, a, sizeof(pairs));
        return _mm512_set1_epi64(pairs);
    };
    __m512 sum[R] = {};
    for (const StretchBf16 * stretch = stretches.stretch; stretch < stretches.stretch + stretches.n; ++stretch) {
        const int64_t a_row = stretch->a_row, elements = 2 * stretch->pairs, whole = elements / kElements * kElements;
        const uint16_t * a = stretch->a + t * a_row;
        const uint32_t * b = stretch->b;
        for (int64_t line = 0; line < whole; line += kLine) {
            for (int r = 0; r < R; ++r) __builtin_prefetch(a + (R + r) * a_row + line);
            for (int64_t p = line; p < smaller(line + kLine, whole); p += kElements, b += kStride)
                add_step<R, kFolded>(sum, a + p, a_row, b, all_pairs);
        }
        if (whole < elements) add_step<R, kFolded>(sum, a + whole, a_row, b, one_pair);
    }
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r) {
        __m512 y = sum[r];
        if constexpr (kFolded) y = _mm512_maskz_compress_ps(0x5555, _mm512_add_ps(y, _mm512_permute_ps(y, 0xb1)));
        store_sums(y, to, r * to.ldc, first_lanes(to.columns));
    }
}

using NarrowKernel = void (*)(const StretchesBf16 &, int64_t t, const TargetBf16 &);
template <bool kFolded>
constexpr NarrowKernel kNarrowTiles[] = {narrow_kernel<6, kFolded>, narrow_kernel<12, kFolded>,
                                         narrow_kernel<18, kFolded>, narrow_kernel<24, kFolded>};
/// The last rows, where they are no whole tile.
template <bool kFolded>
constexpr NarrowKernel kNarrowEnds[] = {narrow_kernel<1, kFolded>, narrow_kernel<2, kFolded>, narrow_kernel<3, kFolded>,
                                        narrow_kernel<4, kFolded>, narrow_kernel<5, kFolded>};

/// Multiplies some of the `rows` that are left; returns how many tiles they are. folded: whether the panel is.
inline int64_t multiply_narrow(const StretchesBf16 & stretches, int64_t t, int64_t rows, const TargetBf16 & to,
                               bool folded) {
    if (rows < kTile) {
        (folded ? kNarrowEnds<true> : kNarrowEnds<false>)[rows - 1](stretches, t, to);
        return 1;
    }
    const int64_t tiles = smaller(rows / kTile, static_cast<int64_t>(std::size(kNarrowTiles<true>)));
    (folded ? kNarrowTiles<true> : kNarrowTiles<false>)[tiles - 1](stretches, t, to);
    return tiles;
}

}  // namespace
}  // namespace ql::cpu
