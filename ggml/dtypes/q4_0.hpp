// q4_0: 32 weights share one f16 scale d; a weight is d * (q - 8), q in 0..15.
//
// A block of 18 bytes:
//    0..1   d, f16
//    2..17  codes: byte j = q[j] | q[j + 16] << 4
//
// Encoding: m is the value of the largest magnitude (the first of equals), d = m / -8 in f32, so that m becomes code 0;
// q = trunc(x * (1/d) + 8.5), at most 15. (llama.cpp, quantize_row_q4_0_ref: the same bits.)
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct Importance;  // scale_search.hpp

struct Q4_0 : BlockFormat<Q4_0> {
    struct Block {
        uint16_t d;
        uint8_t q[16];
    };
    static_assert(sizeof(Block) == 18);
    static constexpr ql_dtype id = QL_Q4_0;
    static constexpr const char * name = "q4_0";
    static constexpr int64_t block_length = 32;
    static constexpr int file_type = 2;

    static Status encode(const float * src, int64_t n, void * dst);
    /// Scales that leave less squared error, in no block more (scale_search.hpp).
    static Status encode_search(const float * src, int64_t n, const Importance & importance, void * dst);
    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
