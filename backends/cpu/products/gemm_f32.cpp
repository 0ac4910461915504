// The f32 product, one source for every instruction set.
//
// Split of work: gemm.hpp. The micro-kernel holds 6 rows by 4 vectors of C in registers (2 vectors with AVX2, which has
// 16 registers): a step of p loads those vectors of B, broadcasts 6 elements of A and makes 24 (12) multiply-adds.
// Memory traffic a step and thread: B 256 bytes from L2, A 24 bytes from wherever it is, for 768 FLOP.
// Decoding costs one pass over the panel in L1; forward panels are also transposed, in registers, N x N at a time.
// Measured on Zen 5 (one thread, GFLOP/s of a peak of 229 with AVX-512, NF4, 512 tokens, m x k = 1536 x 576 / 576 x
// 1536 / 2048 x 2048): panels of 64 KB 200 / 200 / 171, 128 KB 202 / 206 / 189, 256 KB 210 / 214 / 203.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/gemm_f32.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "backends/cpu/products/beside.hpp"
#include "backends/cpu/products/decode.hpp"
#include "backends/cpu/products/depth_blocks.hpp"
#include "backends/cpu/products/pieces.hpp"
#include "backends/cpu/products/gemm.hpp"
#include "backends/cpu/products/transpose.inl"
#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

constexpr int kVectors = kLanes == 8 ? 2 : 4;
constexpr int64_t kWidth = kLanes * kVectors;  // columns of a micro-kernel; groups are a multiple of it

HWY_INLINE void multiply_span(float * x, int64_t n, float factor) {
    for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

/// Steps [p0, p0 + depth) of a term for the columns of a group: rows of kGroup in a panel.
class PackerF32 {
  public:
    explicit PackerF32(const Term<float> & t)
        : w_(t.w), side_(t.side), scale_(t.scale), decode_(span_decoder(t.w.dtype)) {}

    void pack(int64_t group, int64_t p0, int64_t depth, float * panel) const {
        if (side_ == Side::backward) return pack_rows(group * kGroup, p0, depth, panel);
        for (int64_t i = 0; i < kGroup; i += kLanes) pack_columns(group * kGroup + i, p0, depth, panel + i);
    }

  private:
    static constexpr int64_t kSpan = 256;

    void decode(int64_t first, int64_t count, float * dst) const {
        decode_(w_, first, count, dst);
        if (scale_ != 1) multiply_span(dst, count, scale_);
    }

    void pack_rows(int64_t column, int64_t p0, int64_t depth, float * panel) const {
        const int64_t n = std::min(kGroup, w_.k - column);
        for (int64_t p = 0; p < depth; ++p) {
            float * row = panel + p * kGroup;
            decode((p0 + p) * w_.k + column, n, row);
            for (int64_t j = n; j < kGroup; ++j) row[j] = 0;
        }
    }

    void pack_columns(int64_t column, int64_t p0, int64_t depth, float * panel) const {
        HWY_ALIGN float rows[kLanes * kSpan];
        const int64_t n = std::min<int64_t>(kLanes, w_.m - column);
        if (n <= 0) return;  // whatever the sums are there, they are not stored
        if (n < kLanes) std::fill_n(rows, kLanes * kSpan, 0.0f);
        for (int64_t s = 0; s < depth; s += kSpan) {
            const int64_t count = std::min(kSpan, depth - s), whole = (count + kLanes - 1) / kLanes * kLanes;
            for (int64_t r = 0; r < n; ++r) {
                decode((column + r) * w_.k + p0 + s, count, rows + r * kSpan);
                for (int64_t i = count; i < whole; ++i) rows[r * kSpan + i] = 0;
            }
            for (int64_t i = 0; i < whole; i += kLanes) transpose(rows + i, kSpan, panel + (s + i) * kGroup);
        }
    }

    const Weight w_;
    const Side side_;
    const float scale_;
    const SpanDecoder decode_;
};

/// A stretch of the depth: rows of A, and B in a panel or, where that needs no decoding, in the weight itself.
struct StretchF32 {
    int64_t depth;
    const float * a;
    int64_t a_row, a_step;
    const float * b;
    int64_t stride;  // from a step of p to the next
};
struct StretchesF32 {
    StretchF32 stretch[kMaxTerms];
    int n = 0;
};

template <int R, int NV>
HWY_INLINE void store_some(const Vec (&sum)[R][NV], const TargetF32 & to) {
    HWY_ALIGN float sums[NV * kLanes];
    for (int r = 0; r < R; ++r) {
        HWY_UNROLL(4)
        for (int v = 0; v < NV; ++v) hn::Store(sum[r][v], kF32, sums + v * kLanes);
        for (int64_t j = 0; j < to.columns; ++j) {
            to.c[r * to.ldc + j] = to.add ? to.add[r * to.ldc + j] + sums[j] : sums[j];
        }
    }
}

template <int R, int NV>
HWY_INLINE void store_all(const Vec (&sum)[R][NV], const TargetF32 & to) {
    HWY_UNROLL(6)
    for (int r = 0; r < R; ++r) {
        HWY_UNROLL(4)
        for (int v = 0; v < NV; ++v) {
            Vec y = sum[r][v];
            if (to.add) y = hn::Add(hn::LoadU(kF32, to.add + r * to.ldc + v * kLanes), y);
            hn::StoreU(y, kF32, to.c + r * to.ldc + v * kLanes);
        }
    }
}

/// Rows [t, t + R) by NV vectors of columns from column j of the stretches' B.
template <int R, int NV>
HWY_NOINLINE void micro_kernel(const StretchesF32 & stretches, int64_t t, int64_t j, const TargetF32 & to) {
    Vec sum[R][NV];
    HWY_UNROLL(6)
    for (int r = 0; r < R; ++r) {
        HWY_UNROLL(4)
        for (int v = 0; v < NV; ++v) {
            sum[r][v] = hn::Zero(kF32);
            __builtin_prefetch(to.c + r * to.ldc + v * kLanes, 1);  // C is fetched while the sums are formed
        }
    }
    for (const StretchF32 * stretch = stretches.stretch; stretch < stretches.stretch + stretches.n; ++stretch) {
        const int64_t a_row = stretch->a_row, a_step = stretch->a_step, stride = stretch->stride;
        const float *a = stretch->a + t * a_row, *b = stretch->b + j;
        for (int64_t p = 0; p < stretch->depth; ++p, a += a_step, b += stride) {
            Vec x[NV];
            HWY_UNROLL(4)
            for (int v = 0; v < NV; ++v) x[v] = hn::LoadU(kF32, b + v * kLanes);
            HWY_UNROLL(6)
            for (int r = 0; r < R; ++r) {
                const Vec y = hn::Set(kF32, a[r * a_row]);
                HWY_UNROLL(4)
                for (int v = 0; v < NV; ++v) sum[r][v] = hn::MulAdd(y, x[v], sum[r][v]);
            }
        }
    }
    if (to.columns < NV * kLanes)
        store_some<R, NV>(sum, to);
    else
        store_all<R, NV>(sum, to);
}

/// Targets go by reference: a copy is read in vectors right after the scalar stores that made it, and waits for them.
using MicroKernelF32 = void (*)(const StretchesF32 &, int64_t t, int64_t j, const TargetF32 &);
template <int NV>
constexpr MicroKernelF32 kByRows[kTile] = {micro_kernel<1, NV>, micro_kernel<2, NV>, micro_kernel<3, NV>,
                                           micro_kernel<4, NV>, micro_kernel<5, NV>, micro_kernel<6, NV>};
#if HWY_MAX_BYTES == 32
constexpr const MicroKernelF32 * kMicroKernels[kVectors] = {kByRows<1>, kByRows<2>};
#else
constexpr const MicroKernelF32 * kMicroKernels[kVectors] = {kByRows<1>, kByRows<2>, kByRows<3>, kByRows<4>};
#endif

/// Rows from t on times the columns of a group.
HWY_INLINE void multiply_columns(const StretchesF32 & stretches, int64_t t, int64_t rows, const TargetF32 & to) {
    for (int64_t j = 0; j < to.columns; j += kWidth) {
        const int64_t left = to.columns - j, vectors = std::min<int64_t>(kVectors, (left + kLanes - 1) / kLanes);
        kMicroKernels[vectors - 1][rows - 1](stretches, t, j, {to.c + j, to.add ? to.add + j : nullptr, to.ldc, left});
    }
}

/// One tile of rows times a group's columns.
HWY_INLINE void multiply_tile(const GemmF32 & g, int64_t group, int64_t tile, const StretchesF32 & stretches,
                              bool first_block) {
    const int64_t t = tile * kTile, first = group * kGroup, rows = std::min(kTile, g.rows - t);
    const float * add = first_block ? g.add : g.c;
    const int64_t at = t * g.ldc + first;
    multiply_columns(stretches, t, rows,
                     {g.c + at, add ? add + at : nullptr, g.ldc, std::min(kGroup, g.columns() - first)});
}

/// Rows of an f32 weight can be read where they are. With many tiles it is better to have them close together.
bool needs_no_panel(const GemmF32 & g, const Term<float> & t, int64_t group) {
    constexpr int64_t kFewTiles = 4;
    return t.w.dtype == QL_F32 && t.side == Side::backward && t.scale == 1 && g.rows <= kFewTiles * kTile &&
           (group + 1) * kGroup <= t.w.k;
}

StretchesF32 stretches_of(const GemmF32 & g, const DepthBlock & block, int64_t group, float * panel, bool packed) {
    StretchesF32 stretches;
    for (const Piece & piece : block.list()) {
        const Term<float> & t = g.terms[static_cast<size_t>(piece.term)];
        StretchF32 & stretch = stretches.stretch[stretches.n++];
        stretch = {piece.depth, t.a + piece.p0 * t.a_step, t.a_row, t.a_step, panel + piece.at * kGroup, kGroup};
        if (needs_no_panel(g, t, group)) {
            stretch.b = static_cast<const float *>(t.w.data) + piece.p0 * t.w.k + group * kGroup;
            stretch.stride = t.w.k;
        } else if (!packed) {
            PackerF32(t).pack(group, piece.p0, piece.depth, panel + piece.at * kGroup);
        }
    }
    return stretches;
}

void multiply_tiles(const GemmF32 & g, const DepthBlock & block, const GroupTiles & of) {
    const StretchesF32 stretches = stretches_of(g, block, of.group, reinterpret_cast<float *>(of.panel), of.packed);
    for (int64_t tile = of.first; tile < of.last; ++tile) multiply_tile(g, of.group, tile, stretches, block.first);
}

void multiply_beside(const void * product, const GroupTiles & of, float * sums, bool add) {
    const auto & g = *static_cast<const GemmF32 *>(product);
    const StretchesF32 stretches =
        stretches_of(g, whole_depth(g.terms), of.group, reinterpret_cast<float *>(of.panel), of.packed);
    const int64_t columns = std::min(kGroup, g.columns() - of.group * kGroup);
    for (int64_t tile = of.first; tile < of.last; ++tile, sums += kTile * kGroup)
        multiply_columns(stretches, tile * kTile, std::min(kTile, g.rows - tile * kTile),
                         {sums, add ? sums : nullptr, kGroup, columns});
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(multiply_tiles);
HWY_EXPORT(multiply_beside);

Beside beside(const GemmF32 & g) {
    return {&g, HWY_DYNAMIC_DISPATCH(multiply_beside), beside_depth(g.terms)};
}

void gemm(Pool & pool, const GemmF32 & g, std::byte * scratch) {
    const auto multiply = HWY_DYNAMIC_DISPATCH(multiply_tiles);
    constexpr int64_t kTilesOfPiece = 8;
    DepthBlocks<float> blocks(g.terms, kPanelDepthF32);
    for (DepthBlock block; blocks.next(block);)
        run_pieces(pool, g.groups(), (g.rows + kTile - 1) / kTile, kTilesOfPiece, scratch, kPanelBytes,
                   [&](const GroupTiles & of) { multiply(g, block, of); });
}

}  // namespace ql::cpu
#endif
