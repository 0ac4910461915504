// The 6-bit scales and minima of q4_K and q5_K: eight of each in 12 bytes.
//
//    bytes 0..3   scale of groups 0..3 in bits 0..5; bits 6, 7 are the upper two of scale 4..7
//    bytes 4..7   minimum of groups 0..3 in bits 0..5; bits 6, 7 are the upper two of minimum 4..7
//    bytes 8..11  groups 4..7: the lower four of the scale in bits 0..3, of the minimum in bits 4..7
#pragma once
#include <cstdint>

namespace ql {

struct KScale {
    uint8_t scale, min;
};

[[gnu::always_inline]] constexpr KScale k_scale(const uint8_t * packed, int group) {
    if (group < 4) return {static_cast<uint8_t>(packed[group] & 63), static_cast<uint8_t>(packed[group + 4] & 63)};
    const uint8_t low = packed[group + 4];
    return {static_cast<uint8_t>((low & 15) | (packed[group - 4] >> 6) << 4),
            static_cast<uint8_t>((low >> 4) | (packed[group] >> 6) << 4)};
}

/// The inverse: eight scales and eight minima, 0 to 63 each.
constexpr void pack_k_scales(const uint8_t * scale, const uint8_t * min, uint8_t * packed) {
    for (int g = 0; g < 4; ++g) {
        packed[g] = static_cast<uint8_t>(scale[g] | (scale[g + 4] >> 4) << 6);
        packed[g + 4] = static_cast<uint8_t>(min[g] | (min[g + 4] >> 4) << 6);
        packed[g + 8] = static_cast<uint8_t>((scale[g + 4] & 15) | (min[g + 4] & 15) << 4);
    }
}

}  // namespace ql
