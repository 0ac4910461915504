// iq4_nl: 32 weights share one f16 scale d; a weight is d * value[q], q in 0..15.
//
// A block of 18 bytes:
//    0..1   d, f16
//    2..17  codes: byte j = q[j] | q[j + 16] << 4
//
// The values lie closer together near zero, where most weights are. (llama.cpp, kvalues_iq4nl.)
//
// Encoding: d by least squared error (group_fit.hpp).
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

inline constexpr float kIQ4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

inline constexpr int8_t kIQ4Units[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

struct IQ4_NL : BlockFormat<IQ4_NL> {
    struct Block {
        uint16_t d;
        uint8_t q[16];
    };
    static_assert(sizeof(Block) == 18);
    static constexpr ql_dtype id = QL_IQ4_NL;
    static constexpr const char * name = "iq4_nl";
    static constexpr int64_t block_length = 32;
    static constexpr int file_type = 25;

    static Status encode(const float * src, int64_t n, void * dst);
    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
