// The product in int8, one source for every instruction set; int8.hpp says what it computes.
//
// Split of work: gemm.hpp. Codes are held in 16 bits and multiplied in pairs of steps, as vpmaddwd does: exact whatever
// the codes are, which vpmaddubsw, the product of bytes before VNNI, is not. The micro-kernel holds 6 rows by 2 vectors
// of sums (4 where there are 32 registers): a pair of steps loads those vectors of B, broadcasts 6 pairs of A and makes
// 12 (24) products and additions. Sums in f32 lie in L1, and take up a block's int32 sums every 64 steps.
// Memory traffic a pair of steps and thread: B 256 bytes from L2, A 24 bytes, for 768 multiply-adds.
// Decoding costs a pass over the panel in L1, rounding two; forward panels are also transposed, in pairs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/gemm_int8.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "backends/cpu/products/decode.hpp"
#include "backends/cpu/products/depth_blocks.hpp"
#include "backends/cpu/products/int8.hpp"
#include "backends/cpu/products/int8_blocks.inl"
#include "backends/cpu/products/pieces.hpp"
#include "backends/cpu/products/transpose.inl"
#include "backends/cpu/split.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kInt8Vectors = 4;  // 24 sums in 32 registers
#elif HWY_TARGET == HWY_NEON
constexpr int kInt8Vectors = 2;  // of two sums each
#else
constexpr int kInt8Vectors = 2;  // 12 sums in 16 registers
#endif
constexpr int64_t kInt8Width = kLanes * kInt8Vectors;  // columns of a micro-kernel; groups are a multiple of it
constexpr int64_t kBlockPairs = kInt8Block / 2;

// A vector of pairs: of 16-bit codes of two neighbouring steps, the even one in the lower half.

/// Sums of products of pairs. NEON adds up what the lower and the upper pairs give apart.
struct PairSums {
    VecI32 even, odd;

    HWY_INLINE void add(VecI32 a, VecI32 b) {
#if HWY_TARGET == HWY_SCALAR
        const int32_t x = hn::GetLane(a), y = hn::GetLane(b);
        even = hn::Add(even, hn::Set(kI32, static_cast<int16_t>(x) * static_cast<int16_t>(y) + (x >> 16) * (y >> 16)));
#else
        const hn::Repartition<int16_t, TagI32> halves;
        const auto x = hn::BitCast(halves, a), y = hn::BitCast(halves, b);
#if HWY_TARGET == HWY_AVX2
        // The addition is out of the compiler's hands: GCC 12 collects the products before it adds them up, which takes
        // more registers than there are, or puts a move beside every addition. 512 x 2048 x 64, Zen 3, one thread, GOP/s:
        // 60 by what it makes of intrinsics, 110 where it may not collect, 147 so.
        const VecI32 product = hn::ReorderWidenMulAccumulate(kI32, x, y, hn::Zero(kI32), odd);
        __asm__("vpaddd %1, %0, %0" : "+x"(even.raw) : "x"(product.raw));
#else
        even = hn::ReorderWidenMulAccumulate(kI32, x, y, even, odd);
#endif
#endif
    }
    HWY_INLINE Vec total() const {
        return hn::ConvertTo(kF32, hn::RearrangeToOddPlusEven(even, odd));
    }
};

/// Steps [p0, p0 + depth) of a term for the columns of a group: rows of kGroup pairs, and of kGroup scales.
class PackerInt8 {
  public:
    explicit PackerInt8(const Term<int16_t> & t)
        : w_(t.w), side_(t.side), scale_(t.scale), decode_(span_decoder(t.w.dtype)) {}

    void pack(int64_t group, int64_t p0, int64_t depth, int32_t * pairs, float * scales) const {
        const int64_t column = group * kGroup;
        if (side_ == Side::forward) {
            for (int64_t i = 0; i < kGroup; i += kLanes) pack_columns(column + i, p0, depth, pairs + i, scales + i);
            return;
        }
        for (int64_t p = 0; p < depth; p += kInt8Block, pairs += kBlockPairs * kGroup, scales += kGroup)
            pack_rows(column, p0 + p, std::min(kInt8Block, depth - p), pairs, scales);
    }

  private:
    static constexpr int64_t kSpan = 256;

    /// A block of the depth of W's rows.
    void pack_rows(int64_t column, int64_t p0, int64_t depth, int32_t * pairs, float * scales) const {
        HWY_ALIGN float rows[kInt8Block * kGroup];
        const int64_t n = std::min(kGroup, w_.k - column);
        for (int64_t p = 0; p < depth; ++p) {
            decode_(w_, (p0 + p) * w_.k + column, n, rows + p * kGroup);
            std::fill(rows + p * kGroup + n, rows + (p + 1) * kGroup, 0.0f);
        }
        std::fill(rows + depth * kGroup, rows + kInt8Block * kGroup, 0.0f);
        for (int64_t j = 0; j < kGroup; j += kLanes) {
            VecI32 largest = hn::Zero(kI32);
            for (int64_t p = 0; p < depth; ++p)
                largest = hn::Max(largest, magnitude_bits(hn::Load(kF32, rows + p * kGroup + j)));
            const Int8Scales s = int8_scales_of(largest);
            hn::StoreU(hn::Mul(s.scale, hn::Set(kF32, scale_)), kF32, scales + j);
            const auto code = [&](int64_t p) HWY_ATTR {
                return hn::NearestInt(hn::Mul(hn::Load(kF32, rows + p * kGroup + j), s.inverse));
            };
            for (int64_t p = 0; p < kInt8Block; p += 2) {
                const VecI32 even = hn::And(code(p), hn::Set(kI32, 0xffff)), odd = hn::ShiftLeft<16>(code(p + 1));
                hn::StoreU(hn::Or(even, odd), kI32, pairs + p / 2 * kGroup + j);
            }
        }
    }

    /// W's rows `column` to `column` + kLanes.
    void pack_columns(int64_t column, int64_t p0, int64_t depth, int32_t * pairs, float * scales) const {
        HWY_ALIGN float row[kSpan];
        HWY_ALIGN int16_t codes[kLanes * kSpan] = {};
        const int64_t n = std::min<int64_t>(kLanes, w_.m - column);
        if (n <= 0) return;  // whatever the sums are there, they are not stored
        for (int64_t s = 0; s < depth; s += kSpan) {
            const int64_t count = std::min(kSpan, depth - s), whole = int8_steps(count);
            for (int64_t r = 0; r < n; ++r) {
                decode_(w_, (column + r) * w_.k + p0 + s, count, row);
                std::fill(row + count, row + whole, 0.0f);
                for (int64_t i = 0; i < whole; i += kInt8Block)
                    scales[(s + i) / kInt8Block * kGroup + r] = scale_ * quantize_block(row + i, codes + r * kSpan + i);
            }
            for (int64_t i = 0; i < whole; i += 2 * kLanes)
                transpose(reinterpret_cast<const float *>(codes + i), kSpan / 2,
                          reinterpret_cast<float *>(pairs + (s + i) / 2 * kGroup));
        }
    }

    const Weight w_;
    const Side side_;
    const float scale_;
    const SpanDecoder decode_;
};

/// Where a micro-kernel's result goes.
struct TargetInt8 {
    float * c;
    const float * add;
    int64_t ldc;
    int64_t columns;  // that exist, of kInt8Width
};

/// A stretch of the depth: rows of codes and their scales, and the same of B in the panel.
struct StretchInt8 {
    int64_t blocks;
    const int16_t * a;
    const float * a_scales;
    int64_t a_row;  // of 16 bits
    const int32_t * b;
    const float * b_scales;
};
struct StretchesInt8 {
    StretchInt8 stretch[kMaxTerms];
    int n = 0;
};

/// Two codes of a row, in all lanes.
HWY_INLINE VecI32 broadcast_pair(const int16_t * a) {
    int32_t pair;
    hwy::CopyBytes<sizeof(pair)>(a, &pair);
    return hn::Set(kI32, pair);
}

/// sum[r][v] of a block: rows of A from a, vectors of B from b.
template <int R, int NV>
HWY_INLINE void multiply_block(const int16_t * a, int64_t a_row, const int32_t * b, PairSums (&sum)[R][NV]) {
    for (int64_t p = 0; p < kBlockPairs; ++p, a += 2, b += kGroup) {
        VecI32 x[NV];
        HWY_UNROLL(4)
        for (int v = 0; v < NV; ++v) x[v] = hn::LoadU(kI32, b + v * kLanes);
        HWY_UNROLL(6)
        for (int r = 0; r < R; ++r) {
            const VecI32 y = broadcast_pair(a + r * a_row);
            HWY_UNROLL(4)
            for (int v = 0; v < NV; ++v) sum[r][v].add(y, x[v]);
        }
    }
}

template <int R, int NV>
HWY_INLINE void store_int8(const float * sums, const TargetInt8 & to) {
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) {
            const int64_t at = r * to.ldc + v * kLanes, n = to.columns - v * kLanes;
            Vec y = hn::Load(kF32, sums + (r * NV + v) * kLanes);
            if (to.add) y = hn::Add(load_part(to.add + at, n), y);
            store_part(y, to.c + at, n);
        }
}

/// Rows [t, t + R) by NV vectors of columns from column j of the stretches' B.
template <int R, int NV>
HWY_NOINLINE void micro_kernel_int8(const StretchesInt8 & stretches, int64_t t, int64_t j, const TargetInt8 & to) {
    HWY_ALIGN float sums[R * NV * kLanes] = {};
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) __builtin_prefetch(to.c + r * to.ldc + v * kLanes, 1);
    for (const StretchInt8 * stretch = stretches.stretch; stretch < stretches.stretch + stretches.n; ++stretch) {
        const int64_t a_row = stretch->a_row;
        const int16_t * a = stretch->a + t * a_row;
        const float * a_scales = stretch->a_scales + t * a_row / 2;
        const int32_t * b = stretch->b + j;
        const float * b_scales = stretch->b_scales + j;
        for (int64_t block = 0; block < stretch->blocks; ++block) {
            PairSums sum[R][NV];
            HWY_UNROLL(6)
            for (int r = 0; r < R; ++r) {
                HWY_UNROLL(4)
                for (int v = 0; v < NV; ++v) sum[r][v].even = sum[r][v].odd = hn::Zero(kI32);
            }
            multiply_block<R, NV>(a, a_row, b, sum);
            HWY_UNROLL(6)
            for (int r = 0; r < R; ++r) {
                const Vec row_scale = hn::Set(kF32, a_scales[r * a_row / 2]);
                HWY_UNROLL(4)
                for (int v = 0; v < NV; ++v) {
                    float * at = sums + (r * NV + v) * kLanes;
                    const Vec y = hn::Mul(sum[r][v].total(), hn::LoadU(kF32, b_scales + v * kLanes));
                    hn::Store(hn::Add(hn::Load(kF32, at), hn::Mul(y, row_scale)), kF32, at);
                }
            }
            a += kInt8Block, ++a_scales, b += kBlockPairs * kGroup, b_scales += kGroup;
        }
    }
    store_int8<R, NV>(sums, to);
}

using MicroKernelInt8 = void (*)(const StretchesInt8 &, int64_t t, int64_t j, const TargetInt8 &);
template <int NV>
constexpr MicroKernelInt8 kInt8ByRows[kTile] = {micro_kernel_int8<1, NV>, micro_kernel_int8<2, NV>,
                                                micro_kernel_int8<3, NV>, micro_kernel_int8<4, NV>,
                                                micro_kernel_int8<5, NV>, micro_kernel_int8<6, NV>};

StretchesInt8 int8_stretches(const GemmInt8 & g, const DepthBlock & block, int64_t group, std::byte * panel,
                             bool packed) {
    auto * pairs = reinterpret_cast<int32_t *>(panel);
    auto * scales = reinterpret_cast<float *>(panel + kPanelBytes);
    StretchesInt8 stretches;
    for (const Piece & piece : block.list()) {
        const Term<int16_t> & t = g.terms[static_cast<size_t>(piece.term)];
        const StretchInt8 stretch = {int8_steps(piece.depth) / kInt8Block,
                                     t.a + piece.p0,
                                     int8_scales(t.a, t.depth()) + piece.p0 / kInt8Block,
                                     t.a_row,
                                     pairs + piece.at / 2 * kGroup,
                                     scales + piece.at / kInt8Block * kGroup};
        if (!packed)
            PackerInt8(t).pack(group, piece.p0, piece.depth, pairs + piece.at / 2 * kGroup,
                               scales + piece.at / kInt8Block * kGroup);
        stretches.stretch[stretches.n++] = stretch;
    }
    return stretches;
}

void multiply_tiles_int8(const GemmInt8 & g, const DepthBlock & block, const GroupTiles & of) {
    const StretchesInt8 stretches = int8_stretches(g, block, of.group, of.panel, of.packed);
    const int64_t first = of.group * kGroup, columns = std::min(kGroup, g.columns() - first);
    const float * add = block.first ? g.add : g.c;
    for (int64_t tile = of.first; tile < of.last; ++tile) {
        const int64_t t = tile * kTile, rows = std::min(kTile, g.rows - t);
        for (int64_t j = 0; j < columns; j += kInt8Width) {
            const int64_t at = t * g.ldc + first + j;
            kInt8ByRows<kInt8Vectors>[rows - 1](stretches, t, j,
                                                {g.c + at, add ? add + at : nullptr, g.ldc, columns - j});
        }
    }
}

void quantize_span(const float * x, int64_t n, int16_t * dst) {
    auto * scales = reinterpret_cast<float *>(dst + int8_steps(n));
    int64_t i = 0;
    for (; i + kInt8Block <= n; i += kInt8Block) *scales++ = quantize_block(x + i, dst + i);
    if (i == n) return;
    HWY_ALIGN float last[kInt8Block] = {};
    std::copy(x + i, x + n, last);
    *scales = quantize_block(last, dst + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(multiply_tiles_int8);
HWY_EXPORT(quantize_span);

void gemm_int8(Pool & pool, const GemmInt8 & g, std::byte * scratch) {
    const auto multiply = HWY_DYNAMIC_DISPATCH(multiply_tiles_int8);
    constexpr int64_t kTilesOfPiece = 8;
    DepthBlocks<int16_t> blocks(g.terms, kPanelDepthInt8, kInt8Block);
    for (DepthBlock block; blocks.next(block);)
        run_pieces(pool, g.groups(), (g.rows + kTile - 1) / kTile, kTilesOfPiece, scratch, kInt8PanelBytes,
                   [&](const GroupTiles & of) { multiply(g, block, of); });
}

void quantize_rows(Pool & pool, const float * x, int64_t n, int64_t rows, int16_t * dst) {
    const auto quantize = HWY_DYNAMIC_DISPATCH(quantize_span);
    const int64_t stride = int8_stride(n);
    split_rows(pool, rows, n, [=](int64_t t, int64_t last) {
        for (; t < last; ++t) quantize(x + t * n, n, dst + t * stride);
    });
}

}  // namespace ql::cpu
#endif
