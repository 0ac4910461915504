// q2_0: 64 weights d * (q - 1), q in 0..3. Read only.
//
// A block of 18 bytes:
//    0..1   d, f16
//    2..17  q, four in a byte, the first in the lowest bits
#pragma once
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct Q2_0Block {
    uint16_t d;
    uint8_t q[16];
};
static_assert(sizeof(Q2_0Block) == 18);

struct Q2_0 : UnitBlocks<Q2_0, Q2_0Block, 64> {
    static constexpr ql_dtype id = QL_Q2_0;
    static constexpr const char * name = "q2_0";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        for (int j = 0; j < kUnitRun; ++j) q[j] = static_cast<int8_t>((block.q[run * 8 + j / 4] >> j % 4 * 2 & 3) - 1);
    }
    [[gnu::always_inline]] static void scales(const Block & block, int, float * s) {
        s[0] = s[1] = f16_to_f32(block.d);
    }
};

}  // namespace ql
