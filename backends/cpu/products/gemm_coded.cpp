// The product of integers, one source for every instruction set; coded.hpp says what it computes.
//
// Split of work: gemm.hpp. Codes are held in 16 bits and multiplied in pairs of steps, as vpmaddwd does: exact whatever
// the codes are, which vpmaddubsw, the product of bytes before VNNI, is not. The micro-kernel holds 6 rows by 2 vectors
// of sums (4 where there are 32 registers): a pair of steps loads those vectors of B, broadcasts 6 pairs of A and makes
// 12 (24) products and additions. Sums in f32 lie in L1, and take up the int32 sums at the end of a block.
// Memory traffic a pair of steps and thread: B 256 bytes from L2, A 24 bytes, for 768 multiply-adds.
// Decoding costs a pass over the panel in L1, rounding two; forward panels are also transposed, in pairs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/gemm_coded.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "backends/cpu/products/decode.hpp"
#include "backends/cpu/products/depth_blocks.hpp"
#include "backends/cpu/products/coded.hpp"
#include "backends/cpu/products/coded_blocks.inl"
#include "backends/cpu/products/pieces.hpp"
#include "backends/cpu/products/transpose.inl"
#include "backends/cpu/split.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kCodedVectors = 4;  // 24 sums in 32 registers
#elif HWY_TARGET == HWY_NEON
constexpr int kCodedVectors = 2;  // of two sums each
#else
constexpr int kCodedVectors = 2;  // 12 sums in 16 registers
#endif
constexpr int64_t kCodedWidth = kLanes * kCodedVectors;  // columns of a micro-kernel; groups are a multiple of it

// A vector of pairs: of 16-bit codes of two neighbouring steps, the even one in the lower half.

/// Adds products of pairs to their sums. NEON adds up what the lower and the upper pairs give apart.
HWY_INLINE void add_pairs(VecI32 a, VecI32 b, VecI32 & even, [[maybe_unused]] VecI32 & odd) {
#if HWY_TARGET == HWY_SCALAR
    const int32_t x = hn::GetLane(a), y = hn::GetLane(b);
    even = hn::Add(even, hn::Set(kI32, static_cast<int16_t>(x) * static_cast<int16_t>(y) + (x >> 16) * (y >> 16)));
#else
    const hn::Repartition<int16_t, TagI32> halves;
    const auto x = hn::BitCast(halves, a), y = hn::BitCast(halves, b);
#if HWY_TARGET == HWY_AVX2
    // The addition is out of the compiler's hands: GCC 12 collects the products before it adds them up, which takes more
    // registers than there are, or puts a move beside every addition. 512 x 2048 x 64, Zen 3, one thread, GOP/s: 60 by
    // what it makes of intrinsics, 110 where it may not collect, 147 so.
    VecI32 sum = even, none;
    const VecI32 product = hn::ReorderWidenMulAccumulate(kI32, x, y, hn::Zero(kI32), none);
    __asm__("vpaddd %1, %0, %0" : "+x"(sum.raw) : "x"(product.raw));
    even = sum;
#else
    even = hn::ReorderWidenMulAccumulate(kI32, x, y, even, odd);
#endif
#endif
}

/// Steps [p0, p0 + depth) of a term for the columns of a group: rows of kGroup pairs, and of kGroup scales.
class PackerCoded {
  public:
    PackerCoded(const Coding & of, const Term<int16_t> & t)
        : of_(of), w_(t.w), side_(t.side), scale_(t.scale), decode_(span_decoder(t.w.dtype)) {}

    void pack(int64_t group, int64_t p0, int64_t depth, int32_t * pairs, float * scales) const {
        const int64_t column = group * kGroup;
        if (side_ == Side::forward) {
            for (int64_t i = 0; i < kGroup; i += kLanes) pack_columns(column + i, p0, depth, pairs + i, scales + i);
            return;
        }
        for (int64_t p = 0; p < depth; p += of_.block, pairs += of_.block / 2 * kGroup, scales += kGroup)
            pack_rows(column, p0 + p, std::min(of_.block, depth - p), pairs, scales);
    }

  private:
    static constexpr int64_t kSpan = 256;  // the longest block
    static_assert(kInt16.block <= kSpan && kSpan % kInt8.block == 0);

    /// A block of the depth of W's rows.
    void pack_rows(int64_t column, int64_t p0, int64_t depth, int32_t * pairs, float * scales) const {
        HWY_ALIGN float rows[kSpan * kGroup];
        const int64_t n = std::min(kGroup, w_.k - column), whole = coded_steps(depth);
        for (int64_t p = 0; p < depth; ++p) {
            decode_(w_, (p0 + p) * w_.k + column, n, rows + p * kGroup);
            std::fill(rows + p * kGroup + n, rows + (p + 1) * kGroup, 0.0f);
        }
        std::fill(rows + depth * kGroup, rows + whole * kGroup, 0.0f);
        for (int64_t j = 0; j < kGroup; j += kLanes) {
            VecI32 largest = hn::Zero(kI32);
            for (int64_t p = 0; p < depth; ++p)
                largest = hn::Max(largest, magnitude_bits(hn::Load(kF32, rows + p * kGroup + j)));
            const BlockScales s = block_scales(of_, largest);
            hn::StoreU(hn::Mul(s.scale, hn::Set(kF32, scale_)), kF32, scales + j);
            const auto code = [&](int64_t p) HWY_ATTR {
                return hn::NearestInt(hn::Mul(hn::Load(kF32, rows + p * kGroup + j), s.inverse));
            };
            for (int64_t p = 0; p < whole; p += 2) {
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
            const int64_t count = std::min(kSpan, depth - s), whole = coded_steps(count);
            for (int64_t r = 0; r < n; ++r) {
                decode_(w_, (column + r) * w_.k + p0 + s, count, row);
                std::fill(row + count, row + whole, 0.0f);
                for (int64_t i = 0; i < whole; i += of_.block)
                    scales[(s + i) / of_.block * kGroup + r] =
                        scale_ * code_block(of_, row + i, std::min(of_.block, whole - i), codes + r * kSpan + i);
            }
            for (int64_t i = 0; i < whole; i += 2 * kLanes)
                transpose(reinterpret_cast<const float *>(codes + i), kSpan / 2,
                          reinterpret_cast<float *>(pairs + (s + i) / 2 * kGroup));
        }
    }

    const Coding & of_;
    const Weight w_;
    const Side side_;
    const float scale_;
    const SpanDecoder decode_;
};

/// A stretch of the depth: rows of codes and their scales, and the same of B in the panel.
struct StretchCoded {
    int64_t steps;
    const int16_t * a;
    const float * a_scales;
    int64_t a_row;  // of 16 bits
    const int32_t * b;
    const float * b_scales;
};
struct StretchesCoded {
    StretchCoded stretch[kMaxTerms];
    int n = 0;
    int64_t block;  // steps with a scale in common
};

/// Two codes of a row, in all lanes.
HWY_INLINE VecI32 broadcast_pair(const int16_t * a) {
    int32_t pair;
    hwy::CopyBytes<sizeof(pair)>(a, &pair);
    return hn::Set(kI32, pair);
}

template <int R, int NV>
HWY_INLINE void store_coded(const float * sums, const TargetF32 & to) {
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) {
            const int64_t at = r * to.ldc + v * kLanes, n = to.columns - v * kLanes;
            if (n <= 0) break;  // a whole vector behind the last column
            Vec y = hn::Load(kF32, sums + (r * NV + v) * kLanes);
            if (to.add) y = hn::Add(load_part(to.add + at, n), y);
            store_part(y, to.c + at, n);
        }
}

/// Rows [t, t + R) by NV vectors of columns from column j of the stretches' B.
template <int R, int NV>
HWY_NOINLINE void micro_kernel_coded(const StretchesCoded & stretches, int64_t t, int64_t j, const TargetF32 & to) {
    HWY_ALIGN float sums[R * NV * kLanes] = {};
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) __builtin_prefetch(to.c + r * to.ldc + v * kLanes, 1);
    for (const StretchCoded * stretch = stretches.stretch; stretch < stretches.stretch + stretches.n; ++stretch) {
        const int64_t a_row = stretch->a_row;
        const int16_t * a = stretch->a + t * a_row;
        const float * a_scales = stretch->a_scales + t * a_row / 2;
        const int32_t * b = stretch->b + j;
        const float * b_scales = stretch->b_scales + j;
        for (int64_t left = stretch->steps; left > 0; left -= stretches.block) {
            VecI32 even[R][NV], odd[R][NV];
            HWY_UNROLL(6)
            for (int r = 0; r < R; ++r) {
                HWY_UNROLL(4)
                for (int v = 0; v < NV; ++v) even[r][v] = odd[r][v] = hn::Zero(kI32);
            }
            const int16_t * at_a = a;
            const int32_t *at_b = b, *end = b + std::min(left, stretches.block) / 2 * kGroup;
            for (; at_b < end; at_a += 2, at_b += kGroup) {
                VecI32 x[NV];
                HWY_UNROLL(4)
                for (int v = 0; v < NV; ++v) x[v] = hn::LoadU(kI32, at_b + v * kLanes);
                HWY_UNROLL(6)
                for (int r = 0; r < R; ++r) {
                    const VecI32 y = broadcast_pair(at_a + r * a_row);
                    HWY_UNROLL(4)
                    for (int v = 0; v < NV; ++v) add_pairs(y, x[v], even[r][v], odd[r][v]);
                }
            }
            HWY_UNROLL(6)
            for (int r = 0; r < R; ++r) {
                const Vec row_scale = hn::Set(kF32, a_scales[r * a_row / 2]);
                HWY_UNROLL(4)
                for (int v = 0; v < NV; ++v) {
                    float * at = sums + (r * NV + v) * kLanes;
                    const Vec y = hn::Mul(hn::ConvertTo(kF32, hn::RearrangeToOddPlusEven(even[r][v], odd[r][v])),
                                          hn::LoadU(kF32, b_scales + v * kLanes));
                    hn::Store(hn::Add(hn::Load(kF32, at), hn::Mul(y, row_scale)), kF32, at);
                }
            }
            a += stretches.block, ++a_scales, b += stretches.block / 2 * kGroup, b_scales += kGroup;
        }
    }
    store_coded<R, NV>(sums, to);
}

using MicroKernelCoded = void (*)(const StretchesCoded &, int64_t t, int64_t j, const TargetF32 &);
template <int NV>
constexpr MicroKernelCoded kCodedByRows[kTile] = {micro_kernel_coded<1, NV>, micro_kernel_coded<2, NV>,
                                                  micro_kernel_coded<3, NV>, micro_kernel_coded<4, NV>,
                                                  micro_kernel_coded<5, NV>, micro_kernel_coded<6, NV>};

StretchesCoded coded_stretches(const Coding & of, const GemmCoded & g, const DepthBlock & block, int64_t group,
                               std::byte * panel, bool packed) {
    StretchesCoded stretches;
    stretches.block = of.block;
    auto * scales = reinterpret_cast<float *>(panel + kPanelBytes);
    for (const Piece & piece : block.list()) {
        const Term<int16_t> & t = g.terms[static_cast<size_t>(piece.term)];
        auto * pairs = reinterpret_cast<int32_t *>(panel) + piece.at / 2 * kGroup;
        if (!packed) PackerCoded(of, t).pack(group, piece.p0, piece.depth, pairs, scales);
        stretches.stretch[stretches.n++] = {coded_steps(piece.depth),
                                            t.a + piece.p0,
                                            coded_scales(t.a, t.depth()) + piece.p0 / of.block,
                                            t.a_row,
                                            pairs,
                                            scales};
        scales += coded_blocks(of, piece.depth) * kGroup;
    }
    return stretches;
}

void multiply_tiles_coded(const Coding & coding, const GemmCoded & g, const DepthBlock & block, const GroupTiles & of) {
    const StretchesCoded stretches = coded_stretches(coding, g, block, of.group, of.panel, of.packed);
    const int64_t first = of.group * kGroup, columns = std::min(kGroup, g.columns() - first);
    const float * add = block.first ? g.add : g.c;
    for (int64_t tile = of.first; tile < of.last; ++tile) {
        const int64_t t = tile * kTile, rows = std::min(kTile, g.rows - t);
        for (int64_t j = 0; j < columns; j += kCodedWidth) {
            const int64_t at = t * g.ldc + first + j;
            kCodedByRows<kCodedVectors>[rows - 1](stretches, t, j,
                                                  {g.c + at, add ? add + at : nullptr, g.ldc, columns - j});
        }
    }
}

/// n numbers of a block where they are, if they fill whole steps, or a copy with zeros behind them.
HWY_INLINE const float * whole_steps(const float * x, int64_t n, float * copy) {
    if (n % kCodedSteps == 0) return x;
    std::fill(std::copy(x, x + n, copy), copy + coded_steps(n), 0.0f);
    return copy;
}

void code_row(const Coding & of, const float * x, int64_t n, int16_t * dst) {
    auto * scales = reinterpret_cast<float *>(dst + coded_steps(n));
    HWY_ALIGN float copy[kInt16.block];
    for (int64_t i = 0; i < n; i += of.block) {
        const int64_t count = std::min(of.block, n - i);
        *scales++ = code_block(of, whole_steps(x + i, count, copy), coded_steps(count), dst + i);
    }
}

/// Codes take half the room of what they are made of, so they do not overtake it. Scales would.
void code_row_in_place(const Coding & of, float * x, int64_t n, float * scales) {
    auto * row = reinterpret_cast<std::byte *>(x);
    HWY_ALIGN float copy[kInt16.block];
    HWY_ALIGN int16_t codes[kInt16.block];
    for (int64_t i = 0; i < n; i += of.block) {
        const int64_t count = std::min(of.block, n - i), steps = coded_steps(count);
        scales[i / of.block] = code_block(of, whole_steps(x + i, count, copy), steps, codes);
        std::memcpy(row + 2 * i, codes, static_cast<size_t>(steps) * sizeof(int16_t));
    }
    std::memcpy(row + 2 * coded_steps(n), scales, static_cast<size_t>(coded_blocks(of, n)) * sizeof(float));
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(multiply_tiles_coded);
HWY_EXPORT(code_row);
HWY_EXPORT(code_row_in_place);

void gemm_coded(Pool & pool, const Coding & of, const GemmCoded & g, std::byte * scratch) {
    const auto multiply = HWY_DYNAMIC_DISPATCH(multiply_tiles_coded);
    constexpr int64_t kTilesOfPiece = 8;
    DepthBlocks<int16_t> blocks(g.terms, kPanelDepthCoded, kCodedSteps);
    for (DepthBlock block; blocks.next(block);)
        run_pieces(pool, g.groups(), (g.rows + kTile - 1) / kTile, kTilesOfPiece, scratch, kCodedPanelBytes,
                   [&](const GroupTiles & tiles) { multiply(of, g, block, tiles); });
}

void code_in_place(const Coding & of, float * x, int64_t n, float * scales) {
    HWY_DYNAMIC_DISPATCH(code_row_in_place)(of, x, n, scales);
}

void code_rows(Pool & pool, const Coding & of, const float * x, int64_t n, int64_t rows, int16_t * dst) {
    const auto code = HWY_DYNAMIC_DISPATCH(code_row);
    const int64_t stride = coded_stride(of, n);
    split_rows(pool, rows, n, [=, &of](int64_t t, int64_t last) {
        for (; t < last; ++t) code(of, x + t * n, n, dst + t * stride);
    });
}

}  // namespace ql::cpu
#endif
