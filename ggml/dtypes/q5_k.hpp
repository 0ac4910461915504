// q5_K: as q4_K with a fifth bit: (d * s) * q - (dmin * m), q in 0..31.
//
// A block of 176 bytes:
//    0..1    d, f16
//    2..3    dmin, f16
//    4..15   the 8 scales and 8 minima (k_scales.hpp)
//   16..47   the fifth bits: bit g of byte j is bit 4 of q[group g][j]
//   48..175  the lower four: byte j of run p = q[group 2p][j] & 15 | (q[group 2p + 1][j] & 15) << 4
//
// Encoding: as q4_K's.
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct Q5_K : BlockFormat<Q5_K> {
    struct Block {
        uint16_t d;
        uint16_t dmin;
        uint8_t scales[12];
        uint8_t high[32];
        uint8_t low[128];
    };
    static_assert(sizeof(Block) == 176);
    static constexpr ql_dtype id = QL_Q5_K;
    static constexpr const char * name = "q5_K";
    static constexpr int64_t block_length = 256;
    static constexpr int file_type = 16;  // "Q5_K - Small"

    static bool encode_block(const float * x, Block & block);
    static Status encode(const float * src, int64_t n, void * dst);
    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
