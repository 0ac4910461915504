// tq1_0: 256 weights -d, 0 or d; five in a byte. Read only.
//
// A block of 54 bytes. A byte is a fraction of 256 whose first digits to base 3 are the weights' (0, 1, 2 for -1, 0, 1): of
// byte b digit i is (b * 3^i mod 256) * 3 / 256.
//    0..31   weights 0..159: digit i of byte j is weight 32i + j
//   32..47   weights 160..239: digit i of byte j is weight 160 + 16i + j
//   48..51   weights 240..255: digit i < 4 of byte j is weight 240 + 4i + j
//   52..53   d, f16
#pragma once
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct TQ1_0Block {
    uint8_t codes[52];
    uint16_t d;
};
static_assert(sizeof(TQ1_0Block) == 54);

struct TQ1_0 : UnitBlocks<TQ1_0, TQ1_0Block, 256> {
    static constexpr ql_dtype id = QL_TQ1_0;
    static constexpr const char * name = "tq1_0";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        constexpr uint8_t kPowers[5] = {1, 3, 9, 27, 81};
        for (int j = 0; j < kUnitRun; ++j) {
            const int at = run * kUnitRun + j, five = at - 160, four = at - 240;
            const int byte = at < 160 ? j : five < 80 ? 32 + five % 16 : 48 + four % 4;
            const int digit = at < 160 ? run : five < 80 ? five / 16 : four / 4;
            const auto rest = static_cast<uint8_t>(block.codes[byte] * kPowers[digit]);
            q[j] = static_cast<int8_t>((rest * 3 >> 8) - 1);
        }
    }
    [[gnu::always_inline]] static void scales(const Block & block, int, float * s) {
        s[0] = s[1] = f16_to_f32(block.d);
    }
};

}  // namespace ql
