// Formats of weights: how 32 weights are decoded, one struct a format; ggml/dtypes has the layouts.
//
// A decoder has `static constexpr ql_dtype id` and
//     static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float * table)
// which gives 32 weights of a row from a column on, a multiple of 32; past the row's end zeros. Formats of blocks have
// rows of whole blocks. `table`: 16 numbers in shared memory, kTable's, for a format that looks codes up.
#pragma once
#include "backends/cuda/kernel.cuh"
#include "ggml/dtypes/dtype.hpp"

namespace ql::cuda {

/// A matrix [k, m] of a format, with the planes of nf4 and nf4_dq.
struct Weight {
    const uint8_t * data;
    int64_t k, m;
    int64_t plane[3];  // offsets in bytes
};

inline constexpr int kRun = 32;

/// Which table a decoder looks codes up in.
enum class Table { none, nf4, iq4_nl, fp4 };

static __constant__ float nf4_values[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};
static __constant__ float iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
static __constant__ float fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Value i of a table.
template <Table table>
__device__ float table_value(unsigned i) {
    if (table == Table::nf4) return nf4_values[i];
    if (table == Table::iq4_nl) return iq4_values[i];
    return fp4_values[i];
}

/// 16-bit and 32-bit little-endian numbers at any address.
__device__ inline uint16_t word_at(const uint8_t * p) {
    return static_cast<uint16_t>(p[0] | p[1] << 8);
}

}  // namespace ql::cuda
