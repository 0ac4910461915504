// Products of nf4 weights with up to four tokens for AVX-512 BF16: 32 codes in every lookup, two weights in every lane
// of a multiplication. Compiled for that set and entered only where it is there.
//
// Split of work: gemv.cpp. Memory traffic: every packed byte once; x, in bf16, stays in L1.
// A block of 64 weights takes 1 widening load, 1 shift, 2 lookups, 2 vdpbf16ps and 1 FMA with the block's scale: 7
// vector instructions where f32 takes 13. Two codebooks in the table's 32 words make bit 4 of an index, which is the
// next code's, irrelevant. Four rows are added up at once.
// Measured on Zen 5, one thread, Gweights/s of nf4_dq (f32): 288 x 2048, in L2, 79 (54); 65536 x 2048, from memory, 67
// (53), which is 35 GB/s.
#include <immintrin.h>

#include "backends/cpu/products/bf16.hpp"
#include "backends/cpu/products/gemv_rows.hpp"

namespace ql::cpu {
namespace {

#include "backends/cpu/products/nf4_scales.inl"

/// The codebook is looked up times this, and sums are divided by it: of the factors from 1 to 2 in steps of 1/1024 the
/// one at which rounding to bf16 changes the sixteen values least, 5e-7 of their squares rather than 1.1e-6.
constexpr float kCodebookScale = 1.1171875f;

/// sum[t] = the products of a row's blocks with T tokens, over 16 lanes.
template <int T>
[[gnu::always_inline]] inline void dot(const uint8_t * codes, const float * scales, int64_t blocks, const uint16_t * x,
                                       int64_t stride, __m512 * sum) {
    const __m512 codebook = _mm512_mul_ps(_mm512_loadu_ps(kNF4Codebook), _mm512_set1_ps(kCodebookScale));
    const __m512i values = (__m512i)_mm512_cvtne2ps_pbh(codebook, codebook);
    const auto add_block = [&](int64_t i, __m512 * to) __attribute__((always_inline)) {
        const __m512i bytes =
            _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(codes + i * 32)));
        const __m512bh low = (__m512bh)_mm512_permutexvar_epi16(bytes, values);
        const __m512bh high = (__m512bh)_mm512_permutexvar_epi16(_mm512_srli_epi16(bytes, 4), values);
        const __m512 scale = _mm512_set1_ps(scales[i]);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
            const uint16_t * at = x + t * stride + i * 64;
            __m512 y = _mm512_dpbf16_ps(_mm512_setzero_ps(), low, (__m512bh)_mm512_loadu_si512(at));
            y = _mm512_dpbf16_ps(y, high, (__m512bh)_mm512_loadu_si512(at + 32));
            to[t] = _mm512_fmadd_ps(y, scale, to[t]);
        }
    };
    __m512 odd[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sum[t] = odd[t] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 2 <= blocks; i += 2) {
        _mm_prefetch(reinterpret_cast<const char *>(codes + i * 32 + kAheadBytes), _MM_HINT_T0);
        add_block(i, sum);
        add_block(i + 1, odd);
    }
    if (i < blocks) add_block(i, sum);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sum[t] = _mm512_add_ps(sum[t], odd[t]);
}

/// The sums of four vectors' lanes.
[[gnu::always_inline]] inline __m128 sums_of(const __m512 * v) {
    const __m512 a = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
    const __m512 b = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
    const __m512 ab = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))),
                                    _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(ab), _mm512_extractf32x8_ps(ab, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

/// R rows, one after the other, and their T sums: together at most four.
template <int R, int T>
[[gnu::always_inline]] inline void dot_some(const Product & p, const uint8_t * codes, const float * scales,
                                            int64_t blocks, const uint16_t * x, int64_t row, const float * add,
                                            float * c) {
    static_assert(R * T <= 4);
    const int64_t stride = bf16_stride(p.w.k), row_blocks = p.w.k / 64;
    __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
        dot<T>(codes + r * row_blocks * 32, scales + r * blocks, blocks, x, stride, sum + r * T);
    alignas(16) float all[4];
    _mm_store_ps(all, _mm_mul_ps(sums_of(sum), _mm_set1_ps(1 / kCodebookScale)));
    float y[R][T];
    for (int i = 0; i < R * T; ++i) y[i / T][i % T] = all[i];
    store_dots(p, row, y, add, c);
}

template <int T>
void dot_rows(const Product & p, const void * x, int64_t first, int64_t last, const float * add, float * c) {
    constexpr int kRows = 4 / T;
    const auto * in = static_cast<const uint16_t *>(x);
    nf4_pieces(
        p.w, first, last, add, c, decode_scales,
        [&](int64_t row, int64_t end, int64_t block, int64_t blocks, const float * scales, const float * to)
            __attribute__((always_inline)) {
                const auto * codes = static_cast<const uint8_t *>(p.w.data) + (row * (p.w.k / 64) + block) * 32;
                const uint16_t * at = in + block * 64;
                const int64_t row_bytes = p.w.k / 2;
                for (; row + kRows <= end; row += kRows, codes += kRows * row_bytes, scales += kRows * blocks)
                    dot_some<kRows, T>(p, codes, scales, blocks, at, row, to, c);
                for (; row < end; ++row, codes += row_bytes, scales += blocks)
                    dot_some<1, T>(p, codes, scales, blocks, at, row, to, c);
            });
}

}  // namespace

DotRows nf4_dot_rows_bf16(ql_dtype dtype, int64_t tokens) {
    constexpr DotRows by_tokens[] = {dot_rows<1>, dot_rows<2>, dot_rows<3>, dot_rows<4>};
    return is_nf4(dtype) ? by_tokens[tokens - 1] : nullptr;
}

}  // namespace ql::cpu
