// tq2_0: 256 weights d * (q - 1), q in 0..3. Read only.
//
// A block of 66 bytes:
//    0..63   q of two halves of 128 weights, 32 bytes each: bits 2k, 2k + 1 of byte j are weight 32k + j
//   64..65   d, f16
#pragma once
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct TQ2_0Block {
    uint8_t q[64];
    uint16_t d;
};
static_assert(sizeof(TQ2_0Block) == 66);

struct TQ2_0 : UnitBlocks<TQ2_0, TQ2_0Block, 256> {
    static constexpr ql_dtype id = QL_TQ2_0;
    static constexpr const char * name = "tq2_0";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        for (int j = 0; j < kUnitRun; ++j)
            q[j] = static_cast<int8_t>((block.q[run / 4 * 32 + j] >> run % 4 * 2 & 3) - 1);
    }
    [[gnu::always_inline]] static void scales(const Block & block, int, float * s) {
        s[0] = s[1] = f16_to_f32(block.d);
    }
};

}  // namespace ql
