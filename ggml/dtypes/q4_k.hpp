// q4_K: 256 weights in 8 groups of 32; group g has a 6-bit scale s and minimum m (k_scales.hpp).
// A weight is (d * s) * q - (dmin * m), q in 0..15.
//
// A block of 144 bytes:
//    0..1    d, f16
//    2..3    dmin, f16
//    4..15   the 8 scales and 8 minima
//   16..143  codes: 32 bytes for two groups; byte j of run p = q[group 2p][j] | q[group 2p + 1][j] << 4
//
// Encoding: scales and minima by least squared error (group_fit.hpp, k_block.hpp).
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct Q4_K : BlockFormat<Q4_K> {
    struct Block {
        uint16_t d;
        uint16_t dmin;
        uint8_t scales[12];
        uint8_t q[128];
    };
    static_assert(sizeof(Block) == 144);
    static constexpr ql_dtype id = QL_Q4_K;
    static constexpr const char * name = "q4_K";
    static constexpr int64_t block_length = 256;
    static constexpr int file_type = 14;  // upstream's "Q4_K - Small", the nearest to nothing but q4_K

    static bool encode_block(const float * x, Block & block);
    static Status encode(const float * src, int64_t n, void * dst);
    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
