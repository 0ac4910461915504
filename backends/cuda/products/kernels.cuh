// The product kernel: op(W) x with W decoded where it is needed, on tensor cores in bf16 with sums in f32.
//
// Split: a block of four warps computes 64 rows by kTokens tokens of the result, in steps of 64 of the depth. W's tile of
// 64 x 64 is decoded once for all of the block's tokens, 32 weights a thread, and lies in shared memory as it lies in W;
// the transpose is read from the same tile by ldmatrix.trans. So W x and W^T y read the same packed bytes, once for each
// kTokens tokens. Rows of 72 numbers in shared memory: eight rows of 16 bytes then touch all banks once.
//
// Sums over the depth are made in order, by one warp: the same bits every time.
#pragma once
#include "backends/cuda/pack.cuh"
#include "backends/cuda/products/few.cuh"

namespace ql::cuda {

inline constexpr int kTile = 64, kPitch = kTile + 8, kPairs = kPitch / 2, kProductThreads = 128, kSmallBlock = 32,
                     kLargeBlock = 128;  // tokens

template <int kTokens>
struct alignas(16) ProductTiles {
    uint32_t w[kTile][kPairs];  // two numbers each
    uint32_t x[kTokens][kPairs];
    float table[16];
};

/// Tile (row0, column0) of W; zeros past its ends. A thread decodes a run of 32.
template <typename Decoder>
__device__ void load_weights(const Weight & w, int64_t row0, int64_t column0, uint32_t (&tile)[kTile][kPairs],
                             const float * table) {
    const int row = static_cast<int>(threadIdx.x) / 2, half = static_cast<int>(threadIdx.x) % 2;
    float run[kRun];
    if (row0 + row < w.m && column0 + half * kRun < w.k) {
        Decoder::run(w, row0 + row, column0 + half * kRun, run, table);
    } else {
        for (int i = 0; i < kRun; ++i) run[i] = 0;
    }
    for (int i = 0; i < kRun / 2; ++i) tile[row][half * kRun / 2 + i] = pack_bf16(run[2 * i], run[2 * i + 1]);
}

/// Depths [p0, p0 + 64) of tokens from t0 on, in bf16; zeros past the ends.
template <int kTokens>
__device__ void load_tokens(const float * x, int64_t depth, int64_t n_tokens, int64_t t0, int64_t p0,
                            uint32_t (&tile)[kTokens][kPairs]) {
    for (int i = static_cast<int>(threadIdx.x); i < kTokens * kTile / 2; i += kProductThreads) {
        const int t = i / (kTile / 2), p = i % (kTile / 2) * 2;
        const float * from = x + (t0 + t) * depth + p0 + p;
        const bool known = t0 + t < n_tokens;
        const float low = known && p0 + p < depth ? from[0] : 0, high = known && p0 + p + 1 < depth ? from[1] : 0;
        tile[t][p / 2] = pack_bf16(low, high);
    }
}

template <typename Decoder, bool transposed, int kTokens>
__global__ void __launch_bounds__(kProductThreads) product_kernel(Product p) {
    auto & s = shared_memory<ProductTiles<kTokens>>();
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    const int64_t depth = transposed ? p.w.m : p.w.k, n_rows = transposed ? p.w.k : p.w.m;
    const int64_t row0 = static_cast<int64_t>(blockIdx.x) * kTile, t0 = static_cast<int64_t>(blockIdx.y) * kTokens;
    if (Decoder::kTable != Table::none && threadIdx.x < 16)
        s.table[threadIdx.x] = table_value<Decoder::kTable>(threadIdx.x);
    float sum[kTokens / 8][4] = {};
    for (int64_t p0 = 0; p0 < depth; p0 += kTile) {
        __syncthreads();
        load_weights<Decoder>(p.w, transposed ? p0 : row0, transposed ? row0 : p0, s.w, s.table);
        load_tokens<kTokens>(p.x, depth, p.n_tokens, t0, p0, s.x);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < kTile; k += 16) {
            uint32_t a[4];
            if (transposed)
                load_matrices_transposed(a, &s.w[k + lane % 8 + lane / 16 * 8][warp * 8 + lane / 8 % 2 * 4]);
            else
                load_matrices(a, &s.w[warp * 16 + lane % 16][k / 2 + lane / 16 * 4]);
#pragma unroll
            for (int t = 0; t < kTokens; t += 16) {
                uint32_t b[4];
                load_matrices(b, &s.x[t + lane % 8 + lane / 16 * 8][k / 2 + lane / 8 % 2 * 4]);
                mma_bf16(sum[t / 8], a, b);
                mma_bf16(sum[t / 8 + 1], a, b + 2);
            }
        }
    }
#pragma unroll
    for (int tile = 0; tile < kTokens / 8; ++tile)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int64_t row = row0 + warp * 16 + lane / 4 + i / 2 * 8, t = t0 + tile * 8 + lane % 4 * 2 + i % 2;
            if (row >= n_rows || t >= p.n_tokens) continue;
            const int64_t at = t * n_rows + row;
            p.y[at] = (p.add ? p.add[at] : 0) + p.scale * sum[tile][i];
        }
}

template <typename Decoder, bool transposed, int kTokens>
Status start_product(const Launch & l, const Product & p) {
    return run(l, product_kernel<Decoder, transposed, kTokens>,
               dim3(blocks_of(p.rows(), kTile), blocks_of(p.n_tokens, kTokens)), kProductThreads,
               sizeof(ProductTiles<kTokens>), p);
}

/// 32 tokens a block where there are not many, so that less is computed of tokens that are not there.
template <typename Decoder>
Status multiply_with(const Launch & l, const Product & p) {
    const bool small = p.n_tokens <= 2 * kSmallBlock;
    if (p.transposed)
        return small ? start_product<Decoder, true, kSmallBlock>(l, p)
                     : start_product<Decoder, true, kLargeBlock>(l, p);
    return small ? start_product<Decoder, false, kSmallBlock>(l, p) : start_product<Decoder, false, kLargeBlock>(l, p);
}

/// A thread decodes 32 weights.
template <typename Decoder>
__global__ void decode_kernel(Weight w, const int32_t * ids, int64_t first, int64_t n, float * y) {
    float * table = shared_memory<float[16]>();
    if (Decoder::kTable != Table::none && threadIdx.x < 16)
        table[threadIdx.x] = table_value<Decoder::kTable>(threadIdx.x);
    __syncthreads();
    const int64_t runs = (w.k + kRun - 1) / kRun, at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    const int64_t t = at / runs, column = at % runs * kRun;
    if (t >= n) return;
    const int64_t row = ids ? ids[t] : first + t;
    float run[kRun];
    if (row >= 0 && row < w.m) {
        Decoder::run(w, row, column, run, table);
    } else {
        for (int i = 0; i < kRun; ++i) run[i] = NAN;
    }
    for (int i = 0; i < kRun; ++i)
        if (column + i < w.k) y[t * w.k + column + i] = run[i];
}

template <typename Decoder>
Status decode_with(const Launch & l, const Weight & w, const int32_t * ids, int64_t first, int64_t n, float * y) {
    const int64_t runs = (w.k + kRun - 1) / kRun * n;
    if (runs == 0) return {};
    return run(l, decode_kernel<Decoder>, blocks_of(runs, 64), 64, 16 * sizeof(float), w, ids, first, n, y);
}

template <typename Decoder>
inline constexpr FormatKernels kernels_of = {Decoder::id, multiply_with<Decoder>, multiply_few_with<Decoder>,
                                             decode_with<Decoder>};
/// Of a format that is not rounded to bf16.
template <typename Decoder>
inline constexpr FormatKernels decoding_of = {Decoder::id, nullptr, multiply_few_with<Decoder>, decode_with<Decoder>};

}  // namespace ql::cuda
