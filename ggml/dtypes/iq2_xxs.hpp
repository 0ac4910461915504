// iq2_xxs: 256 weights in eight runs of 32; a weight is (d * (s + 1/2) / 4) * g, g a coordinate of a grid's point with a
// sign. A run has four points, four times seven signs (the eighth makes their number even) and s in 0..15. Read only.
//
// A block of 66 bytes:
//    0..1   d, f16
//    2..65  eight times: four bytes, the points' numbers in iq2_xxs' grid; then 32 bits: the signs of point l in bits
//           7l..7l + 6, s in the upper four
#pragma once
#include "ggml/dtypes/iq_grids.hpp"
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct IQ2_XXSBlock {
    uint16_t d;
    uint8_t codes[8][8];
};
static_assert(sizeof(IQ2_XXSBlock) == 66);

struct IQ2_XXS : UnitBlocks<IQ2_XXS, IQ2_XXSBlock, 256> {
    static constexpr ql_dtype id = QL_IQ2_XXS;
    static constexpr const char * name = "iq2_xxs";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        const uint8_t * of = block.codes[run];
        uint32_t signs;
        std::memcpy(&signs, of + 4, 4);
        for (int l = 0; l < 4; ++l) store_signed(kIQ2XXSGrid[of[l]], even_signs(signs >> 7 * l & 127), q + 8 * l);
    }
    [[gnu::always_inline]] static void scales(const Block & block, int run, float * s) {
        s[0] = s[1] = f16_to_f32(block.d) * (0.5f + static_cast<float>(block.codes[run][7] >> 4)) * 0.25f;
    }
};

}  // namespace ql
