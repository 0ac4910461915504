// Scores of attention in bf16 as both units hold them for some rows of a tile: a register for 16 keys of a row.
//
// Included by translation units that are compiled for AVX-512 BF16 and entered only where the processor has it; nothing
// here may call an inline function of another file that is not always inlined.
#pragma once
#include "backends/cpu/attention/pack_bf16.inl"

namespace ql::cpu {
namespace {

/// Scores of R rows with V vectors of keys, or their gradients. V is 4 at most, a block's.
template <int R, int V>
using Scores = __m512[R][V];

/// The keys [begin, end) of a row, as bits from key `base` on.
inline uint64_t seen_keys(int64_t begin, int64_t end, int64_t base) {
    const auto below = [](int64_t n) { return n <= 0 ? 0 : n >= 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1; };
    return below(end - base) & ~below(begin - base);
}

/// A row's numbers for the keys in the mask; zeros elsewhere.
[[gnu::always_inline]] inline __m512 keep(uint64_t mask, int vector, __m512 x) {
    return _mm512_maskz_mov_ps(static_cast<__mmask16>(mask >> (vector * kLanes)), x);
}

/// x = base of its row + factor x: products of queries and keys as powers of two, relative to the base. The factor
/// comes behind the product so that operands of bf16 are multiplied as they are.
template <int R, int V>
[[gnu::always_inline]] inline void make_relative(Scores<R, V> & x, float factor, const float * base) {
    const __m512 f = _mm512_set1_ps(factor);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) x[r][v] = _mm512_fmadd_ps(x[r][v], f, _mm512_set1_ps(base[r]));
}

/// A row rounded, as pairs along the keys; zeros behind an odd number of vectors.
template <int V>
[[gnu::always_inline]] inline void store_rounded(const __m512 (&x)[V], uint32_t * to) {
#pragma GCC unroll 2
    for (int v = 0; v < V; v += 2)
        _mm512_store_si512(to + v * kLanes / 2,
                           to_bf16(x[v], v + 1 < V ? x[v + 1 < V ? v + 1 : v] : _mm512_setzero_ps()));
}

/// Pairs along R rows of a tile, keys from `first` on, zeros elsewhere.
template <int R, int V, bool kEdge>
[[gnu::always_inline]] inline void store_pairs(const Scores<R, V> & x, uint32_t * to, int32_t first) {
#pragma GCC unroll 3
    for (int r = 0; r < R; r += 2, to += kKeyBlock) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) _mm512_store_si512(to + first + v * kLanes, to_pairs(x[r][v], x[r + 1][v]));
        if constexpr (kEdge)
            for (int32_t j = 0; j < kKeyBlock; j += kLanes)
                if (j < first || j >= first + V * kLanes) _mm512_store_si512(to + j, _mm512_setzero_si512());
    }
}

}  // namespace
}  // namespace ql::cpu
