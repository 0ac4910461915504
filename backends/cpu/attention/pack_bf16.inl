// Rows of f32 or bf16 packed as vdpbf16ps takes them: in pairs, two neighbours of the depth in 32 bits. Numbers of f32
// are rounded to nearest, ties to even; those of bf16 are what they are, so nothing is rounded twice.
//
// A left operand has pairs along its rows. A right operand has the pairs of 16 columns side by side in a vector, made
// by transposing rows (depth along the rows) or by interleaving two of them (depth along the columns).
//
// Included by translation units that are compiled for AVX-512 BF16 and entered only where the processor has it; nothing
// here may call an inline function of another file that is not always inlined.
#pragma once
#include "backends/cpu/attention/shape.hpp"
#include "backends/cpu/avx512.inl"

namespace ql::cpu {
namespace {

/// Asks for n numbers ahead.
template <typename T>
inline void fetch(const T * p, int64_t n) {
    for (int64_t i = 0; i < n; i += int64_t{64 / sizeof(T)}) __builtin_prefetch(p + i);
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

inline bool all_set(const uint8_t * flags, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        if (!flags[i]) return false;
    return true;
}

/// Up to 32 numbers of a row in bf16, zeros behind the n that there are.
inline __m512i load_bf16(const float * p, int64_t n) {
    if (n >= 2 * kLanes) return to_bf16(_mm512_loadu_ps(p), _mm512_loadu_ps(p + kLanes));
    if (n <= 0) return _mm512_setzero_si512();
    const __m512 low = _mm512_maskz_loadu_ps(first_lanes(n), p);
    return to_bf16(low, n > kLanes ? _mm512_maskz_loadu_ps(first_lanes(n - kLanes), p + kLanes) : _mm512_setzero_ps());
}
inline __m512i load_bf16(const uint16_t * p, int64_t n) {
    if (n >= 2 * kLanes) return _mm512_loadu_si512(p);
    return n <= 0 ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16((__mmask32{1} << n) - 1, p);
}
/// 16 numbers in f32, rounded to bf16 if they are not; n >= 0.
inline __m512 load_rounded(const float * p, int64_t n) {
    const auto bits = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(first_lanes(n), p));
    return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
}
inline __m512 load_rounded(const uint16_t * p, int64_t n) {
    return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), p)), 16);
}
/// 16 numbers as they are.
inline __m512 load_f32(const float * p, int64_t n) {
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
inline __m512 load_f32(const uint16_t * p, int64_t n) {
    return load_rounded(p, n);
}
inline void store(__m512 x, float * p, int64_t n) {
    _mm512_mask_storeu_ps(p, first_lanes(n), x);
}
inline void store(__m512 x, uint16_t * p, int64_t n) {
    _mm256_mask_storeu_epi16(p, first_lanes(n), (__m256i)_mm512_cvtneps_pbh(x));
}

/// n numbers as pairs along the row, zeros behind them up to a multiple of 16 pairs.
template <typename T>
inline void pack_row(const T * from, int64_t n, uint32_t * to, Finite & finite) {
    for (int64_t i = 0; i < n; i += 2 * kLanes, to += kLanes)
        _mm512_store_si512(to, finite.check(load_bf16(from + i, n - i)));
}

/// Rows of n numbers, as many as there are of kKeyBlock, as rows of pairs (even[i], odd[i]): to[j / 2 * width + i];
/// zeros behind them, and behind n up to the width.
template <typename T>
inline void pack_row_pairs(const T * from, int64_t stride, int64_t rows, int64_t n, uint32_t * to, int64_t width,
                           Finite & finite) {
    for (int64_t j = 0; j < kKeyBlock; j += 2, from += 2 * stride, to += width)
        for (int64_t i = 0; i < width; i += 2 * kLanes) {
            const Pairs pairs = interleave(finite.check(load_bf16(from + i, j < rows ? n - i : 0)),
                                           finite.check(load_bf16(from + stride + i, j + 1 < rows ? n - i : 0)));
            _mm512_store_si512(to + i, pairs.low);
            if (i + kLanes < width) _mm512_store_si512(to + i + kLanes, pairs.high);
        }
}

/// Two rows of pairs along the row as one of pairs (even[i], odd[i]), n pairs, a multiple of 16.
inline void interleave_rows(const uint32_t * even, const uint32_t * odd, int64_t n, uint32_t * to) {
    for (int64_t i = 0; i < n; i += 2 * kLanes, even += kLanes, odd += kLanes) {
        const Pairs pairs = interleave(_mm512_load_si512(even), _mm512_load_si512(odd));
        _mm512_store_si512(to + i, pairs.low);
        if (i + kLanes < n) _mm512_store_si512(to + i + kLanes, pairs.high);
    }
}

/// Rows of n numbers as columns of pairs along the rows: to[i * kKeyBlock + j] = pair i of row j, zero for j >= rows.
template <typename T>
inline void pack_columns(const T * from, int64_t stride, int64_t rows, int64_t n, uint32_t * to, Finite & finite) {
    for (int64_t j = 0; j < kKeyBlock; j += kLanes)
        for (int64_t i = 0; i < n; i += 2 * kLanes) {
            __m512i x[16];
#pragma GCC unroll 16
            for (int r = 0; r < 16; ++r)
                x[r] = finite.check(load_bf16(from + (j + r) * stride + i, j + r < rows ? n - i : 0));
            transpose(x);
            const int64_t pairs = smaller(kLanes, ceil_div(n - i, 2));
#pragma GCC unroll 16
            for (int r = 0; r < 16; ++r)
                if (r < pairs) _mm512_store_si512(to + (i / 2 + r) * kKeyBlock + j, x[r]);
        }
}

}  // namespace
}  // namespace ql::cpu
