// q8_0: 32 weights share one f16 scale d; a weight is d * q.
//
// A block of 34 bytes:
//    0..1   d, f16
//    2..33  q, int8, in order
//
// Encoding: d = max |x| / 127 in f32; q = x * (1/d) rounded to the nearest integer, halves away from zero; then d is
// rounded to f16. (llama.cpp, quantize_row_q8_0_ref: the same bits.)
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct Q8_0 : BlockFormat<Q8_0> {
    struct Block {
        uint16_t d;
        int8_t q[32];
    };
    static_assert(sizeof(Block) == 34);
    static constexpr ql_dtype id = QL_Q8_0;
    static constexpr const char * name = "q8_0";
    static constexpr int64_t block_length = 32;
    static constexpr int file_type = 7;

    static Status encode(const float * src, int64_t n, void * dst);
    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
