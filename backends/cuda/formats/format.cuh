// Formats of weights: how 32 weights are decoded, one struct a format; ggml/dtypes has the layouts.
//
// A decoder has `static constexpr ql_dtype id` and
//     static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float * table)
// which gives 32 weights of a row from a column on, a multiple of 32; past the row's end zeros. Formats of blocks have
// rows of whole blocks. `table`: 16 numbers in shared memory, kTable's, for a format that looks codes up.
#pragma once
#include "backends/cuda/kernel.cuh"
#include "ggml/dtypes/codebook.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/iq4_nl.hpp"
#include "ggml/dtypes/mxfp4.hpp"

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

struct TableValues {
    float at[16];
};
template <typename T>
constexpr TableValues table_of(const T (&values)[16]) {
    TableValues table{};
    for (int i = 0; i < 16; ++i) table.at[i] = static_cast<float>(values[i]);
    return table;
}
static __constant__ TableValues nf4_values = table_of(kNF4Codebook);
static __constant__ TableValues iq4_values = table_of(kIQ4Values);
static __constant__ TableValues fp4_values = table_of(kFloat4Units);

/// Value i of a table.
template <Table table>
__device__ float table_value(unsigned i) {
    if (table == Table::nf4) return nf4_values.at[i];
    if (table == Table::iq4_nl) return iq4_values.at[i];
    return fp4_values.at[i];
}

/// 16-bit and 32-bit little-endian numbers at any address.
__device__ inline uint16_t word_at(const uint8_t * p) {
    return static_cast<uint16_t>(p[0] | p[1] << 8);
}

}  // namespace ql::cuda
