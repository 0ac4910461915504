// Panels of bf16 for AVX-512, in the layout that both vdpbf16ps and AMX tiles take: pairs of steps of p side by side.
//
// panel[p / 2][column] is a pair (p, p + 1) of one column, 32 bits; a row has 64 of them. For tiles the 64 columns lie
// apart by sixteens: panel[column / 16][p / 2][column % 16], so that 16 rows are a "B" tile of AMX, 1 KB in one piece.
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

/// Where the pairs of a panel lie: rows, and sixteens of columns, are so many pairs apart.
struct VectorPanel {
    static constexpr int64_t row = kPairs, sixteen = kLanes;
    static constexpr bool fetches_next = true;  // while it is packed; else by PackedRows
};
struct TilePanel {
    int64_t sixteen;
    static constexpr int64_t row = kLanes;
    static constexpr bool fetches_next = false;
    explicit TilePanel(int64_t rows) : sixteen(rows * kLanes) {}
};

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

/// The planes of a weight of either nf4 type, found once: a block is decoded in a dozen instructions.
class NF4Planes {
  public:
    explicit NF4Planes(const Weight & w) : codes_(static_cast<const uint8_t *>(w.data)) {
        if (w.dtype == QL_NF4) {
            absmax_ = NF4Layout(w.data, w.elements()).absmax;
        } else if (w.dtype == QL_NF4_DQ) {
            const NF4DQLayout at(w.data, w.elements());
            absmax_codes_ = at.absmax_codes, absmax_ = at.absmax2, offset_ = at.offset;
        }
    }
    const uint8_t * codes(int64_t block) const { return codes_ + block * 32; }
    float absmax(int64_t block) const {
        if (!absmax_codes_) return absmax_[block];
        const float product = kDynamicMapSigned[absmax_codes_[block]] * absmax_[block / 256];
        return product + offset_;
    }

  private:
    const uint8_t *codes_, *absmax_codes_ = nullptr;
    const float * absmax_ = nullptr;
    float offset_ = 0;
};

inline __m512 scaled_codebook(float absmax) {
    return _mm512_mul_ps(_mm512_loadu_ps(kNF4Codebook), _mm512_set1_ps(absmax));
}

/// Bytes of a weight: rows, `stride` apart.
struct PackedRows {
    const char * first;
    int64_t rows, stride, bytes;
};

/// Steps [p0, p0 + depth) of a term for the columns of a group, in pairs: rows of kPairs in a panel. A step past the
/// last is zero.
template <typename Layout>
class PackerBf16 {
  public:
    explicit PackerBf16(const Term<uint16_t> & t, Layout layout = {})
        : layout_(layout),
          w_(t.w),
          planes_(t.w),
          side_(t.side),
          scale_(t.scale),
          plain_(t.scale == 1),
          nf4_(plain_ && is_nf4(t.w.dtype)),
          q8_0_(plain_ && t.w.dtype == QL_Q8_0),
          blocks_(packed_blocks(t.w.dtype)),
          decode_(span_decoder(t.w.dtype)) {}

    void pack(int64_t group, int64_t p0, int64_t depth, uint32_t * panel) const {
        const int64_t column = group * kGroup;
        if (side_ == Side::backward) {
            if (nf4_) return pack_rows_nf4(column, p0, depth, panel);
            if (q8_0_) return pack_rows_q8_0(column, p0, depth, panel);
            if (w_.dtype == QL_F32) return pack_rows_f32(column, p0, depth, panel);
            if (w_.dtype == QL_BF16 && plain_) return pack_rows_bf16(column, p0, depth, panel);
            return pack_rows(column, p0, depth, panel);
        }
        for (int64_t i = 0; i < kGroup; i += kLanes)
            pack_columns(column + i, p0, depth, panel + i / kLanes * layout_.sixteen);
    }

    /// What pack() reads of the weight's main plane.
    PackedRows rows_of(int64_t group, int64_t p0, int64_t depth) const {
        const int64_t column = group * kGroup;
        const auto bytes = [&](int64_t elements) { return (elements >> blocks_.shift) * blocks_.bytes; };
        const bool backward = side_ == Side::backward;
        const int64_t first = backward ? p0 * w_.k + column : column * w_.k + p0;
        const int64_t rows = backward ? depth : smaller(kGroup, w_.m - column);
        return {static_cast<const char *>(w_.data) + bytes(first), rows, bytes(w_.k),
                bytes(backward ? smaller(kGroup, w_.k - column) : depth)};
    }

  private:
    static constexpr int64_t kSpan = 256;
    static constexpr int64_t kAhead = 16;  // rows that a prefetch is ahead

    /// 16 pairs of a row, from column j on.
    void store(uint32_t * row, int64_t j, __m512i pairs) const {
        _mm512_store_si512(row + j / kLanes * layout_.sixteen, pairs);
    }

    /// Asks for the bytes of elements [first, first + count). Packing asks for those of the group after its own, whose
    /// turn comes when this one has been multiplied; they may lie past the weight's end.
    void fetch(int64_t first, int64_t count) const {
        if (Layout::fetches_next) fetch_packed(w_, blocks_, first, count);
    }

    /// A row of W to bf16.
    void decode_row(int64_t first, int64_t count, uint16_t * dst) const {
        if (nf4_) return decode_nf4(first, count, dst);
        if (plain_ && w_.dtype == QL_BF16) return copy_row(first, count, dst);
        alignas(64) float buffer[kSpan];
        decode_(w_, first, count, buffer);
        if (!plain_)
            for (int64_t i = 0; i < count; ++i) buffer[i] *= scale_;
        round_span(buffer, count, dst);
    }

    void decode_nf4(int64_t first, int64_t count, uint16_t * dst) const {
        for (int64_t block = first / 64; block < (first + count) / 64; ++block, dst += 64) {
            const __m512 table = scaled_codebook(planes_.absmax(block));
            const __m512i values =
                (__m512i)_mm512_cvtne2ps_pbh(table, table);  // twice, so that bit 4 of an index is ignored
            const __m512i codes =
                _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(planes_.codes(block))));
            _mm512_storeu_si512(dst, _mm512_permutexvar_epi16(codes, values));
            _mm512_storeu_si512(dst + 32, _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 4), values));
        }
    }

    void copy_row(int64_t first, int64_t count, uint16_t * dst) const {
        __builtin_memcpy(dst, static_cast<const uint16_t *>(w_.data) + first,
                         static_cast<size_t>(count) * sizeof(*dst));
        for (int64_t i = count; i % 32 != 0; ++i) dst[i] = 0;
    }

    const Q8_0::Block * q8_0_block(int64_t element) const {
        return static_cast<const Q8_0::Block *>(w_.data) + element / 32;
    }
    /// The scales of the blocks at `element` of its row and of the next rows, `rows` of 16.
    __m512 q8_0_scales(int64_t element, int64_t rows) const {
        const auto row = static_cast<int32_t>(w_.k / 32 * static_cast<int64_t>(sizeof(Q8_0::Block)));
        const __m512i at = _mm512_mullo_epi32(_mm512_set1_epi32(row),
                                              _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
        const __m512i d =
            _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), first_lanes(rows), at, &q8_0_block(element)->d, 1);
        return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(d));
    }
    /// Half a block: 16 codes times the scale.
    static __m512 q8_0_half(const int8_t * q, const float & d) {
        const __m512i codes = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(q)));
        return _mm512_mul_ps(_mm512_cvtepi32_ps(codes), _mm512_set1_ps(d));
    }

    /// As pack_columns: steps [p, p + count) of n rows of W.
    void decode_columns_q8_0(int64_t column, int64_t n, int64_t p, int64_t count, uint16_t * rows) const {
        alignas(64) float scales[kLanes];
        for (int64_t i = 0; i < count; i += 32) {
            const int64_t first = column * w_.k + p + i;
            _mm512_store_ps(scales, q8_0_scales(first, n));
            const Q8_0::Block * block = q8_0_block(first);
            for (int64_t r = 0; r < n; ++r, block += w_.k / 32)
                _mm512_store_si512(rows + r * kSpan + i,
                                   to_bf16(q8_0_half(block->q, scales[r]), q8_0_half(block->q + 16, scales[r])));
        }
    }

    /// Rows of the panel, sixteen rows of W at a time.
    void pack_rows_q8_0(int64_t column, int64_t p0, int64_t depth, uint32_t * panel) const {
        const int64_t n = smaller(kGroup, w_.k - column), blocks = w_.k / 32;
        alignas(64) float scales[kLanes];
        for (int64_t p = 0; p < depth; p += kLanes, panel += kLanes / 2 * Layout::row) {
            const int64_t first = (p0 + p) * w_.k + column, rows = smaller(kLanes, depth - p);
            for (int64_t r = 0; r < rows; ++r) fetch(first + r * w_.k + n, n);
            for (int64_t j = 0; j < n; j += 32) {
                _mm512_store_ps(scales, q8_0_scales(first + j, rows));
                const Q8_0::Block * even = q8_0_block(first + j);
                for (int64_t r = 0; r < rows; r += 2, even += 2 * blocks) {
                    const Q8_0::Block * odd = r + 1 < rows ? even + blocks : even;  // the scale of none is 0
                    for (int64_t half = 0; half < 32; half += 16)
                        store(panel + r / 2 * Layout::row, j + half,
                              to_pairs(q8_0_half(even->q + half, scales[r]), q8_0_half(odd->q + half, scales[r + 1])));
                }
            }
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
                if (!q8_0_) decode_row(first, count, rows + r * kSpan);
            }
            if (q8_0_) decode_columns_q8_0(column, n, p0 + s, count, rows);
            for (int64_t i = 0; i < count; i += 32) {
                uint32_t * to = panel + (s + i) / 2 * Layout::row;
                transpose_rows(reinterpret_cast<const uint32_t *>(rows + i), kSpan / 2,
                               [&](int r, __m512i pairs) { _mm512_store_si512(to + r * Layout::row, pairs); });
            }
        }
    }

    /// Rows of the panel, which are pairs of rows of W.
    void pack_rows(int64_t column, int64_t p0, int64_t depth, uint32_t * panel) const {
        const int64_t n = smaller(kGroup, w_.k - column);
        alignas(64) uint16_t rows[2][kGroup] = {};
        for (int64_t p = 0; p < depth; p += 2, panel += Layout::row) {
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
                store(panel, j, pairs.low);
                store(panel, j + 16, pairs.high);
            }
        }
    }

    // Matrices of LoRA and activations, whose rows are read where they are.

    void pack_rows_f32(int64_t column, int64_t p0, int64_t depth, uint32_t * panel) const {
        const int64_t n = smaller(kGroup, w_.k - column);
        const float * row = static_cast<const float *>(w_.data) + p0 * w_.k + column;
        const __m512 scale = _mm512_set1_ps(scale_);
        for (int64_t p = 0; p < depth; p += 2, row += 2 * w_.k, panel += Layout::row)
            for (int64_t j = 0; j < n; j += kLanes) {
                const __mmask16 there = first_lanes(n - j), pair = p + 1 < depth ? there : 0;
                const __m512 even = _mm512_mul_ps(_mm512_maskz_loadu_ps(there, row + j), scale);
                const __m512 odd = _mm512_mul_ps(_mm512_maskz_loadu_ps(pair, row + w_.k + j), scale);
                store(panel, j, to_pairs(even, odd));
            }
    }

    void pack_rows_bf16(int64_t column, int64_t p0, int64_t depth, uint32_t * panel) const {
        const int64_t n = smaller(kGroup, w_.k - column);
        const auto * row = static_cast<const uint16_t *>(w_.data) + p0 * w_.k + column;
        for (int64_t p = 0; p < depth; p += 2, row += 2 * w_.k, panel += Layout::row) {
            for (int64_t i = kAhead; i < kAhead + 2; ++i) {
                __builtin_prefetch(row + i * w_.k);
                __builtin_prefetch(row + i * w_.k + 32);
            }
            for (int64_t j = 0; j < n; j += kLanes) {
                const __mmask16 there = first_lanes(n - j), pair = p + 1 < depth ? there : 0;
                const __m512i even = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, row + j));
                const __m512i odd = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(pair, row + w_.k + j));
                store(panel, j, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
            }
        }
    }

    /// A block of each of two rows at once: the table holds both rows' values, and the indices come out interleaved.
    void pack_rows_nf4(int64_t column, int64_t p0, int64_t depth, uint32_t * panel) const {
        const __m512i nibbles = _mm512_set1_epi32(0x000f000f), second_row = _mm512_set1_epi32(0x00100000);
        for (int64_t p = 0; p < depth; p += 2, panel += Layout::row) {
            const int64_t even = ((p0 + p) * w_.k + column) / 64;
            const bool pair = p + 1 < depth;
            const int64_t odd = pair ? even + w_.k / 64 : even;
            fetch((even + 1) * 64, 64);
            fetch((odd + 1) * 64, 64);
            const __m512 odd_table = pair ? scaled_codebook(planes_.absmax(odd)) : _mm512_setzero_ps();
            const __m512i values = (__m512i)_mm512_cvtne2ps_pbh(odd_table, scaled_codebook(planes_.absmax(even)));
            for (int64_t j = 0; j < 32; j += 16) {
                const auto * a = reinterpret_cast<const __m128i *>(planes_.codes(even) + j);
                const auto * b = reinterpret_cast<const __m128i *>(planes_.codes(odd) + j);
                const __m512i bytes = _mm512_or_si512(_mm512_cvtepu8_epi32(_mm_loadu_si128(a)),
                                                      _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128(b)), 16));
                const auto index = [&](__m512i x) { return _mm512_or_si512(_mm512_and_si512(x, nibbles), second_row); };
                store(panel, j, _mm512_permutexvar_epi16(index(bytes), values));
                store(panel, j + 32, _mm512_permutexvar_epi16(index(_mm512_srli_epi16(bytes, 4)), values));
            }
        }
    }

    const Layout layout_;
    const Weight w_;
    const NF4Planes planes_;
    const Side side_;
    const float scale_;
    const bool plain_;  // no scale: the decoders below may be taken
    const bool nf4_, q8_0_;
    const PackedBlocks blocks_;
    const SpanDecoder decode_;
};

}  // namespace
}  // namespace ql::cpu
