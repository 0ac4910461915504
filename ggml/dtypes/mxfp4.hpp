// mxfp4: 32 weights share a power of two; a weight is d * value[q], q in 0..15, d = 2^(e - 128).         (OCP MX, 2023)
//
// A block of 17 bytes:
//    0      e
//    1..16  codes: byte j = q[j] | q[j + 16] << 4
//
// Codes are floats of four bits, sign 8; the values are twice theirs, so that all are whole.
//
// Encoding: the largest weight is 8 to 16 times d, which cuts it off above 12, or 4 to 8 times: whichever leaves the less
// squared error. Below 2^-120 a block is zero.
#pragma once
#include "ggml/dtypes/unit_blocks.hpp"

namespace ql {

inline constexpr int8_t kFloat4Units[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

struct MXFP4Block {
    uint8_t e;
    uint8_t q[16];
};
static_assert(sizeof(MXFP4Block) == 17);

struct MXFP4 : UnitBlocks<MXFP4, MXFP4Block, 32> {
    static constexpr ql_dtype id = QL_MXFP4;
    static constexpr const char * name = "mxfp4";
    static constexpr int file_type = 38;

    static Status encode(const float * src, int64_t n, void * dst);

    [[gnu::always_inline]] static void units(const Block & block, int, int8_t * q) {
        look_up_nibbles(block.q, kFloat4Units, q);
    }
    [[gnu::always_inline]] static void scales(const Block & block, int, float * s) {
        s[0] = s[1] = half_power(block.e);
    }

    /// 2^(e - 128), subnormal below e = 2.
    [[gnu::always_inline]] static float half_power(uint8_t e) {
        return std::bit_cast<float>(e < 2 ? 0x00200000u << e : static_cast<uint32_t>(e - 1) << 23);
    }
};

}  // namespace ql
