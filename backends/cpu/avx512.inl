// What the files for AVX-512 BF16 have in common: 16 lanes of 32 bits, how numbers of bf16 come into the pairs that
// vdpbf16ps and AMX tiles take, and an exponential of that precision.
//
// Included by translation units that are compiled for AVX-512 BF16 and entered only where the processor has it; nothing
// here may call an inline function of another file that is not always inlined.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace ql::cpu {
namespace {

constexpr int32_t kLanes = 16;

constexpr int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}
constexpr int64_t larger(int64_t a, int64_t b) {
    return a < b ? b : a;
}
/// n >= 0.
constexpr __mmask16 first_lanes(int64_t n) {
    return static_cast<__mmask16>(n >= kLanes ? 0xffff : (1 << n) - 1);
}

constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;

/// 2^y to 3e-6, far below bf16's 2e-3: 2^floor(y) times a polynomial of the rest, the best of degree 4 that is 1 at 0.
/// Scaling gets both ends of the exponent right; NaN stays.
inline __m512 vexp2(__m512 y) {
    const __m512 r = _mm512_reduce_ps(y, _MM_FROUND_TO_NEG_INF);
    __m512 p = _mm512_set1_ps(0.0134266838f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.0522424728f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.2412801981f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.6930448413f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, y);
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

/// Two rows of 32 numbers of bf16 as 32 pairs (even[i], odd[i]).
struct Pairs {
    __m512i low, high;
};
inline Pairs interleave(__m512i even, __m512i odd) {
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37,
                                         5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    return {_mm512_permutex2var_epi16(even, low, odd), _mm512_permutex2var_epi16(even, high, odd)};
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

/// 16 rows of 16 units of 32 bits, `row` units apart in memory, to the columns' vectors. A register takes a quarter of
/// four rows, four apart: loads do half of a transpose.
template <typename Store>
[[gnu::always_inline]] inline void transpose_rows(const uint32_t * rows, int64_t row, const Store & store) {
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
        __m512i x[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            const auto quarter = [&](int l) {
                return _mm_load_si128(reinterpret_cast<const __m128i *>(rows + (4 * l + j) * row + 4 * c));
            };
            x[j] = _mm512_castsi128_si512(quarter(0));
            x[j] = _mm512_inserti32x4(x[j], quarter(1), 1);
            x[j] = _mm512_inserti32x4(x[j], quarter(2), 2);
            x[j] = _mm512_inserti32x4(x[j], quarter(3), 3);
        }
        const __m512i even_low = _mm512_unpacklo_epi32(x[0], x[1]), even_high = _mm512_unpackhi_epi32(x[0], x[1]);
        const __m512i odd_low = _mm512_unpacklo_epi32(x[2], x[3]), odd_high = _mm512_unpackhi_epi32(x[2], x[3]);
        store(4 * c, _mm512_unpacklo_epi64(even_low, odd_low));
        store(4 * c + 1, _mm512_unpackhi_epi64(even_low, odd_low));
        store(4 * c + 2, _mm512_unpacklo_epi64(even_high, odd_high));
        store(4 * c + 3, _mm512_unpackhi_epi64(even_high, odd_high));
    }
}

}  // namespace
}  // namespace ql::cpu
