// Attention in bf16, for either unit that multiplies: scores of some rows of a tile with a block of keys become
// probabilities, relative to what each row's scores are held against. Included like scores_bf16.inl.
#pragma once
#include <math.h>

#include "backends/cpu/attention/scores_bf16.inl"

namespace ql::cpu {
namespace {

/// A row's probabilities are relative to a score that was once its largest; it is replaced when another exceeds it by
/// this, in powers of two. Both bf16 and f32 are as exact there as at 1, and few blocks need their sums rescaled.
constexpr float kRaise = 8;

/// Of a tile's rows: the union and the intersection of their ranges, and as bits those that have no base yet.
struct TileState {
    int32_t any_begin, any_end, all_begin, all_end;
    uint32_t unset;
    bool packed;
};

/// A thread's buffers. Rows are padded to whole tiles; rows beyond the last are computed and dropped.
struct ForwardWorkBf16 {
    uint32_t * q;          // [rows][q_pairs]
    float *o, *sum;        // [rows][width]; [rows][kLanes]: partial sums of probabilities
    float ** o_rows;       // [rows]: where they begin
    float * base;          // [rows]: what scores are relative to, negated
    int64_t * head;        // [rows]: which of all heads of all queries; the last again in what fills up the last tile
    int32_t *begin, *end;  // [rows]: ranges of keys
    TileState * state;     // [rows / tile_rows]
    uint32_t * p;          // [tile_rows][kKeyBlock / 2]: a tile's probabilities, from its first key on
    float * products;      // [tile_rows][kKeyBlock], of a unit that has to store them
    int32_t depth, q_pairs, width;
    float to_log2;  // factor of a score

    ForwardWorkBf16(Carver & carve, const AttentionShape & s, int64_t rows, int64_t tile_rows, bool stores_products)
        : depth(static_cast<int32_t>(ceil_div(s.d, 2))),
          q_pairs(static_cast<int32_t>(padded(depth))),
          width(static_cast<int32_t>(s.width())),
          to_log2(s.scale * kLog2E) {
        q = carve.take<uint32_t>(rows * q_pairs);
        o = carve.take<float>(rows * width);
        sum = carve.take<float>(rows * kLanes);
        o_rows = carve.take<float *>(rows);
        base = carve.take<float>(rows);
        head = carve.take<int64_t>(rows);
        begin = carve.take<int32_t>(rows);
        end = carve.take<int32_t>(rows);
        state = carve.take<TileState>(rows / tile_rows);
        p = carve.take<uint32_t>(tile_rows * kKeyBlock / 2);
        products = carve.take<float>(stores_products ? tile_rows * kKeyBlock : 0);
    }
};

/// A tile of rows and the keys of a block that any of them sees: in whole vectors from `first`, in pairs from lo.
struct TileKeys {
    int32_t row;
    int32_t base, first;  // keys: the block's first, and in the block
    int32_t lo, hi;
    const uint32_t *keys, *values;
    TileState * state;

    int32_t vectors() const { return (hi - first + kLanes - 1) / kLanes; }
    bool all_see_all() const { return state->all_begin <= base && state->all_end >= base + kKeyBlock; }
};

/// Gives rows that have no base, or whose scores exceed it too far, their largest score as base: takes it off the
/// scores and rescales what the rows have summed so far. mask: the keys that a row sees. unset: the rows' bits of the
/// tile's, from `bit` on.
template <int R, int V>
[[gnu::always_inline]] inline void raise_bases(Scores<R, V> & x, const uint64_t * mask, const ForwardWorkBf16 & w,
                                               int32_t row, uint32_t & unset, int bit) {
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
        __m512 top = _mm512_set1_ps(-INFINITY);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v)
            top = _mm512_mask_max_ps(top, static_cast<__mmask16>(mask[r] >> (v * kLanes)), x[r][v], top);
        const float largest = _mm512_reduce_max_ps(top);
        const bool first = unset >> (bit + r) & 1;
        if (!(largest > (first ? -INFINITY : kRaise))) continue;
        const __m512 rise = _mm512_set1_ps(largest);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) x[r][v] = _mm512_sub_ps(x[r][v], rise);
        w.base[row + r] -= largest;
        unset &= ~(1u << (bit + r));
        if (first) continue;
        const __m512 factor = vexp2(_mm512_sub_ps(_mm512_setzero_ps(), rise));
        float *sum = w.sum + (row + r) * kLanes, *o = w.o_rows[row + r];
        _mm512_store_ps(sum, _mm512_mul_ps(_mm512_load_ps(sum), factor));
        for (int32_t i = 0; i < w.width; i += kLanes)
            _mm512_store_ps(o + i, _mm512_mul_ps(_mm512_load_ps(o + i), factor));
    }
}

/// Whether a score exceeds its base too far. NaN does not: a row that has one is lost, the others are not.
template <int R, int V>
[[gnu::always_inline]] inline bool exceeds(const Scores<R, V> & x) {
    const __m512 limit = _mm512_set1_ps(kRaise);
    __m512 top[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
        top[v] = limit;
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) top[v] = _mm512_max_ps(x[r][v], top[v]);
    }
#pragma GCC unroll 4
    for (int v = 1; v < V; ++v) top[0] = _mm512_max_ps(top[v], top[0]);
    return _mm512_cmp_ps_mask(top[0], limit, _CMP_GT_OQ) != 0;
}

/// Probabilities of R rows of a tile, from the tile's row `at` on, to w.p, and their sums. x: the rows' scores,
/// relative to their bases. kEdge: not all rows see all keys of the V vectors.
template <int R, int V, bool kEdge>
[[gnu::always_inline]] inline void add_probabilities(Scores<R, V> & x, const ForwardWorkBf16 & w, const TileKeys & t,
                                                     int32_t at) {
    const int32_t row = t.row + at;
    uint64_t mask[R];
    const uint32_t unset = t.state->unset;
    bool raise = false;
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
        mask[r] = kEdge ? seen_keys(w.begin[row + r], w.end[row + r], t.base + t.first) : ~uint64_t{0};
        raise |= mask[r] && (unset >> (at + r) & 1);
    }
    if (raise || exceeds<R, V>(x)) raise_bases<R, V>(x, mask, w, row, t.state->unset, at);

    const auto ones = (__m512bh)_mm512_set1_epi32(0x3f803f80);
    float * sum = w.sum + row * kLanes;
    uint32_t * to = w.p + at * kKeyBlock / 2;
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r, sum += kLanes, to += kKeyBlock / 2) {
        __m512 total = _mm512_load_ps(sum);
#pragma GCC unroll 2
        for (int v = 0; v < V; v += 2) {
            __m512 low = vexp2(x[r][v]), high = v + 1 < V ? vexp2(x[r][v + 1 < V ? v + 1 : v]) : _mm512_setzero_ps();
            if constexpr (kEdge) low = keep(mask[r], v, low), high = keep(mask[r], v + 1, high);
            const __m512i p = to_bf16(low, high);
            _mm512_store_si512(to + v * kLanes / 2, p);
            total = _mm512_dpbf16_ps(total, (__m512bh)p, ones);
        }
        _mm512_store_ps(sum, total);
    }
}

}  // namespace
}  // namespace ql::cpu
