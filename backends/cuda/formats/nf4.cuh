// nf4 and nf4_dq: blocks of 64, whose first 32 weights are the low halves of 32 bytes and whose last are the high ones.
#pragma once
#include "backends/cuda/formats/format.cuh"
#include "ggml/dtypes/dynamic_map.hpp"

namespace ql::cuda {

static __constant__ DynamicMap scale_map = kDynamicMapSigned;

/// 32 weights with a scale: two loads of 16 bytes.
__device__ inline void decode_nf4(const uint8_t * codes, int high, float scale, float * out, const float * table) {
    const uint4 * from = reinterpret_cast<const uint4 *>(codes);
    for (int half = 0; half < 2; ++half) {
        const uint4 four = from[half];
        const uint32_t words[4] = {four.x, four.y, four.z, four.w};
        for (int i = 0; i < 16; ++i) out[half * 16 + i] = table[words[i / 4] >> (i % 4 * 8 + 4 * high) & 15] * scale;
    }
}

struct DecodeNf4 {
    static constexpr ql_dtype id = QL_NF4;
    static constexpr Table kTable = Table::nf4;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float * table) {
        const int64_t at = row * w.k + column, block = at / 64;
        decode_nf4(w.data + block * 32, static_cast<int>(at % 64 / 32), scale(w, block), out, table);
    }
    static __device__ float scale(const Weight & w, int64_t block) {
        return reinterpret_cast<const float *>(w.data + w.plane[0])[block];
    }
};

struct DecodeNf4Dq {
    static constexpr ql_dtype id = QL_NF4_DQ;
    static constexpr Table kTable = Table::nf4;
    static __device__ void run(const Weight & w, int64_t row, int64_t column, float * out, const float * table) {
        const int64_t at = row * w.k + column, block = at / 64;
        decode_nf4(w.data + block * 32, static_cast<int>(at % 64 / 32), scale(w, block), out, table);
    }
    static __device__ float scale(const Weight & w, int64_t block) {
        const float group = reinterpret_cast<const float *>(w.data + w.plane[1])[block / 256];
        const float offset = *reinterpret_cast<const float *>(w.data + w.plane[2]);
        return scale_map[w.data[w.plane[0] + block]] * group + offset;
    }
};

}  // namespace ql::cuda
