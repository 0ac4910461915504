// Products of f32 matrices, in f32. A block of 256 threads computes 32 x 32 numbers, four a thread, in steps of 16 of the
// depth through shared memory; sums are made in order.
#include "backends/cuda/products/product.hpp"

namespace ql::cuda {
namespace {

constexpr int kSide = 32, kDepth = 16, kThreads = 256;

struct GemmTiles {
    float a[kDepth][kSide + 1], b[kDepth][kSide + 1];
};

__device__ float number_of(const Strided & m, int64_t at) {
    return Numbers{m.data, m.dtype}[at];
}

__global__ void gemm_kernel(Gemm g) {
    auto & s = shared_memory<GemmTiles>();
    const int x = static_cast<int>(threadIdx.x) % 16, y = static_cast<int>(threadIdx.x) / 16;
    const int64_t i0 = static_cast<int64_t>(blockIdx.x) * kSide, j0 = static_cast<int64_t>(blockIdx.y) * kSide;
    // Neighbouring threads read along whichever side of the matrix is dense.
    const bool a_by_depth = g.a.depth == 1, b_by_depth = g.b.depth == 1;
    float sum[2][2] = {};
    for (int64_t p0 = 0; p0 < g.depth; p0 += kDepth) {
        __syncthreads();
        for (int at = static_cast<int>(threadIdx.x); at < kDepth * kSide; at += kThreads) {
            const int pa = a_by_depth ? at % kDepth : at / kSide, i = a_by_depth ? at / kDepth : at % kSide;
            const int pb = b_by_depth ? at % kDepth : at / kSide, j = b_by_depth ? at / kDepth : at % kSide;
            s.a[pa][i] =
                i0 + i < g.m && p0 + pa < g.depth ? number_of(g.a, (i0 + i) * g.a.row + (p0 + pa) * g.a.depth) : 0;
            s.b[pb][j] =
                j0 + j < g.n && p0 + pb < g.depth ? number_of(g.b, (j0 + j) * g.b.row + (p0 + pb) * g.b.depth) : 0;
        }
        __syncthreads();
#pragma unroll
        for (int p = 0; p < kDepth; ++p) {
            const float a[2] = {s.a[p][x], s.a[p][x + 16]}, b[2] = {s.b[p][y], s.b[p][y + 16]};
            for (int i = 0; i < 2; ++i)
                for (int j = 0; j < 2; ++j) sum[i][j] = fmaf(a[i], b[j], sum[i][j]);
        }
    }
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
            const int64_t row = i0 + x + 16 * i, column = j0 + y + 16 * j, at = row + column * g.ldc;
            if (row >= g.m || column >= g.n) continue;
            const float factor = g.factor ? g.factor[column * g.factor_step] : 1;
            const float product = factor == 0 ? 0 : g.scale * factor * sum[i][j];
            g.c[at] = g.add ? g.add[at] + product : product;
        }
}

}  // namespace

Status gemm(const Launch & l, const Gemm & g) {
    if (g.m == 0 || g.n == 0) return {};
    return run(l, gemm_kernel, dim3(blocks_of(g.m, kSide), blocks_of(g.n, kSide)), kThreads, sizeof(GemmTiles), g);
}

}  // namespace ql::cuda
