// fp4: the 4-bit float of bitsandbytes. 64 weights share one f32 scale, the block's largest magnitude; a weight is
// kFP4Values[code] * absmax. Planes and the places of codes are nf4's (nf4.hpp).
//
// Codes 0..7 are magnitudes, 0 0.0625 8 12 4 6 2 3 by 12, in the order in which the hardware that they were meant for reads
// them; code + 8 has the sign. Code 8 is a zero, too.
//
// Encoding (bitsandbytes 0.50 on a CPU, the same bits): x * (1 / max(absmax, 1e-38)) in f32; its magnitude lies above some of
// the thresholds; what lies above none is code 8 where it is above zero, else code 0.      (bitsandbytes csrc/cpu_ops.cpp)
#pragma once
#include "ggml/dtypes/nf4.hpp"

namespace ql {

inline constexpr float kFP4Values[16] = {
    0.0f, 0.0625f / 12.0f,  8.0f / 12.0f,  12.0f / 12.0f,  4.0f / 12.0f,  6.0f / 12.0f,  2.0f / 12.0f,  3.0f / 12.0f,
    0.0f, -0.0625f / 12.0f, -8.0f / 12.0f, -12.0f / 12.0f, -4.0f / 12.0f, -6.0f / 12.0f, -2.0f / 12.0f, -3.0f / 12.0f,
};
/// Between the magnitudes, as rounded in the reference; a value on a threshold takes the lower magnitude.
inline constexpr float kFP4Thresholds[7] = {0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f,
                                            0.4166667f,  0.583333f,  0.8333333f};
/// The code of the n-th smallest magnitude: 0 1 6 7 4 5 2 3.
[[gnu::always_inline]] constexpr int32_t fp4_code_of_order(int32_t n) {
    return ((n & 1) - (n & 6)) & 7;
}

struct FP4 {
    static constexpr ql_dtype id = QL_FP4;
    static constexpr const char * name = "fp4";
    static constexpr int64_t block_length = NF4::block_length;
    static constexpr int64_t block_code_bytes = NF4::block_code_bytes;
    static constexpr bool quantised = true;

    [[gnu::always_inline]] static constexpr size_t bytes(int64_t n) { return NF4::bytes(n); }
    static Status encode(const float * src, int64_t n, void * dst);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);

    /// As NF4::encode_blocks.
    static Status encode_blocks(const float * src, int64_t n, uint8_t * codes, float * absmax, int64_t first);
};

}  // namespace ql
