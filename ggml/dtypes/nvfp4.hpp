// nvfp4: 64 weights in four groups of 16; a weight is (f / 2) * value[q], f an unsigned 8-bit float a group, q and the
// values those of mxfp4. Read only. Its files have one more factor for a tensor, in an f32 of its own beside it.
//
// A block of 36 bytes:
//    0..3   f: exponent in bits 3..6 (bias 7), mantissa in bits 0..2; 0 and 0x7f are 0
//    4..35  codes, 8 bytes a group: byte j = q[j] | q[j + 8] << 4
#pragma once
#include "ggml/dtypes/mxfp4.hpp"
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

struct NVFP4Block {
    uint8_t f[4];
    uint8_t q[32];
};
static_assert(sizeof(NVFP4Block) == 36);

struct NVFP4 : UnitBlocks<NVFP4, NVFP4Block, 64> {
    static constexpr ql_dtype id = QL_NVFP4;
    static constexpr const char * name = "nvfp4";

    [[gnu::always_inline]] static void units(const Block & block, int run, int8_t * q) {
        for (int g = 0; g < 2; ++g) {
            const uint8_t * of = block.q + run * 16 + g * 8;
            for (int j = 0; j < 8; ++j) {
                q[g * 16 + j] = kFloat4Units[of[j] & 15];
                q[g * 16 + j + 8] = kFloat4Units[of[j] >> 4];
            }
        }
    }
    [[gnu::always_inline]] static void scales(const Block & block, int run, float * s) {
        s[0] = half_scale(block.f[run * 2]);
        s[1] = half_scale(block.f[run * 2 + 1]);
    }

    /// f / 2. Subnormal below exponent 1.
    [[gnu::always_inline]] static float half_scale(uint8_t f) {
        if (f == 0 || f == 0x7f) return 0;
        const int exponent = f >> 3 & 15, mantissa = f & 7;
        const float unit = std::bit_cast<float>(static_cast<uint32_t>((exponent ? exponent : 1) - 11 + 127) << 23);
        return static_cast<float>(exponent ? mantissa + 8 : mantissa) * unit;
    }
};

}  // namespace ql
