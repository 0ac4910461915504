// Blocks of 256 weights whose groups have scales of 6 or 8 bits, before their bits are packed: what the encoders of the K
// types share.
#pragma once
#include <cstdint>

#include "ggml/dtypes/group_fit.hpp"

namespace ql {

inline constexpr int kKBlock = 256;

/// Eight groups of 32: weight j of group g is f16(d) scale[g] code[j][g] - f16(dmin) minimum[g].
struct AffineBlock {
    uint16_t d = 0, dmin = 0;
    uint8_t scale[8] = {}, minimum[8] = {};  // 0 to 63
    GroupCodes codes;
};

/// Codes are 0 to top. Scales and minima of the groups are fitted, rounded to multiples of d and dmin, and d and dmin fitted to
/// what came out.                                       returns  false where a weight or a scale cannot be represented
bool encode_affine(const float * x, int top, AffineBlock & block);

/// Sixteen groups of 16: weight j of group g is f16(d) scale[g] (code[g / 8][j][g % 8] - half).
struct SignedBlock {
    uint16_t d = 0;
    int8_t scale[16] = {};
    GroupCodes codes[2];
    uint8_t code(int weight) const { return codes[weight / 128].code[weight % 16][weight / 16 % 8]; }
};

/// Codes are 0 to 2 half - 1, scales -most to most - 1. As encode_affine.
bool encode_signed(const float * x, int half, int most, SignedBlock & block);

}  // namespace ql
