// q3_K: 256 weights in 16 groups of 16; a weight is (d * s) * (q - 4), s in -32..31 a group, q in 0..7.
//
// A block of 110 bytes; it holds two halves h of 128 weights, each four quarters k = 0..3 of 32 weights j:
//     0..31   the third bits: bit 4h + k of byte j
//    32..95   the lower two, 32 bytes a half: bits 2k, 2k + 1 of byte j belong to quarter k
//    96..107  s + 32: the lower four bits of groups 0..7 in bits 0..3 of bytes 0..7, of groups 8..15 in bits 4..7; the
//             upper two of group g in bits 2(g / 4), 2(g / 4) + 1 of byte 8 + g % 4
//   108..109  d, f16
//
// Encoding: as q6_K's.
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct Q3_K : BlockFormat<Q3_K> {
    struct Block {
        uint8_t high[32];
        uint8_t low[64];
        uint8_t scales[12];
        uint16_t d;
    };
    static_assert(sizeof(Block) == 110);
    static constexpr ql_dtype id = QL_Q3_K;
    static constexpr const char * name = "q3_K";
    static constexpr int64_t block_length = 256;
    static constexpr int file_type = 11;  // upstream's "Q3_K - Small"

    /// Of group g, -32 to 31.
    [[gnu::always_inline]] static int scale(const Block & block, int g) {
        const int low = block.scales[g % 8] >> g / 8 * 4 & 15, high = block.scales[8 + g % 4] >> g / 4 * 2 & 3;
        return (low | high << 4) - 32;
    }

    static bool encode_block(const float * x, Block & block);
    static Status encode(const float * src, int64_t n, void * dst);
    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
