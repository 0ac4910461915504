// q5_1: 32 weights share an f16 scale d and an f16 minimum m; a weight is d * q + m, q in 0..31. Read only.
//
// A block of 24 bytes:
//    0..1   d, f16
//    2..3   m, f16
//    4..7   the fifth bits: bit j % 8 of byte j / 8 is bit 4 of q[j]
//    8..23  the lower four: byte j = q[j] & 15 | (q[j + 16] & 15) << 4
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct Q5_1 : BlockFormat<Q5_1> {
    struct Block {
        uint16_t d;
        uint16_t m;
        uint8_t high[4];
        uint8_t low[16];
    };
    static_assert(sizeof(Block) == 24);
    static constexpr ql_dtype id = QL_Q5_1;
    static constexpr const char * name = "q5_1";
    static constexpr int64_t block_length = 32;

    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
