// Tiles of rows in bf16 in shared memory, and products of them by mma.sync.
//
// A row is one query, key or value of d numbers, 16 bytes longer than these: eight rows of 16 bytes, which ldmatrix reads
// at once, then touch all banks once, for each d that is used here. A block has four warps; each takes 16 rows of the left
// operand, or 16 kM that follow each other, with which it uses what it reads of the right one kM times.
#pragma once
#include "backends/cuda/pack.cuh"

namespace ql::cuda {

inline constexpr int kTileThreads = 128, kTileWarps = 4, kTileRows = 64, kWarpRows = 16;

/// Words of two numbers from a row to the next.
inline constexpr int tile_pitch(int d) {
    return d / 2 + 4;
}
template <int kD>
using TileRow = uint32_t[tile_pitch(kD)];

struct alignas(8) Float2 {
    float x, y;
};

__device__ inline int warp_number() {
    return static_cast<int>(threadIdx.x) / 32;
}
__device__ inline int lane_number() {
    return static_cast<int>(threadIdx.x) % 32;
}

/// Starts to copy rows of kD numbers that follow each other; aligned to 16 bytes.
template <int kRows, int kD>
__device__ void start_tile(TileRow<kD> (&tile)[kRows], const uint32_t * from) {
    constexpr int kPieces = kD / 8;  // of a row
#pragma unroll
    for (int i = static_cast<int>(threadIdx.x); i < kRows * kPieces; i += kTileThreads)
        copy_async(&tile[i / kPieces][i % kPieces * 4], from + int64_t{4} * i);
}

/// sum[m] += A B^T: 16 rows of A from row 16 (kM warp + m) on, and all rows of B.
template <int kD, int kM, int kRows, int kColumns>
__device__ void multiply_rows(const TileRow<kD> (&a)[kRows], const TileRow<kD> (&b)[kColumns],
                              float (&sum)[kM][kColumns / 8][4]) {
    const int lane = lane_number(), row = warp_number() * kM * kWarpRows + lane % 16;
#pragma unroll
    for (int k = 0; k < kD; k += 16) {
        uint32_t left[kM][4];
#pragma unroll
        for (int m = 0; m < kM; ++m) load_matrices(left[m], &a[m * kWarpRows + row][k / 2 + lane / 16 * 4]);
#pragma unroll
        for (int n = 0; n < kColumns; n += 16) {
            uint32_t right[4];
            load_matrices(right, &b[n + lane % 8 + lane / 16 * 8][k / 2 + lane / 8 % 2 * 4]);
#pragma unroll
            for (int m = 0; m < kM; ++m) {
                mma_bf16(sum[m][n / 8], left[m], right);
                mma_bf16(sum[m][n / 8 + 1], left[m], right + 2);
            }
        }
    }
}

/// sum[m] += P B, B's columns from `column` on. P lies in registers as sums lie, which is how the left operand lies.
template <int kD, int kM, int kDepth, int kColumns>
__device__ void multiply_sums(const float (&p)[kM][kDepth / 8][4], const TileRow<kD> (&b)[kDepth], int column,
                              float (&sum)[kM][kColumns / 8][4]) {
    const int lane = lane_number();
#pragma unroll
    for (int k = 0; k < kDepth; k += 16) {
        uint32_t left[kM][4];
#pragma unroll
        for (int m = 0; m < kM; ++m)
#pragma unroll
            for (int i = 0; i < 4; ++i)
                left[m][i] = pack_bf16(p[m][k / 8 + i / 2][i % 2 * 2], p[m][k / 8 + i / 2][i % 2 * 2 + 1]);
#pragma unroll
        for (int n = 0; n < kColumns; n += 16) {
            uint32_t right[4];
            load_matrices_transposed(right, &b[k + lane % 16][(column + n) / 2 + lane / 16 * 4]);
#pragma unroll
            for (int m = 0; m < kM; ++m) {
                mma_bf16(sum[m][n / 8], left[m], right);
                mma_bf16(sum[m][n / 8 + 1], left[m], right + 2);
            }
        }
    }
}

}  // namespace ql::cuda
