// Attention on tensor cores: scores and probabilities exist in registers, for a tile of rows and keys at a time.
//
// Split: a block takes 128 rows (64 of more than 64 numbers) of a key head and passes over the tiles of keys that any of
// them sees, with an online softmax in f32; a warp leaves out tiles that none of its rows sees, and masks where one row does
// not see all. Values come while scores are computed, the next keys while values are summed: two barriers a tile.
// Traffic: q once in f32; keys and values in bf16 (rounded.cuh), once for each block; o and lse once.
// Constants: 37 KiB of shared memory for heads of 64, so that two blocks fit with 100 KiB a multiprocessor.
#pragma once
#include "backends/cuda/attention/rounded.cuh"

namespace ql::cuda {

template <int kD>
struct alignas(16) ForwardTiles {
    static constexpr int kM = kD == 64 ? 2 : 1, kRows = kM * kTileRows, kKeys = kD <= 96 ? 64 : 32;
    TileRow<kD> q[kRows], k[kKeys], v[kKeys];
};

template <int kD, int kRows>
__device__ void load_queries(const QueryRows & rows, int row0, TileRow<kD> (&tile)[kRows]) {
    for (int i = static_cast<int>(threadIdx.x); i < kRows * (kD / 4); i += kTileThreads) {
        const int row = i / (kD / 4), column = i % (kD / 4) * 4;
        Pair q{0, 0};
        if (row0 + row < rows.n_rows)
            q = round_quad(*reinterpret_cast<const Float4 *>(rows.h.q + rows.at(row0 + row) * kD + column));
        *reinterpret_cast<Pair *>(&tile[row][column / 2]) = q;
    }
}

/// A thread's part of the softmax of two rows: in a sum, lane / 4 and lane / 4 + 8. Its `sum` is of its own columns.
struct SoftRows {
    Keys keys[2];
    float top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};  // tops are of log2(e) scores
    bool poisoned[2] = {false, false};

    /// Scores of keys from j0 on become probabilities under the new top, under which `out` comes, too.
    template <int kKeys, int kColumns>
    __device__ void soften(const Heads & h, int j0, bool masked, float (&p)[kKeys / 8][4],
                           float (&out)[kColumns / 8][4]) {
        float most[2] = {top[0], top[1]};
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                p[n][i] = kLog2E * h.score(p[n][i]);
                if (masked && !keys[i / 2].has(j0 + n * 8 + lane_number() % 4 * 2 + i % 2)) p[n][i] = -INFINITY;
                most[i / 2] = fmaxf(most[i / 2], p[n][i]);
            }
        float base[2], keep[2];
#pragma unroll
        for (int r = 0; r < 2; ++r) {  // four lanes share a row
            most[r] = fmaxf(most[r], __shfl_xor_sync(0xffffffffu, most[r], 1));
            most[r] = fmaxf(most[r], __shfl_xor_sync(0xffffffffu, most[r], 2));
            base[r] = most[r] == -INFINITY ? 0 : most[r];  // a row that has seen no key yet has no top
            keep[r] = exp2f(top[r] - base[r]);
            top[r] = most[r];
            sum[r] *= keep[r];
        }
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                p[n][i] = exp2f(p[n][i] - base[i / 2]);
                sum[i / 2] += p[n][i];
            }
#pragma unroll
        for (int n = 0; n < kColumns / 8; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) out[n][i] *= keep[i / 2];
    }
    __device__ void poison(int j0, int n, uint64_t bad) {
        for (int r = 0; r < 2; ++r) poisoned[r] |= (keys[r].bits(j0, n) & bad) != 0;
    }
    /// Joins the sums of the lanes that share the rows.
    __device__ void finish() {
        for (int r = 0; r < 2; ++r) {
            sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 1);
            sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 2);
        }
    }
};

template <int kD>
__global__ void __launch_bounds__(kTileThreads)
    tensor_attention_kernel(Heads h, RoundedKeys keys, float * o, float * lse) {
    using Tiles = ForwardTiles<kD>;
    constexpr int kM = Tiles::kM, kKeys = Tiles::kKeys;
    auto & s = shared_memory<Tiles>();
    const QueryRows rows(h, blockIdx.y);
    const int row0 = static_cast<int>(blockIdx.x) * Tiles::kRows, kv = rows.kv;
    const int own = row0 + warp_number() * kM * kWarpRows + lane_number() / 4;  // the thread's first row
    const SeenKeys<Tiles::kRows> seen(rows, row0);
    load_queries<kD>(rows, row0, s.q);
    SoftRows soft[kM];
    for (int m = 0; m < kM; ++m)
        for (int r = 0; r < 2; ++r) soft[m].keys[r] = keys_of(rows, own + m * kWarpRows + r * 8);
    Keys common{0, INT_MAX};  // keys that all of the warp's rows see
    for (int m = 0; m < kM; ++m)
        for (int r = 0; r < 2; ++r) {
            const Keys & one = soft[m].keys[r];
            common = {one.begin > common.begin ? one.begin : common.begin, one.end < common.end ? one.end : common.end};
        }
    common = warp_common(common);

    float out[kM][kD / 8][4] = {};
    int j0 = seen.next(0, kKeys);
    if (j0 != INT_MAX) start_tile<kKeys, kD>(s.k, keys.k + keys.at<kD>(kv, j0));
    commit_copies();
    while (j0 != INT_MAX) {
        wait_for_copies<0>();
        __syncthreads();  // keys are here, and everybody is done with the values before
        start_tile<kKeys, kD>(s.v, keys.v + keys.at<kD>(kv, j0));
        commit_copies();
        bool mine = false;
        for (int m = 0; m < kM; ++m)
            for (int r = 0; r < 2; ++r) mine |= soft[m].keys[r].meet(j0, kKeys);
        mine = __ballot_sync(0xffffffffu, mine) != 0;
        float p[kM][kKeys / 8][4] = {};
        if (mine) {
            multiply_rows<kD, kM>(s.q, s.k, p);
            const bool masked = !common.cover(j0, kKeys);
            const uint64_t bad = keys.bad_of(kv, j0);
#pragma unroll
            for (int m = 0; m < kM; ++m) {
                soft[m].template soften<kKeys, kD>(h, j0, masked, p[m], out[m]);
                if (bad != 0) soft[m].poison(j0, kKeys, bad);
            }
        }
        const int next = seen.next(j0 + kKeys, kKeys);
        wait_for_copies<0>();
        __syncthreads();  // values are here, and everybody is done with the keys
        if (next != INT_MAX) start_tile<kKeys, kD>(s.k, keys.k + keys.at<kD>(kv, next));
        commit_copies();
        if (mine) multiply_sums<kD, kM, kKeys, kD>(p, s.v, 0, out);
        j0 = next;
    }

#pragma unroll
    for (int m = 0; m < kM; ++m) {
        soft[m].finish();
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const int row = own + m * kWarpRows + r * 8;
            if (row >= rows.n_rows) continue;
            const int64_t at = rows.at(row);
            const bool empty = soft[m].keys[r].end <= soft[m].keys[r].begin;
            const float factor = soft[m].poisoned[r] ? NAN : empty ? 0 : 1 / soft[m].sum[r];
            float * to = o + at * kD + lane_number() % 4 * 2;
#pragma unroll
            for (int n = 0; n < kD / 8; ++n)
                *reinterpret_cast<Float2 *>(to + n * 8) = {out[m][n][r * 2] * factor, out[m][n][r * 2 + 1] * factor};
            if (lane_number() % 4 == 0)
                lse[at] = soft[m].poisoned[r] ? NAN : empty ? 0 : kLn2 * (soft[m].top[r] + log2f(soft[m].sum[r]));
        }
    }
}

template <int kD>
Status start_tensor_attention(const Launch & l, const Heads & h, const RoundedKeys & keys, float * o, float * lse) {
    using Tiles = ForwardTiles<kD>;
    return run(l, tensor_attention_kernel<kD>,
               dim3(blocks_of(h.n_tokens * (h.n_heads / h.n_kv), Tiles::kRows), static_cast<unsigned>(h.n_kv)),
               kTileThreads, sizeof(Tiles), h, keys, o, lse);
}

}  // namespace ql::cuda
