// The bf16 product for AVX-512 BF16: as gemm_f32.cpp, with two steps of p in every instruction. Compiled for that set
// and entered only where it is there.
//
// Split of work: gemm.hpp. The micro-kernel holds 6 rows by 64 columns of C in 24 registers; a pair of steps loads 4
// vectors of B, each 16 columns of pairs (p, p + 1), broadcasts 6 pairs of A and makes 24 vdpbf16ps.
// Memory traffic a pair of steps and thread: B 256 bytes from L2, A 24 bytes, for 1536 FLOP.
// Measured on Zen 5 (one thread, GFLOP/s of a peak of 461, NF4, 512 tokens; m x k = 1536 x 576 / 576 x 1536 / 2048 x
// 2048): panels of 64 KB 413 / 401 / 384, 128 KB 437 / 415 / 400, 256 KB 426 / 436 / 417. Prefetching C: logits of a
// vocabulary, which are not in a cache, 310 -> 340.
#include "backends/cpu/products/gemm.hpp"

#if defined(__AVX512BF16__)
#include "backends/cpu/products/panel_bf16.inl"

namespace ql::cpu {
namespace {

struct Target {
    float * c;
    const float * add;
    int64_t ldc;
    int64_t columns;  // that exist, of kGroup
    float scale;
};

template <int R>
[[gnu::noinline]] void micro_kernel(int64_t pairs, const uint16_t * a, int64_t a_row, const uint32_t * b, Target to) {
    __m512 sum[R][4];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
            sum[r][v] = _mm512_setzero_ps();
            __builtin_prefetch(to.c + r * to.ldc + 16 * v, 1);  // C is on its way while the sums are formed
        }
    for (int64_t p = 0; p < pairs; ++p, a += 2, b += kPairs) {
        __m512i x[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) x[v] = _mm512_load_si512(b + 16 * v);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
            int pair;
            __builtin_memcpy(&pair, a + r * a_row, sizeof(pair));
            const auto y = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 4
            for (int v = 0; v < 4; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], (__m512bh)x[v], y);
        }
    }
    const __m512 scale = _mm512_set1_ps(to.scale);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
        const int64_t left = to.columns - 16 * v;
        if (left <= 0) return;
        const auto mask = static_cast<__mmask16>(left >= 16 ? 0xffff : (1 << left) - 1);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
            __m512 y = _mm512_mul_ps(sum[r][v], scale);
            if (to.add) y = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to.add + r * to.ldc + 16 * v), y);
            _mm512_mask_storeu_ps(to.c + r * to.ldc + 16 * v, mask, y);
        }
    }
}

using MicroKernel = void (*)(int64_t, const uint16_t *, int64_t, const uint32_t *, Target);
constexpr MicroKernel kMicroKernels[kTile + 1] = {nullptr,         micro_kernel<1>, micro_kernel<2>, micro_kernel<3>,
                                                  micro_kernel<4>, micro_kernel<5>, micro_kernel<6>};

void multiply_share(const GemmBf16 & g, int64_t first, int64_t last, uint32_t * panel) {
    const Packer packer(g);
    const int64_t tiles = g.tiles(), columns = g.columns(), all = g.depth();
    for (int64_t p0 = 0; p0 < all; p0 += kDepthBf16) {
        const int64_t depth = smaller(kDepthBf16, all - p0);
        const float * add = p0 > 0 ? g.c : g.add;
        for (int64_t unit = first; unit < last;) {
            const int64_t group = unit / tiles, column = group * kGroup, end = smaller(last, (group + 1) * tiles);
            packer.pack(group, p0, depth, panel);
            for (; unit < end; ++unit) {
                const int64_t t = unit % tiles * kTile, at = t * g.ldc + column;
                kMicroKernels[smaller(kTile, g.rows - t)](
                    (depth + 1) / 2, g.a + t * g.a_row + p0, g.a_row, panel,
                    {g.c + at, add ? add + at : nullptr, g.ldc, columns - column, g.scale});
            }
        }
    }
}

}  // namespace

void gemm(Pool & pool, const GemmBf16 & g, std::byte * scratch) {
    const int64_t units = g.units(), shares = pool.threads();
    pool.run(shares, [&](int64_t share, int thread) {
        auto * panel = reinterpret_cast<uint32_t *>(scratch + static_cast<size_t>(thread) * kPanelBytes);
        multiply_share(g, units * share / shares, units * (share + 1) / shares, panel);
    });
}

void round_rows(Pool & pool, const float * x, int64_t n, int64_t rows, uint16_t * dst) {
    const int64_t stride = bf16_stride(n), shares = pool.threads();
    pool.run(shares, [&](int64_t share, int) {
        for (int64_t t = rows * share / shares; t < rows * (share + 1) / shares; ++t)
            round_span(x + t * n, n, dst + t * stride);
    });
}

}  // namespace ql::cpu

#else  // no such processor: the device never takes this path

namespace ql::cpu {
void gemm(Pool &, const GemmBf16 &, std::byte *) {}
void round_rows(Pool &, const float *, int64_t, int64_t, uint16_t *) {}
}  // namespace ql::cpu
#endif
