// The 8-bit "dynamic" maps of 256 values in [-1, 1] or [0, 1]: a variable number of exponent bits, the rest fraction.
// NF4_DQ stores its scales with the signed map, the 8-bit optimizer states use both.      (Dettmers et al. 2022, 1.3)
//
// The values follow from the rule, to the bit: for i = 0..6 the points linspace(0.1, 1, 2^i + 1) (2^(i+1) + 1
// unsigned), means of neighbours times 10^(i-6), with both signs; then 0 and 1; sorted. All is f32; linspace goes from
// both ends to the middle with one rounding a point, as PyTorch computes it, which bitsandbytes calls.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

namespace ql {

using DynamicMap = std::array<float, 256>;

namespace detail {

constexpr float linspace_point(int i, int n) {  // point i of n from 0.1 to 1
    const float step = (1.0f - 0.1f) / static_cast<float>(n - 1);
    // The product is exact in double, so that each point is rounded once, as by a fused multiply-add.
    if (i < n / 2) return static_cast<float>(static_cast<double>(0.1f) + static_cast<double>(step) * i);
    return static_cast<float>(1.0 - static_cast<double>(step) * (n - 1 - i));
}

constexpr DynamicMap make_dynamic_map(bool is_signed) {
    constexpr float kPowers[7] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f};
    DynamicMap map = {};
    int size = 0;
    for (int i = 0; i < 7; ++i) {
        const int n = (is_signed ? 1 << i : 2 << i) + 1;
        for (int j = 0; j + 1 < n; ++j) {
            const float mean = (linspace_point(j, n) + linspace_point(j + 1, n)) / 2.0f;
            map[size++] = mean * kPowers[i];
            if (is_signed) map[size++] = -(mean * kPowers[i]);
        }
    }
    map[size++] = 0.0f;
    map[size++] = 1.0f;
    std::sort(map.begin(), map.end());
    return map;
}

}  // namespace detail

inline constexpr DynamicMap kDynamicMapSigned = detail::make_dynamic_map(true);
inline constexpr DynamicMap kDynamicMapUnsigned = detail::make_dynamic_map(false);
inline constexpr uint8_t kDynamicZeroSigned = 127;  // the code of 0 in the signed map

static_assert(kDynamicMapSigned[kDynamicZeroSigned] == 0 && kDynamicMapUnsigned[0] == 0);
static_assert(kDynamicMapSigned[0] > -1 && kDynamicMapSigned[255] == 1);  // there is no -1

/// The code of x in [-1, 1] as bitsandbytes on a CPU chooses it: x is first rounded to a grid of 65,536 points, all in
/// f32, then the nearest entry is taken. About 1 in 100 differs from the entry nearest to x itself.
[[gnu::always_inline]] inline uint8_t dynamic_code(const DynamicMap & map, float x) {
    const int32_t i = static_cast<int32_t>((x + 1.0f) / 2.0f * 65535.0f + 0.5f);  // not negative: truncation is floor
    const float p = 2.0f * static_cast<float>(i) / 65535.0f - 1.0f;
    uint32_t low = 0;  // the last entry <= p, or the first; a binary search of fixed length
    for (uint32_t step = 128; step > 0; step /= 2) low += map[low + step] <= p ? step : 0;
    if (low == 255) return 255;
    return static_cast<uint8_t>(low + (map[low + 1] - p < p - map[low]));
}

}  // namespace ql
