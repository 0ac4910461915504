// iq3_xxs: 256 weights in eight runs of 32; a weight is (d * (s + 1/2) / 2) * g, g a coordinate of a grid's point of four
// with a sign. Signs and s as in iq2_xxs. Read only.
//
// A block of 98 bytes:
//    0..1    d, f16
//    2..65   the numbers of 64 points in iq3_xxs' grid
//   66..97   eight times 32 bits: four times seven signs, and s in the upper four
#pragma once
#include "ggml/dtypes/iq_grids.hpp"
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct IQ3_XXSBlock {
    uint16_t d;
    uint8_t codes[64];
    uint8_t signs[32];
};
static_assert(sizeof(IQ3_XXSBlock) == 98);

struct IQ3_XXS : UnitBlocks<IQ3_XXS, IQ3_XXSBlock, 256> {
    static constexpr ql_dtype id = QL_IQ3_XXS;
    static constexpr const char * name = "iq3_xxs";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        uint32_t signs;
        std::memcpy(&signs, block.signs + run * 4, 4);
        for (int l = 0; l < 4; ++l) {
            const uint8_t * of = block.codes + run * 8 + 2 * l;
            const uint64_t point = kIQ3XXSGrid[of[0]] | static_cast<uint64_t>(kIQ3XXSGrid[of[1]]) << 32;
            store_signed(point, even_signs(signs >> 7 * l & 127), q + 8 * l);
        }
    }
    [[gnu::always_inline]] static void scales(const Block & block, int run, float * s) {
        s[0] = s[1] = f16_to_f32(block.d) * (0.5f + static_cast<float>(block.signs[run * 4 + 3] >> 4)) * 0.5f;
    }
};

}  // namespace ql
