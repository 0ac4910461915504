// iq4_xs: 256 weights in eight groups of 32; a weight is (d * s) * value[q], s in -32..31 a group, q in 0..15, the values
// those of iq4_nl. Read only.
//
// A block of 136 bytes:
//    0..1    d, f16
//    2..3    the upper two bits of s + 32 of group g in bits 2g, 2g + 1
//    4..7    the lower four, two groups a byte, the first in bits 0..3
//    8..135  codes, 16 bytes a group: byte j = q[j] | q[j + 16] << 4
#pragma once
#include "ggml/dtypes/iq4_nl.hpp"
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct IQ4_XSBlock {
    uint16_t d;
    uint16_t high;
    uint8_t low[4];
    uint8_t q[128];
};
static_assert(sizeof(IQ4_XSBlock) == 136);

struct IQ4_XS : UnitBlocks<IQ4_XS, IQ4_XSBlock, 256> {
    static constexpr ql_dtype id = QL_IQ4_XS;
    static constexpr const char * name = "iq4_xs";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        look_up_nibbles(block.q + run * 16, kIQ4Units, q);
    }
    [[gnu::always_inline]] static void scales(const Block & block, int run, float * s) {
        s[0] = s[1] = f16_to_f32(block.d) * static_cast<float>(group_scale(block, run));
    }

    /// s of group g, -32 to 31.
    [[gnu::always_inline]] static int group_scale(const Block & block, int g) {
        return ((block.low[g / 2] >> g % 2 * 4 & 15) | (block.high >> 2 * g & 3) << 4) - 32;
    }
};

}  // namespace ql
