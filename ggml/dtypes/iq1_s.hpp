// iq1_s: 256 weights in 32 points of eight; a weight is (d * (2 s + 1)) * (g + t), g in {-1, 0, 1} a coordinate of a grid's
// point, s in 0..7 and t = 1/8 or -1/8 for a run of 32. Read only. Units are eight times g + t.
//
// A block of 50 bytes:
//    0..1    d, f16
//    2..33   the lower eight bits of the points' numbers in the grid of iq1
//   34..49   eight times 16 bits: the upper three bits of point l in bits 3l..3l + 2, s in 12..14, the sign of t in 15
#pragma once
#include "ggml/dtypes/iq_grids.hpp"
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct IQ1_SBlock {
    uint16_t d;
    uint8_t low[32];
    uint16_t high[8];
};
static_assert(sizeof(IQ1_SBlock) == 50);

struct IQ1_S : UnitBlocks<IQ1_S, IQ1_SBlock, 256> {
    static constexpr ql_dtype id = QL_IQ1_S;
    static constexpr const char * name = "iq1_s";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        const uint32_t high = block.high[run];
        const int t = high & 0x8000 ? -1 : 1;
        for (int l = 0; l < 4; ++l) {
            const uint64_t point = kIQ1Grid[block.low[run * 4 + l] | (high >> 3 * l & 7) << 8];
            std::memcpy(q + 8 * l, &point, 8);
        }
        for (int j = 0; j < kUnitRun; ++j) q[j] = static_cast<int8_t>(q[j] + t);
    }
    [[gnu::always_inline]] static void scales(const Block & block, int run, float * s) {
        const int scale = block.high[run] >> 12 & 7;
        s[0] = s[1] = f16_to_f32(block.d) * static_cast<float>(2 * scale + 1) * 0.125f;
    }
};

}  // namespace ql
