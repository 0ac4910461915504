// A tile of attention's gradients in bf16: the probabilities of 6 rows with a block of keys, and the gradients of their
// scores, in the layouts that the products after them read. Included as tile_bf16.inl.
#pragma once
#include "backends/cpu/attention/tile_bf16.inl"

namespace ql::cpu {
namespace {

struct GradientTile {
    const uint32_t *q, *d_o;        // [kTileRows][q_pairs]: pairs along d
    const uint32_t *keys, *values;  // [depth][kKeyBlock]
    int32_t q_pairs, depth;
    float scale;
    const float *base, *delta;   // [kTileRows]: lse to base 2 and do . o, both negated
    const int32_t *begin, *end;  // [kTileRows]: a row's keys within the block
    int32_t first, lo, hi;       // keys that any row sees: in whole vectors from `first`, in pairs from lo
    bool all;                    // all rows see the whole block
    float * exact;               // [kTileRows][kKeyBlock]: scale times probabilities before they are rounded
    uint32_t *p, *ds;            // [kTileRows / 2][kKeyBlock]: results, pairs along the rows
    uint32_t * ds_rows;          // [kTileRows][kKeyBlock / 2]: pairs along the keys, from `first` on
    float * const * dq;          // [kTileRows]
};

/// What the rows see together; false if nothing.
inline bool find_keys(GradientTile & t) {
    t.all = true;
    t.lo = static_cast<int32_t>(kKeyBlock), t.hi = 0;
    for (int r = 0; r < kTileRows; ++r) {
        if (t.begin[r] < t.lo) t.lo = t.begin[r];
        if (t.end[r] > t.hi) t.hi = t.end[r];
        t.all &= t.begin[r] == 0 && t.end[r] == kKeyBlock;
    }
    t.first = t.lo / kLanes * kLanes;
    return t.lo < t.hi;
}

/// Pairs along the rows of a tile, keys from `first` on, zeros elsewhere.
template <int V, bool kEdge>
[[gnu::always_inline]] inline void store_pairs(const Scores<V> & x, uint32_t * to, int32_t first) {
#pragma GCC unroll 3
    for (int r = 0; r < kTileRows; r += 2, to += kKeyBlock) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) _mm512_store_si512(to + first + v * kLanes, to_pairs(x[r][v], x[r + 1][v]));
        if constexpr (kEdge)
            for (int32_t j = 0; j < kKeyBlock; j += kLanes)
                if (j < first || j >= first + V * kLanes) _mm512_store_si512(to + j, _mm512_setzero_si512());
    }
}

/// kEdge: not all rows see all keys of the V vectors.
template <int V, bool kEdge>
[[gnu::noipa]] void score_gradients(const GradientTile & t) {
    uint64_t mask[kTileRows];
    if constexpr (kEdge)
        for (int r = 0; r < kTileRows; ++r) mask[r] = seen_keys(t.begin[r], t.end[r], t.first);
    Scores<V> x;
    find_scores<V>(x, t.scale * kLog2E, t.base, {t.q, t.q_pairs, 1}, {t.keys + t.first, kKeyBlock, t.depth});
    const __m512 scale = _mm512_set1_ps(t.scale);
    float * exact = t.exact;
#pragma GCC unroll 6
    for (int r = 0; r < kTileRows; ++r, exact += kKeyBlock)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            x[r][v] = exp2_of(x[r][v]);
            if constexpr (kEdge) x[r][v] = keep(mask[r], v, x[r][v]);
            _mm512_store_ps(exact + v * kLanes, _mm512_mul_ps(x[r][v], scale));
        }
    store_pairs<V, kEdge>(x, t.p, t.first);

    add_to_start<V>(x, t.delta, {t.d_o, t.q_pairs, 1}, {t.values + t.first, kKeyBlock, t.depth});
    exact = t.exact;
    uint32_t * to = t.ds_rows;
#pragma GCC unroll 6
    for (int r = 0; r < kTileRows; ++r, exact += kKeyBlock, to += kKeyBlock / 2) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            x[r][v] = _mm512_mul_ps(x[r][v], _mm512_load_ps(exact + v * kLanes));
            if constexpr (kEdge) x[r][v] = keep(mask[r], v, x[r][v]);
        }
#pragma GCC unroll 2
        for (int v = 0; v < V; v += 2)
            _mm512_store_si512(to + v * kLanes / 2,
                               to_bf16(x[r][v], v + 1 < V ? x[r][v + 1 < V ? v + 1 : v] : _mm512_setzero_ps()));
    }
    store_pairs<V, kEdge>(x, t.ds, t.first);
}

inline void score_gradients(const GradientTile & t) {
    if (t.all) return score_gradients<kTileVectors, false>(t);
    switch ((t.hi - t.first - 1) / kLanes) {
        case 0:
            return score_gradients<1, true>(t);
        case 1:
            return score_gradients<2, true>(t);
        case 2:
            return score_gradients<3, true>(t);
        default:
            return score_gradients<4, true>(t);
    }
}

}  // namespace
}  // namespace ql::cpu
