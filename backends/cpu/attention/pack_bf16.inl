// f32 rows packed to bf16 as vdpbf16ps takes it: in pairs, two neighbours of the depth in 32 bits, rounded to nearest,
// ties to even.
//
// A left operand has pairs along its rows; a right operand those of 16 columns side by side in a vector, which are made
// by transposing rows (depth along the rows) or by interleaving two of them (depth along the columns).
//
// Included by translation units that are compiled for AVX-512 BF16 and entered only where it is there; nothing here may
// be an inline function of other files that is not always inlined.
#pragma once
#include <immintrin.h>

#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {
namespace {

constexpr int32_t kLanes = 16;

constexpr int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}
constexpr int64_t larger(int64_t a, int64_t b) {
    return a < b ? b : a;
}
constexpr __mmask16 first_lanes(int64_t n) {
    return static_cast<__mmask16>(n >= kLanes ? 0xffff : (1 << n) - 1);
}

/// Scores are logarithms to base 2: q times the scale, k times this.
constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;

/// Has n numbers of 32 bits fetched.
inline void fetch(const void * p, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) __builtin_prefetch(static_cast<const float *>(p) + i);
}

/// 32 numbers to bf16, to nearest, ties to even.
inline __m512i to_bf16(__m512 low, __m512 high) {
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}
/// 16 pairs (even[i], odd[i]).
inline __m512i to_pairs(__m512 even, __m512 odd) {
    const __m512i interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                                                6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(interleave, to_bf16(even, odd));
}

/// Collects whether numbers of bf16 were NaN or Inf, which a number of f32 may also have become by rounding.
class Finite {
  public:
    __m512i check(__m512i x) {
        const __m512i exponent = _mm512_set1_epi16(0x7f80);
        bad_ |= _mm512_cmpeq_epi16_mask(_mm512_and_si512(x, exponent), exponent);
        return x;
    }
    bool all() const { return bad_ == 0; }

  private:
    __mmask32 bad_ = 0;
};

/// Up to 16 numbers of a row times a factor; zeros where there is none.
inline __m512 load_scaled(const float * p, int64_t n, __m512 factor) {
    if (n >= kLanes) return _mm512_mul_ps(_mm512_loadu_ps(p), factor);
    return n <= 0 ? _mm512_setzero_ps() : _mm512_mul_ps(_mm512_maskz_loadu_ps(first_lanes(n), p), factor);
}

/// n numbers as pairs along the row, zeros behind them up to a multiple of 16 pairs.
inline void pack_row(const float * from, int64_t n, float factor, uint32_t * to, Finite & finite) {
    const __m512 f = _mm512_set1_ps(factor);
    for (int64_t i = 0; i < n; i += 2 * kLanes, to += kLanes)
        _mm512_store_si512(to, finite.check(to_bf16(load_scaled(from + i, n - i, f),
                                                    load_scaled(from + i + kLanes, n - i - kLanes, f))));
}

/// Rows of n numbers, as many as there are of kKeyBlock, as rows of pairs (even[i], odd[i]): to[j / 2 * width + i];
/// zeros behind them, and behind n up to the width.
inline void pack_row_pairs(const float * from, int64_t stride, int64_t rows, int64_t n, float factor, uint32_t * to,
                           int64_t width, Finite & finite) {
    const __m512 f = _mm512_set1_ps(factor);
    for (int64_t j = 0; j < kKeyBlock; j += 2, from += 2 * stride, to += width)
        for (int64_t i = 0; i < width; i += kLanes) {
            const __m512 even = load_scaled(from + i, j < rows ? n - i : 0, f),
                         odd = load_scaled(from + stride + i, j + 1 < rows ? n - i : 0, f);
            _mm512_store_si512(to + i, finite.check(to_pairs(even, odd)));
        }
}

/// Two rows of pairs along the row as one of pairs (even[i], odd[i]), n pairs, a multiple of 16.
inline void interleave_rows(const uint32_t * even, const uint32_t * odd, int64_t n, uint32_t * to) {
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37,
                                         5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (int64_t i = 0; i < n; i += 2 * kLanes, even += kLanes, odd += kLanes) {
        const __m512i a = _mm512_load_si512(even), b = _mm512_load_si512(odd);
        _mm512_store_si512(to + i, _mm512_permutex2var_epi16(a, low, b));
        if (i + kLanes < n) _mm512_store_si512(to + i + kLanes, _mm512_permutex2var_epi16(a, high, b));
    }
}

/// r: 16 rows of 16 units of 32 bits; afterwards its transpose. First within quarters of registers, then of those.
inline void transpose(__m512i (&r)[16]) {
    __m512i t[16];
    // t[2 i], t[2 i + 1]: of each quarter, the first and the last two columns of rows 2 i and 2 i + 1.
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    // r[4 g + i]: of each quarter, column i of rows 4 g to 4 g + 3.
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
        const int at = i / 2 * 4 + i % 2;
        r[2 * i] = _mm512_unpacklo_epi64(t[at], t[at + 2]);
        r[2 * i + 1] = _mm512_unpackhi_epi64(t[at], t[at + 2]);
    }
    // t[8 h + 4 o + i]: columns i of quarters o and o + 2, of the rows of half h.
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
        const int at = i / 4 * 8 + i % 4;
        t[at] = _mm512_shuffle_i32x4(r[at], r[at + 4], 0x88);
        t[at + 4] = _mm512_shuffle_i32x4(r[at], r[at + 4], 0xdd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

/// Rows of n numbers as columns of pairs along the rows: to[i * kKeyBlock + j] = pair i of row j, zero for j >= rows.
inline void pack_columns(const float * from, int64_t stride, int64_t rows, int64_t n, float factor, uint32_t * to,
                         Finite & finite) {
    const __m512 f = _mm512_set1_ps(factor);
    for (int64_t j = 0; j < kKeyBlock; j += kLanes)
        for (int64_t i = 0; i < n; i += 2 * kLanes) {
            __m512i x[16];
#pragma GCC unroll 16
            for (int r = 0; r < 16; ++r) {
                const float * row = from + (j + r) * stride + i;
                const int64_t left = j + r < rows ? n - i : 0;
                x[r] = finite.check(to_bf16(load_scaled(row, left, f), load_scaled(row + kLanes, left - kLanes, f)));
            }
            transpose(x);
            const int64_t pairs = smaller(kLanes, ceil_div(n - i, 2));
#pragma GCC unroll 16
            for (int r = 0; r < 16; ++r)
                if (r < pairs) _mm512_store_si512(to + (i / 2 + r) * kKeyBlock + j, x[r]);
        }
}

}  // namespace
}  // namespace ql::cpu
