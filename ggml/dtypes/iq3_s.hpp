// iq3_s: 256 weights in 64 points of four; a weight is (d * (2 s + 1)) * g, g a coordinate of a grid's point with a sign, s
// in 0..15 for a run of 32. Read only.
//
// A block of 110 bytes:
//     0..1    d, f16
//     2..65   the lower eight bits of the points' numbers in iq3_s' grid
//    66..73   the ninth bits, eight points a byte
//    74..105  the signs, eight weights a byte
//   106..109  s, two runs a byte, the first in bits 0..3
#pragma once
#include "ggml/dtypes/iq_grids.hpp"
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct IQ3_SBlock {
    uint16_t d;
    uint8_t low[64];
    uint8_t high[8];
    uint8_t signs[32];
    uint8_t scales[4];
};
static_assert(sizeof(IQ3_SBlock) == 110);

struct IQ3_S : UnitBlocks<IQ3_S, IQ3_SBlock, 256> {
    static constexpr ql_dtype id = QL_IQ3_S;
    static constexpr const char * name = "iq3_s";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        for (int l = 0; l < 4; ++l) {
            const uint8_t * of = block.low + run * 8 + 2 * l;
            const uint32_t high = static_cast<uint32_t>(block.high[run]) >> 2 * l;
            const uint32_t first = of[0] | (high & 1) << 8, second = of[1] | (high & 2) << 7;
            const uint64_t point = kIQ3SGrid[first] | static_cast<uint64_t>(kIQ3SGrid[second]) << 32;
            store_signed(point, block.signs[run * 4 + l], q + 8 * l);
        }
    }
    [[gnu::always_inline]] static void scales(const Block & block, int run, float * s) {
        const int scale = block.scales[run / 2] >> run % 2 * 4 & 15;
        s[0] = s[1] = f16_to_f32(block.d) * static_cast<float>(1 + 2 * scale);
    }
};

}  // namespace ql
