// q2_K: 256 weights in 16 groups of 16; a weight is (d * s) * q - (dmin * m), q in 0..3, s and m in 0..15 a group. Read only.
//
// A block of 84 bytes:
//    0..15   s in bits 0..3, m in bits 4..7
//   16..79   q of two halves of 128 weights, 32 bytes each: bits 2k, 2k + 1 of byte j are weight 32k + j
//   80..81   d, f16
//   82..83   dmin, f16
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct Q2_K : BlockFormat<Q2_K> {
    struct Block {
        uint8_t scales[16];
        uint8_t q[64];
        uint16_t d;
        uint16_t dmin;
    };
    static_assert(sizeof(Block) == 84);
    static constexpr ql_dtype id = QL_Q2_K;
    static constexpr const char * name = "q2_K";
    static constexpr int64_t block_length = 256;

    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
