// iq2_xs: 256 weights in 32 points of eight; a weight is (d * (s + 1/2) / 4) * g, g a coordinate of a grid's point with a
// sign, s in 0..15 for two points. Read only.
//
// A block of 74 bytes:
//    0..1    d, f16
//    2..65   32 times 16 bits: the point's number in iq2_xs' grid in bits 0..8, seven signs in 9..15 (the eighth makes
//            their number even)
//   66..73   s of points 0 and 1 in bits 0..3 of the first byte, of points 2 and 3 in bits 4..7, ...
#pragma once
#include "ggml/dtypes/iq_grids.hpp"
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct IQ2_XSBlock {
    uint16_t d;
    uint16_t codes[32];
    uint8_t scales[8];
};
static_assert(sizeof(IQ2_XSBlock) == 74);

struct IQ2_XS : UnitBlocks<IQ2_XS, IQ2_XSBlock, 256> {
    static constexpr ql_dtype id = QL_IQ2_XS;
    static constexpr const char * name = "iq2_xs";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        for (int l = 0; l < 4; ++l) {
            const uint32_t code = block.codes[run * 4 + l];
            store_signed(kIQ2XSGrid[code & 511], even_signs(code >> 9), q + 8 * l);
        }
    }
    [[gnu::always_inline]] static void scales(const Block & block, int run, float * s) {
        const float d = f16_to_f32(block.d);
        s[0] = d * (0.5f + static_cast<float>(block.scales[run] & 15)) * 0.25f;
        s[1] = d * (0.5f + static_cast<float>(block.scales[run] >> 4)) * 0.25f;
    }
};

}  // namespace ql
