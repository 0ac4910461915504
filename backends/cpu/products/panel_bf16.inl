// Panels of bf16 for AVX-512, in the layout that both vdpbf16ps and AMX tiles take: pairs of steps of p side by side.
//
// panel[p / 2][column] is a pair (p, p + 1) of one column, 32 bits; a row has 64 of them. 16 columns of 16 rows, at a
// stride of a row, are a "B" tile of AMX.
//
// Included by translation units that are compiled for AVX-512 BF16 and entered only where the processor has it; nothing
// here may call an inline function of another file that is not always inlined.
//
// NF4 is decoded straight to bf16: the codebook times absmax, rounded to bf16, is a table in a register that vpermw
// looks 32 codes up in - the values that decoding to f32 and rounding gives. Q8_0, the type of most heads, has its own
// decoder too; other types are decoded to f32 first.
#pragma once
#include "backends/cpu/avx512.inl"
#include "backends/cpu/products/decode.hpp"
#include "backends/cpu/products/gemm.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/nf4.hpp"
#include "ggml/dtypes/nf4_dq.hpp"
#include "ggml/dtypes/q8_0.hpp"

namespace ql::cpu {
namespace {

constexpr int64_t kPairs = kGroup;  // 32-bit pairs in a row of the panel

inline __m512i round_pair(const float * x) {
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));
}

/// n floats to bf16, zeros behind them up to a multiple of 32.
inline void round_span(const float * x, int64_t n, uint16_t * dst) {
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) _mm512_storeu_si512(dst + i, round_pair(x + i));
    if (i == n) return;
    const uint32_t mask = (1u << (n - i)) - 1;
    const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), x + i);
    const __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), x + i + 16);
    _mm512_storeu_si512(dst + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/// The codes of a block of a weight of either nf4 type, and its scale.
inline const uint8_t * nf4_codes(const Weight & w, int64_t block) {
    return static_cast<const uint8_t *>(w.data) + block * 32;
}
inline float nf4_absmax(const Weight & w, int64_t block) {
    return w.dtype == QL_NF4 ? NF4Layout(w.data, w.k * w.m).absmax[block]
                             : NF4DQLayout(w.data, w.k * w.m).absmax(block);
}

inline __m512 scaled_codebook(float absmax) {
    return _mm512_mul_ps(_mm512_loadu_ps(kNF4Codebook), _mm512_set1_ps(absmax));
}

/// Blocks as they lie in memory; of a planar format, those of its codes.
struct Blocks {
    int64_t length, bytes;
};
inline Blocks blocks_of(ql_dtype dtype) {
    if (is_nf4(dtype)) return {64, 32};
    const DTypeDef * def = find_dtype(dtype);
    return {def->block_length, static_cast<int64_t>(def->block_bytes)};
}

/// Steps [p0, p0 + depth) of a term for the columns of a group, in pairs: rows of kPairs in a panel. A step past the
/// last is zero.
class PackerBf16 {
  public:
    explicit PackerBf16(const Term<uint16_t> & t)
        : w_(t.w),
          side_(t.side),
          scale_(t.scale),
          plain_(t.scale == 1),
          nf4_(plain_ && is_nf4(t.w.dtype)),
          blocks_(blocks_of(t.w.dtype)),
          decode_(span_decoder(t.w.dtype)) {}

    void pack(int64_t group, int64_t p0, int64_t depth, uint32_t * panel) const {
        const int64_t column = group * kGroup;
        if (side_ == Side::backward) {
            if (nf4_) return pack_rows_nf4(column, p0, depth, panel);
            if (w_.dtype == QL_F32) return pack_rows_f32(column, p0, depth, panel);
            if (w_.dtype == QL_BF16 && plain_) return pack_rows_bf16(column, p0, depth, panel);
            return pack_rows(column, p0, depth, panel);
        }
        for (int64_t i = 0; i < kGroup; i += kLanes) pack_columns(column + i, p0, depth, panel + i);
    }

  private:
    static constexpr int64_t kSpan = 256;
    static constexpr int64_t kAhead = 16;  // rows that a prefetch is ahead

    /// Asks for the bytes of elements [first, first + count). Packing asks for those of the group after its own, whose
    /// turn comes when this one has been multiplied; they may lie past the weight's end.
    void fetch(int64_t first, int64_t count) const {
        const auto * data = static_cast<const char *>(w_.data);
        const char * last = data + (first + count - 1) / blocks_.length * blocks_.bytes;
        for (const char * at = data + first / blocks_.length * blocks_.bytes; at < last; at += 64)
            __builtin_prefetch(at);
        __builtin_prefetch(last);
    }

    /// A row of W to bf16.
    void decode_row(int64_t first, int64_t count, uint16_t * dst) const {
        if (nf4_) return decode_nf4(first, count, dst);
        if (plain_ && w_.dtype == QL_Q8_0) return decode_q8_0(first, count, dst);
        if (plain_ && w_.dtype == QL_BF16) return copy_row(first, count, dst);
        alignas(64) float buffer[kSpan];
        decode_(w_, first, count, buffer);
        if (!plain_)
            for (int64_t i = 0; i < count; ++i) buffer[i] *= scale_;
        round_span(buffer, count, dst);
    }

    void decode_nf4(int64_t first, int64_t count, uint16_t * dst) const {
        for (int64_t block = first / 64; block < (first + count) / 64; ++block, dst += 64) {
            const __m512 table = scaled_codebook(nf4_absmax(w_, block));
            const __m512i values =
                (__m512i)_mm512_cvtne2ps_pbh(table, table);  // twice, so that bit 4 of an index is ignored
            const __m512i codes =
                _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(nf4_codes(w_, block))));
            _mm512_storeu_si512(dst, _mm512_permutexvar_epi16(codes, values));
            _mm512_storeu_si512(dst + 32, _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 4), values));
        }
    }

    void copy_row(int64_t first, int64_t count, uint16_t * dst) const {
        __builtin_memcpy(dst, static_cast<const uint16_t *>(w_.data) + first,
                         static_cast<size_t>(count) * sizeof(*dst));
        for (int64_t i = count; i % 32 != 0; ++i) dst[i] = 0;
    }

    void decode_q8_0(int64_t first, int64_t count, uint16_t * dst) const {
        const auto * block = static_cast<const Q8_0::Block *>(w_.data) + first / 32;
        for (const auto * end = block + count / 32; block < end; ++block, dst += 32) {
            const __m512 d = _mm512_set1_ps(_cvtsh_ss(block->d));
            const auto * q = reinterpret_cast<const __m128i *>(block->q);
            const __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(q)));
            const __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(q + 1)));
            _mm512_storeu_si512(dst, (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(high, d), _mm512_mul_ps(low, d)));
        }
    }

    /// 16 columns of the panel, which are rows of W.
    void pack_columns(int64_t column, int64_t p0, int64_t depth, uint32_t * panel) const {
        alignas(64) uint16_t rows[kLanes * kSpan];
        const int64_t n = smaller(w_.m - column, kLanes);
        if (n <= 0) return;  // whatever the sums there are, they are not stored
        if (n < kLanes) __builtin_memset(rows, 0, sizeof(rows));
        for (int64_t s = 0; s < depth; s += kSpan) {
            const int64_t count = smaller(kSpan, depth - s);
            for (int64_t r = 0; r < n; ++r) {
                const int64_t first = (column + r) * w_.k + p0 + s;
                fetch(first + kGroup * w_.k, count);
                decode_row(first, count, rows + r * kSpan);
            }
            for (int64_t i = 0; i < count; i += 32) {
                __m512i v[16];
#pragma GCC unroll 16
                for (int r = 0; r < 16; ++r) v[r] = _mm512_load_si512(rows + r * kSpan + i);
                transpose(v);
#pragma GCC unroll 16
                for (int r = 0; r < 16; ++r) _mm512_store_si512(panel + ((s + i) / 2 + r) * kPairs, v[r]);
            }
        }
    }

    /// Rows of the panel, which are pairs of rows of W.
    void pack_rows(int64_t column, int64_t p0, int64_t depth, uint32_t * panel) const {
        const int64_t n = smaller(kGroup, w_.k - column);
        alignas(64) uint16_t rows[2][kGroup] = {};
        for (int64_t p = 0; p < depth; p += 2, panel += kPairs) {
            const int64_t first = (p0 + p) * w_.k + column;
            fetch(first + n, n);
            fetch(first + n + w_.k, n);
            decode_row(first, n, rows[0]);
            if (p + 1 < depth)
                decode_row(first + w_.k, n, rows[1]);
            else
                __builtin_memset(rows[1], 0, sizeof(rows[1]));
            for (int64_t j = 0; j < kGroup; j += 32) {
                const Pairs pairs = interleave(_mm512_load_si512(rows[0] + j), _mm512_load_si512(rows[1] + j));
                _mm512_store_si512(panel + j, pairs.low);
                _mm512_store_si512(panel + j + 16, pairs.high);
            }
        }
    }

    // Matrices of LoRA and activations, whose rows are read where they are.

    void pack_rows_f32(int64_t column, int64_t p0, int64_t depth, uint32_t * panel) const {
        const int64_t n = smaller(kGroup, w_.k - column);
        const float * row = static_cast<const float *>(w_.data) + p0 * w_.k + column;
        const __m512 scale = _mm512_set1_ps(scale_);
        for (int64_t p = 0; p < depth; p += 2, row += 2 * w_.k, panel += kPairs)
            for (int64_t j = 0; j < n; j += kLanes) {
                const __mmask16 there = first_lanes(n - j), pair = p + 1 < depth ? there : 0;
                const __m512 even = _mm512_mul_ps(_mm512_maskz_loadu_ps(there, row + j), scale);
                const __m512 odd = _mm512_mul_ps(_mm512_maskz_loadu_ps(pair, row + w_.k + j), scale);
                _mm512_store_si512(panel + j, to_pairs(even, odd));
            }
    }

    void pack_rows_bf16(int64_t column, int64_t p0, int64_t depth, uint32_t * panel) const {
        const int64_t n = smaller(kGroup, w_.k - column);
        const auto * row = static_cast<const uint16_t *>(w_.data) + p0 * w_.k + column;
        for (int64_t p = 0; p < depth; p += 2, row += 2 * w_.k, panel += kPairs) {
            for (int64_t i = kAhead; i < kAhead + 2; ++i) {
                __builtin_prefetch(row + i * w_.k);
                __builtin_prefetch(row + i * w_.k + 32);
            }
            for (int64_t j = 0; j < n; j += kLanes) {
                const __mmask16 there = first_lanes(n - j), pair = p + 1 < depth ? there : 0;
                const __m512i even = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, row + j));
                const __m512i odd = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(pair, row + w_.k + j));
                _mm512_store_si512(panel + j, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
            }
        }
    }

    /// A block of each of two rows at once: the table holds both rows' values, and the indices come out interleaved.
    void pack_rows_nf4(int64_t column, int64_t p0, int64_t depth, uint32_t * panel) const {
        const __m512i nibbles = _mm512_set1_epi32(0x000f000f), second_row = _mm512_set1_epi32(0x00100000);
        for (int64_t p = 0; p < depth; p += 2, panel += kPairs) {
            const int64_t even = ((p0 + p) * w_.k + column) / 64;
            const bool pair = p + 1 < depth;
            const int64_t odd = pair ? even + w_.k / 64 : even;
            __builtin_prefetch(nf4_codes(w_, even + 1));  // see fetch
            __builtin_prefetch(nf4_codes(w_, odd + 1));
            const __m512 odd_table = pair ? scaled_codebook(nf4_absmax(w_, odd)) : _mm512_setzero_ps();
            const __m512i values = (__m512i)_mm512_cvtne2ps_pbh(odd_table, scaled_codebook(nf4_absmax(w_, even)));
            for (int64_t j = 0; j < 32; j += 16) {
                const auto * a = reinterpret_cast<const __m128i *>(nf4_codes(w_, even) + j);
                const auto * b = reinterpret_cast<const __m128i *>(nf4_codes(w_, odd) + j);
                const __m512i bytes = _mm512_or_si512(_mm512_cvtepu8_epi32(_mm_loadu_si128(a)),
                                                      _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128(b)), 16));
                const auto index = [&](__m512i x) { return _mm512_or_si512(_mm512_and_si512(x, nibbles), second_row); };
                _mm512_store_si512(panel + j, _mm512_permutexvar_epi16(index(bytes), values));
                _mm512_store_si512(panel + j + 32,
                                   _mm512_permutexvar_epi16(index(_mm512_srli_epi16(bytes, 4)), values));
            }
        }
    }

    const Weight w_;
    const Side side_;
    const float scale_;
    const bool plain_;  // no scale: the decoders below may be taken
    const bool nf4_;
    const Blocks blocks_;
    const SpanDecoder decode_;
};

}  // namespace
}  // namespace ql::cpu
