// iq2_s: as iq2_xs with a larger grid and all eight signs. Read only.
//
// A block of 82 bytes:
//    0..1    d, f16
//    2..33   the lower eight bits of the 32 points' numbers in iq2_s' grid
//   34..65   the signs of their eight weights
//   66..73   the upper two bits of the numbers, four points a byte
//   74..81   s, as in iq2_xs
#pragma once
#include "ggml/dtypes/iq_grids.hpp"
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct IQ2_SBlock {
    uint16_t d;
    uint8_t low[32];
    uint8_t signs[32];
    uint8_t high[8];
    uint8_t scales[8];
};
static_assert(sizeof(IQ2_SBlock) == 82);

struct IQ2_S : UnitBlocks<IQ2_S, IQ2_SBlock, 256> {
    static constexpr ql_dtype id = QL_IQ2_S;
    static constexpr const char * name = "iq2_s";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        for (int l = 0; l < 4; ++l) {
            const uint32_t high = block.high[run] >> 2 * l & 3;
            store_signed(kIQ2SGrid[block.low[run * 4 + l] | high << 8], block.signs[run * 4 + l], q + 8 * l);
        }
    }
    [[gnu::always_inline]] static void scales(const Block & block, int run, float * s) {
        const float d = f16_to_f32(block.d);
        s[0] = d * (0.5f + static_cast<float>(block.scales[run] & 15)) * 0.25f;
        s[1] = d * (0.5f + static_cast<float>(block.scales[run] >> 4)) * 0.25f;
    }
};

}  // namespace ql
