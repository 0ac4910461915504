// iq1_m: as iq1_s, with s of 16 weights and the sign of t of eight. d has no place of its own. Read only.
//
// A block of 56 bytes:
//    0..31   the lower eight bits of the points' numbers in the grid of iq1
//   32..47   of two points a byte: the upper three bits of the first in bits 0..2, the sign of its t in bit 3; of the
//            second in bits 4..7
//   48..55   four times 16 bits: s of 16 weights i in bits 3i..3i + 2; bits 12..15 are four bits of d, an f16, the first
//            those of its lowest
#pragma once
#include "ggml/dtypes/iq_grids.hpp"
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct IQ1_MBlock {
    uint8_t low[32];
    uint8_t high[16];
    uint16_t scales[4];
};
static_assert(sizeof(IQ1_MBlock) == 56);

struct IQ1_M : UnitBlocks<IQ1_M, IQ1_MBlock, 256> {
    static constexpr ql_dtype id = QL_IQ1_M;
    static constexpr const char * name = "iq1_m";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        for (int l = 0; l < 4; ++l) {
            const uint32_t high = block.high[run * 2 + l / 2] >> l % 2 * 4 & 15;
            const uint64_t point = kIQ1Grid[block.low[run * 4 + l] | (high & 7) << 8];
            std::memcpy(q + 8 * l, &point, 8);
            for (int j = 8 * l; j < 8 * l + 8; ++j) q[j] = static_cast<int8_t>(q[j] + (high & 8 ? -1 : 1));
        }
    }
    [[gnu::always_inline]] static void scales(const Block & block, int run, float * s) {
        const float d = f16_to_f32(get_d(block));
        for (int i = 0; i < 2; ++i) {
            const int scale = block.scales[run / 2] >> (run % 2 * 2 + i) * 3 & 7;
            s[i] = d * static_cast<float>(2 * scale + 1) * 0.125f;
        }
    }

    [[gnu::always_inline]] static uint16_t get_d(const Block & block) {
        int d = 0;
        for (int i = 0; i < 4; ++i) d |= block.scales[i] >> 12 << 4 * i;
        return static_cast<uint16_t>(d);
    }
    [[gnu::always_inline]] static void set_d(Block & block, uint16_t d) {
        for (int i = 0; i < 4; ++i)
            block.scales[i] = static_cast<uint16_t>((block.scales[i] & 0x0fff) | (d >> 4 * i & 15) << 12);
    }
};

}  // namespace ql
