// q6_K: 256 weights in 16 groups of 16; a weight is (d * s) * (q - 32), s an int8 a group, q in 0..63.
//
// A block of 210 bytes; it holds two halves of 128 weights, each four quarters k = 0..3 of 32 weights j:
//     0..127  the lower four bits, 64 bytes a half: byte j = quarter 0 | quarter 2 << 4; byte 32 + j = 1 | 3 << 4
//   128..191  the upper two, 32 bytes a half: bits 2k, 2k + 1 of byte j belong to quarter k
//   192..207  s, int8, in order
//   208..209  d, f16
//
// Encoding: scales by least squared error (group_fit.hpp, k_block.hpp).
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct Q6_K : BlockFormat<Q6_K> {
    struct Block {
        uint8_t low[128];
        uint8_t high[64];
        int8_t scales[16];
        uint16_t d;
    };
    static_assert(sizeof(Block) == 210);
    static constexpr ql_dtype id = QL_Q6_K;
    static constexpr const char * name = "q6_K";
    static constexpr int64_t block_length = 256;
    static constexpr int file_type = 18;

    static bool encode_block(const float * x, Block & block);
    static Status encode(const float * src, int64_t n, void * dst);
    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
