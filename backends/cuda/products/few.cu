// Products of plain matrices with few tokens: which kernel takes them. LoRA's A and B have such shapes.
#include "backends/cuda/products/product.hpp"

namespace ql::cuda {
namespace {

constexpr int kColumnThreads = 128;

/// Of a matrix whose rows lie beside each other, short sums: a thread takes a row of the result.
__global__ void __launch_bounds__(kColumnThreads) columns_kernel(Gemm g) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * kColumnThreads + threadIdx.x;
    if (i >= g.m) return;
    const Numbers a{g.a.data, g.a.dtype};
    const auto * b = static_cast<const float *>(g.b.data);
    float sum[kFewTokens] = {};
    for (int64_t p = 0; p < g.depth; ++p) {
        const float number = a[i + p * g.a.depth];
#pragma unroll
        for (int t = 0; t < kFewTokens; ++t)
            if (t < g.n) sum[t] = fmaf(number, b[t * g.b.row + p], sum[t]);
    }
#pragma unroll
    for (int t = 0; t < kFewTokens; ++t) {
        if (t >= g.n) return;
        const int64_t at = i + t * g.ldc;
        const float factor = g.factor ? g.factor[t * g.factor_step] : 1;
        const float product = factor == 0 ? 0 : g.scale * factor * sum[t];
        g.c[at] = g.add ? g.add[at] + product : product;
    }
}

}  // namespace

Status multiply(const Launch & l, const Gemm & g) {
    if (!are_few(g.n) || g.b.depth != 1 || g.n == 0 || g.m == 0) return gemm(l, g);
    if (g.a.depth == 1 && g.a.row == g.depth && g.b.row == g.depth && g.ldc == g.m)
        return find_format(g.a.dtype)->multiply_few(l, {.w = {static_cast<const uint8_t *>(g.a.data), g.depth, g.m, {}},
                                                        .x = static_cast<const float *>(g.b.data),
                                                        .n_tokens = g.n,
                                                        .y = g.c,
                                                        .add = g.add,
                                                        .scale = g.scale,
                                                        .factor = g.factor,
                                                        .factor_step = g.factor_step});
    if (g.a.row == 1 && g.depth <= g.m)
        return run(l, columns_kernel, blocks_of(g.m, kColumnThreads), kColumnThreads, 0, g);
    return gemm(l, g);
}

}  // namespace ql::cuda
