// q1_0: 128 weights d or -d. Read only.
//
// A block of 18 bytes:
//    0..1   d, f16
//    2..17  a bit a weight, the first the lowest: 1 for d
#pragma once
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct Q1_0Block {
    uint16_t d;
    uint8_t bits[16];
};
static_assert(sizeof(Q1_0Block) == 18);

struct Q1_0 : UnitBlocks<Q1_0, Q1_0Block, 128> {
    static constexpr ql_dtype id = QL_Q1_0;
    static constexpr const char * name = "q1_0";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        for (int j = 0; j < kUnitRun; ++j)
            q[j] = static_cast<int8_t>((block.bits[run * 4 + j / 8] >> j % 8 & 1) * 2 - 1);
    }
    [[gnu::always_inline]] static void scales(const Block & block, int, float * s) {
        s[0] = s[1] = f16_to_f32(block.d);
    }
};

}  // namespace ql
