// q4_1: 32 weights share an f16 scale d and an f16 minimum m; a weight is d * q + m, q in 0..15.
//
// A block of 20 bytes:
//    0..1   d, f16
//    2..3   m, f16
//    4..19  codes: byte j = q[j] | q[j + 16] << 4
//
// Encoding: d = (max - min) / 15 and m = min in f32; q = trunc((x - min) * (1/d) + 0.5), at most 15.
// (llama.cpp, quantize_row_q4_1_ref: the same bits.)
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct Q4_1 : BlockFormat<Q4_1> {
    struct Block {
        uint16_t d;
        uint16_t m;
        uint8_t q[16];
    };
    static_assert(sizeof(Block) == 20);
    static constexpr ql_dtype id = QL_Q4_1;
    static constexpr const char * name = "q4_1";
    static constexpr int64_t block_length = 32;
    static constexpr int file_type = 3;

    static bool encode_block(const float * x, Block & block);
    static Status encode(const float * src, int64_t n, void * dst);
    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
