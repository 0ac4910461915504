// The product kernel for few tokens: y = add + scale factor W x, whose cost is that of reading W.
//
// Split: `lanes` neighbouring threads take two rows, quad by quad (formats/quads.cuh): as many as a row has quads, at most a
// warp; where there are few rows and they are long (LoRA's A), a block. A block has 128 threads.
// Traffic: packed weights are read once, in words that neighbouring threads read beside each other; a quad of x is read
// once for the two rows. Tables of codes lie in shared memory: sixteen words in sixteen banks, so that lookups do not
// wait for one another.
// Sums: each thread adds up its quads in order, f32, then the lanes are joined by shuffles, then the warps in order: the same
// bits every time. Neither weights nor x are rounded.
#pragma once
#include <algorithm>
#include <bit>

#include "backends/cuda/formats/quads.cuh"
#include "backends/cuda/products/product.hpp"

namespace ql::cuda {

inline constexpr int kFewThreads = 128, kFewWarps = kFewThreads / 32, kFewRows = 2;

template <int kTokens>
struct FewShared {
    float table[16];
    float part[kFewWarps][kFewRows * kTokens];
};

/// Numbers column to column + 3 of token t; zeros past the end.
__device__ inline void load_quad(const FewProduct & p, int64_t t, int64_t column, float (&x)[4]) {
    const float * from = p.x + t * p.w.k + column;
    if (p.wide) {
        const Float4 four = *reinterpret_cast<const Float4 *>(from);
        x[0] = four.x, x[1] = four.y, x[2] = four.z, x[3] = four.w;
    } else {
        for (int i = 0; i < 4; ++i) x[i] = column + i < p.w.k ? from[i] : 0;
    }
}

__device__ inline void write_few(const FewProduct & p, int64_t row, int64_t t, float sum) {
    if (row >= p.w.m || t >= p.n_tokens) return;
    const int64_t at = t * p.w.m + row;
    const float factor = p.factor ? p.factor[t * p.factor_step] : 1;
    const float product = factor == 0 ? 0 : p.scale * factor * sum;
    p.y[at] = p.add ? p.add[at] + product : product;
}

template <typename Decoder, int kTokens>
__global__ void __launch_bounds__(kFewThreads) few_kernel(FewProduct p) {
    using Q = Quads<Decoder>;
    constexpr int kPerUnit = Q::kApart / 4;
    auto & s = shared_memory<FewShared<kTokens>>();
    const int thread = static_cast<int>(threadIdx.x), lane = thread % p.lanes, group = thread / p.lanes;
    const int groups = kFewThreads / p.lanes;
    if (Decoder::kTable != Table::none) {
        if (thread < 16) s.table[thread] = table_value<Decoder::kTable>(static_cast<unsigned>(thread));
        __syncthreads();
    }
    int64_t row[kFewRows];
    for (int r = 0; r < kFewRows; ++r) row[r] = (static_cast<int64_t>(blockIdx.x) * kFewRows + r) * groups + group;
    float sum[kFewRows][kTokens] = {};
    const int64_t quads = (p.w.k + Q::kUnit - 1) / Q::kUnit * kPerUnit;
    for (int64_t q = lane; q < quads; q += p.lanes) {
        const int64_t unit = q / kPerUnit;
        const int at = static_cast<int>(q % kPerUnit);
        float v[kFewRows][Q::kParts][4], factor[kFewRows];
#pragma unroll
        for (int r = 0; r < kFewRows; ++r)  // past the last row: the last one, again
            factor[r] = Q::decode(p.w, row[r] < p.w.m ? row[r] : p.w.m - 1, unit, at, v[r], s.table, p.wide);
#pragma unroll
        for (int t = 0; t < kTokens; ++t) {
            if (t >= p.n_tokens) break;
            float dot[kFewRows] = {};
#pragma unroll
            for (int part = 0; part < Q::kParts; ++part) {
                float x[4];
                load_quad(p, t, unit * Q::kUnit + at * 4 + part * Q::kApart, x);
                for (int r = 0; r < kFewRows; ++r)
                    for (int i = 0; i < 4; ++i) dot[r] = fmaf(v[r][part][i], x[i], dot[r]);
            }
            for (int r = 0; r < kFewRows; ++r) sum[r][t] = fmaf(factor[r], dot[r], sum[r][t]);
        }
    }
#pragma unroll
    for (int r = 0; r < kFewRows; ++r)
#pragma unroll
        for (int t = 0; t < kTokens; ++t) {
            for (int by = (p.lanes < 32 ? p.lanes : 32) / 2; by > 0; by /= 2)
                sum[r][t] += __shfl_xor_sync(0xffffffffu, sum[r][t], by);
            if (p.lanes <= 32) {
                if (lane == 0) write_few(p, row[r], t, sum[r][t]);
            } else if (thread % 32 == 0) {
                s.part[thread / 32][r * kTokens + t] = sum[r][t];
            }
        }
    if (p.lanes <= 32) return;
    __syncthreads();
    if (thread >= kFewRows * kTokens) return;
    float all = 0;
    for (int warp = 0; warp < kFewWarps; ++warp) all += s.part[warp][thread];
    write_few(p, static_cast<int64_t>(blockIdx.x) * kFewRows + thread / kTokens, thread % kTokens, all);
}

/// Threads that share a row: a power of two.
inline int few_lanes(int64_t quads, int64_t n_rows) {
    constexpr int64_t kFewLongRows = 2048, kLong = 256;  // below: too few warps to keep a card's memory busy
    if (n_rows < kFewLongRows && quads >= kLong) return kFewThreads;
    return static_cast<int>(std::bit_ceil(static_cast<uint64_t>(std::clamp<int64_t>(quads, 1, 32))));
}

template <typename Decoder, int kTokens>
Status start_few(const Launch & l, const FewProduct & p) {
    return run(l, few_kernel<Decoder, kTokens>, blocks_of(p.w.m, kFewRows * (kFewThreads / p.lanes)), kFewThreads,
               sizeof(FewShared<kTokens>), p);
}

template <typename Decoder>
Status multiply_few_with(const Launch & l, FewProduct p) {
    using Q = Quads<Decoder>;
    if (p.w.m == 0 || p.n_tokens == 0) return {};
    const auto misaligned = reinterpret_cast<uintptr_t>(p.x) % 16 + reinterpret_cast<uintptr_t>(p.w.data) % 16;
    p.wide = p.w.k % Q::kUnit == 0 && misaligned == 0;
    p.lanes = few_lanes((p.w.k + Q::kUnit - 1) / Q::kUnit * (Q::kApart / 4), p.w.m);
    if (p.n_tokens == 1) return start_few<Decoder, 1>(l, p);
    return p.n_tokens <= 4 ? start_few<Decoder, 4>(l, p) : start_few<Decoder, kFewTokens>(l, p);
}

}  // namespace ql::cuda
