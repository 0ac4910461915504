// The bf16 product for AVX-512 BF16: as gemm_f32.cpp, with two steps of p in every instruction. Compiled for that set
// and entered only where it is there.
//
// Split of work: gemm.hpp. The micro-kernel holds 6 rows by 64 columns of C in 24 registers; a pair of steps loads 4
// vectors of B, each 16 columns of pairs (p, p + 1), broadcasts 6 pairs of A and makes 24 vdpbf16ps.
// Memory traffic a pair of steps and thread: B 256 bytes from L2, A 24 bytes, for 1536 FLOP.
// Measured on Zen 5 (one thread, GFLOP/s of a peak of 461, NF4, 512 tokens; m x k = 1536 x 576 / 576 x 1536 / 2048 x
// 2048): panels of 64 KB 413 / 401 / 384, 128 KB 437 / 415 / 400, 256 KB 426 / 436 / 417. Prefetching C: logits of a
// vocabulary, which are not in a cache, 310 -> 340.
#include "backends/cpu/products/beside.hpp"
#include "backends/cpu/products/bf16.hpp"
#include "backends/cpu/products/depth_blocks.hpp"
#include "backends/cpu/products/narrow_bf16.inl"
#include "backends/cpu/products/panel_bf16.inl"
#include "backends/cpu/products/pieces.hpp"
#include "backends/cpu/products/target_bf16.inl"
#include "backends/cpu/split.hpp"

namespace ql::cpu {
namespace {

/// Rows [t, t + R) by the first NV vectors of columns.
template <int R, int NV>
[[gnu::noinline]] void micro_kernel(const StretchesBf16 & stretches, int64_t t, const TargetBf16 & to) {
    __m512 sum[R][NV];
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) {
            sum[r][v] = _mm512_setzero_ps();
            if (to.c) __builtin_prefetch(to.c + r * to.ldc + 16 * v, 1);  // C is fetched while the sums are formed
        }
    for (const StretchBf16 * stretch = stretches.stretch; stretch < stretches.stretch + stretches.n; ++stretch) {
        const int64_t a_row = stretch->a_row;
        const uint16_t * a = stretch->a + t * a_row;
        const uint32_t * b = stretch->b;
        for (int64_t p = 0; p < stretch->pairs; ++p, a += 2, b += kPairs) {
            __m512i x[NV];
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) x[v] = _mm512_load_si512(b + 16 * v);
#pragma GCC unroll 24
            for (int r = 0; r < R; ++r) {
                int pair;
                __builtin_memcpy(&pair, a + r * a_row, sizeof(pair));
                const auto y = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 4
                for (int v = 0; v < NV; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], (__m512bh)x[v], y);
            }
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
        const __mmask16 there = first_lanes(to.columns - 16 * v);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r) store_sums(sum[r][v], to, r * to.ldc + 16 * v, there);
    }
}

/// Targets go by reference: a copy is read in vectors right after the scalar stores that made it, and waits for them
/// and for all stores of C that are under way.
using MicroKernelBf16 = void (*)(const StretchesBf16 &, int64_t t, const TargetBf16 &);
template <int NV>
constexpr MicroKernelBf16 kByRows[kTile] = {micro_kernel<1, NV>, micro_kernel<2, NV>, micro_kernel<3, NV>,
                                            micro_kernel<4, NV>, micro_kernel<5, NV>, micro_kernel<6, NV>};
/// One vector of columns is narrow_bf16.inl's.
constexpr const MicroKernelBf16 * kMicroKernels[] = {kByRows<2>, kByRows<3>, kByRows<4>};

StretchesBf16 stretches_of(const GemmBf16 & g, const DepthBlock & block, int64_t group, uint32_t * panel, bool packed,
                           bool folded) {
    StretchesBf16 stretches;
    for (const Piece & piece : block.list()) {
        const Term<uint16_t> & t = g.terms[static_cast<size_t>(piece.term)];
        uint32_t * b = panel + piece.at / 2 * kPairs;
        if (!packed) PackerBf16<VectorPanel>(t).pack(group, piece.p0, piece.depth, b);
        if (!packed && folded) fold_panel(b, (piece.depth + 1) / 2);
        stretches.stretch[stretches.n++] = {(piece.depth + 1) / 2, t.a + piece.p0, t.a_row, b};
    }
    return stretches;
}

void multiply_tiles(const GemmBf16 & g, const DepthBlock & block, const GroupTiles & of) {
    const int64_t column = of.group * kGroup, left = smaller(kGroup, g.columns() - column);
    const MicroKernelBf16 * kernels = left > kLanes ? kMicroKernels[(left + kLanes - 1) / kLanes - 2] : nullptr;
    const StretchesBf16 stretches =
        stretches_of(g, block, of.group, reinterpret_cast<uint32_t *>(of.panel), of.packed, is_folded(g));
    const int64_t end = smaller(g.rows, of.last * kTile);
    for (int64_t tile = of.first; tile < of.last;) {
        const int64_t t = tile * kTile;
        const TargetBf16 to = target(g, block, t * g.ldc + column, left);
        if (left <= kLanes) {
            tile += multiply_narrow(stretches, t, end - t, to, is_folded(g));
        } else {
            kernels[smaller(kTile, end - t) - 1](stretches, t, to);
            ++tile;
        }
    }
}

void multiply_beside(const void * product, const GroupTiles & of, float * sums, bool add) {
    const auto & g = *static_cast<const GemmBf16 *>(product);
    const int64_t columns = smaller(kGroup, g.columns() - of.group * kGroup);
    const MicroKernelBf16 * kernels = kMicroKernels[columns > 2 * kLanes ? (columns + kLanes - 1) / kLanes - 2 : 0];
    const StretchesBf16 stretches =
        stretches_of(g, whole_depth(g.terms), of.group, reinterpret_cast<uint32_t *>(of.panel), of.packed, false);
    for (int64_t tile = of.first; tile < of.last; ++tile, sums += kTile * kGroup)
        kernels[smaller(kTile, g.rows - tile * kTile) - 1](
            stretches, tile * kTile, {sums, nullptr, Half::bf16, add ? sums : nullptr, kGroup, columns});
}

}  // namespace

Beside beside_vdpbf16(const GemmBf16 & g) {
    return {&g, multiply_beside, beside_depth(g.terms)};
}

void gemm_vdpbf16(Pool & pool, const GemmBf16 & g, std::byte * scratch) {
    constexpr int64_t kTilesOfPiece = 16;
    DepthBlocks<uint16_t> blocks(g.terms, panel_depth(g));
    for (DepthBlock block; blocks.next(block);)
        run_pieces(pool, g.groups(), (g.rows + kTile - 1) / kTile, kTilesOfPiece, scratch, panel_bytes(g),
                   [&](const GroupTiles & of) { multiply_tiles(g, block, of); });
}

void round_rows(Pool & pool, const float * x, int64_t n, int64_t rows, uint16_t * dst) {
    const int64_t stride = bf16_stride(n);
    split_rows(pool, rows, n, [=](int64_t t, int64_t last) {
        for (; t < last; ++t) round_span(x + t * n, n, dst + t * stride);
    });
}

}  // namespace ql::cpu
