// Small matrix products of attention whose sums stay in registers, in vdpbf16ps: C += A B for a few rows of C at a
// time, operands as pack_bf16.inl makes them.
//
// A is read one pair at a time by broadcasts, so it may lie in any order; B is [depth / 2][columns][2]. C is f32. Each
// number of C is one chain of steps in the order of the depth, and a pair of zeros adds nothing: the result does not
// depend on how rows and columns are cut into tiles, nor on a wider range of the depth.
//
// Included by translation units that are compiled for AVX-512 BF16 and entered only where the processor has it; nothing
// here may call an inline function of another file that is not always inlined.
#pragma once
#include "backends/cpu/attention/scores_bf16.inl"

namespace ql::cpu {
namespace {

// A tile holds 6 x 64 sums in 24 of 32 registers: 24 independent chains cover the instruction's latency twice.
constexpr int32_t kTileRows = 6;
constexpr int32_t kTileVectors = 4;

// Arguments of tiles are small enough for registers. One that goes through memory, or as a copy through vectors,
// waits there for the products of the tile before: addresses that did so took up to a sixth of a tile's time.

/// Pair k of row r at p[r * row + k * step].
struct LeftPairs {
    const uint32_t * p;
    int32_t row, step;
};

/// Rows of pairs of whole vectors, `row` pairs apart.
struct RightPairs {
    const uint32_t * p;
    int32_t row, depth;
};

/// Columns from `first` on, in vectors; the last vector has `last` lanes.
struct Columns {
    int32_t first, last;
};

/// sum += A B.
template <int R, int V>
[[gnu::always_inline]] inline void add_product(__m512 (&sum)[R][V], LeftPairs a, RightPairs b) {
    const int64_t row = a.row, step = a.step, b_row = b.row;
    for (int64_t k = 0, depth = b.depth; k < depth; ++k, a.p += step, b.p += b_row) {
        __m512bh right[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) right[v] = (__m512bh)_mm512_load_si512(b.p + v * kLanes);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
            const auto left = (__m512bh)_mm512_set1_epi32(static_cast<int>(a.p[r * row]));
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], left, right[v]);
        }
    }
}

/// C += A B, R rows at addresses of their own and V vectors. C is fetched while the sums are formed.
template <int R, int V>
[[gnu::noipa]] void tile(LeftPairs a, RightPairs b, float * const * c, Columns columns) {
    __m512 sum[R][V];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            sum[r][v] = _mm512_setzero_ps();
            __builtin_prefetch(c[r] + columns.first + v * kLanes, 1);
        }
    b.p += columns.first;
    add_product(sum, a, b);
    const __mmask16 mask = first_lanes(columns.last);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
        float * to = c[r] + columns.first;
#pragma GCC unroll 4
        for (int v = 0; v + 1 < V; ++v)
            _mm512_storeu_ps(to + v * kLanes, _mm512_add_ps(_mm512_loadu_ps(to + v * kLanes), sum[r][v]));
        to += (V - 1) * kLanes;
        if (columns.last >= kLanes)
            _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), sum[r][V - 1]));
        else
            _mm512_mask_storeu_ps(to, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), sum[r][V - 1]));
    }
}

/// C += A B, R rows of n columns.
template <int R>
inline void multiply(LeftPairs a, RightPairs b, float * const * c, int64_t n) {
    constexpr int32_t kWide = kTileVectors * kLanes;
    int32_t column = 0;
    for (; column + kWide <= n; column += kWide) tile<R, kTileVectors>(a, b, c, {column, kLanes});
    const auto left = static_cast<int32_t>(n) - column;
    if (left > 3 * kLanes)
        tile<R, 4>(a, b, c, {column, left - 3 * kLanes});
    else if (left > 2 * kLanes)
        tile<R, 3>(a, b, c, {column, left - 2 * kLanes});
    else if (left > kLanes)
        tile<R, 2>(a, b, c, {column, left - kLanes});
    else if (left > 0)
        tile<R, 1>(a, b, c, {column, left});
}

/// x = start of its row + A B.
template <int R, int V>
[[gnu::always_inline]] inline void add_to_start(Scores<R, V> & x, const float * start, LeftPairs a, RightPairs b) {
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) x[r][v] = _mm512_set1_ps(start[r]);
    add_product(x, a, b);
}

/// x = base of its row + factor A B.
template <int R, int V>
[[gnu::always_inline]] inline void find_scores(Scores<R, V> & x, float factor, const float * base, LeftPairs a,
                                               RightPairs b) {
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) x[r][v] = _mm512_setzero_ps();
    add_product(x, a, b);
    make_relative<R, V>(x, factor, base);
}

}  // namespace
}  // namespace ql::cpu
