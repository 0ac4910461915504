// q5_0: 32 weights share one f16 scale d; a weight is d * (q - 16), q in 0..31. Read only.
//
// A block of 22 bytes:
//    0..1   d, f16
//    2..5   the fifth bits: bit j % 8 of byte j / 8 is bit 4 of q[j]
//    6..21  the lower four: byte j = q[j] & 15 | (q[j + 16] & 15) << 4
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct Q5_0 : BlockFormat<Q5_0> {
    struct Block {
        uint16_t d;
        uint8_t high[4];
        uint8_t low[16];
    };
    static_assert(sizeof(Block) == 22);
    static constexpr ql_dtype id = QL_Q5_0;
    static constexpr const char * name = "q5_0";
    static constexpr int64_t block_length = 32;

    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
