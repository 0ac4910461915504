// The 16-bit floats, bit for bit: IEEE binary16 and bfloat16. Rounding is to nearest, ties to even; a NaN stays a NaN
// (made quiet, the upper bits of its payload kept), what is too large becomes Inf. Selects instead of branches; whole arrays
// are half_rows.hpp's. No operand is ever an f32 subnormal that matters, so flush-to-zero changes nothing.
#pragma once
#include <bit>
#include <cstdint>

namespace ql {

/// 1 sign, 5 exponent (bias 15), 10 mantissa bits.
[[gnu::always_inline]] constexpr float f16_to_f32(uint16_t h) {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
    const uint32_t a = h & 0x7fffu;
    constexpr uint32_t kRebias = (127u - 15u) << 23;
    const uint32_t normal = (a << 13) + kRebias + (a >= 0x7c00u ? kRebias : 0);  // the second time: exponent 31 to 255
    const uint32_t subnormal = std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(a)) * 0x1p-24f);
    const uint32_t quiet = a > 0x7c00u ? 0x00400000u : 0;
    return std::bit_cast<float>(sign | quiet | (a < 0x0400u ? subnormal : normal));
}

[[gnu::always_inline]] constexpr uint16_t f32_to_f16(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t a = bits & 0x7fffffffu;
    // Normal: drop 13 bits, rounding; a carry runs on into the exponent, as it should.
    const uint32_t rounded = (a - ((127u - 15u) << 23) + 0xfffu + ((a >> 13) & 1u)) >> 13;
    // Below 2^-14: the unit in the last place of 0.5 is 2^-24, the unit of an f16 subnormal, so the addition rounds.
    const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(a) + 0.5f) - std::bit_cast<uint32_t>(0.5f);
    const uint32_t nan = 0x7e00u | ((a >> 13) & 0x1ffu);
    uint32_t h = a < 0x38800000u ? subnormal : rounded;
    h = a >= 0x477ff000u ? 0x7c00u : h;  // 65520 and more round to Inf
    h = a > 0x7f800000u ? nan : h;
    return static_cast<uint16_t>(sign | h);
}

/// As a cache of keys and values holds it: NaN where f32_to_f16 gives Inf.
[[gnu::always_inline]] constexpr uint16_t cache_f16(float x) {
    const uint16_t h = f32_to_f16(x);
    return static_cast<uint16_t>((h & 0x7fffu) == 0x7c00u ? h | 0x0200u : h);
}

/// The upper half of an f32: 1 sign, 8 exponent, 7 mantissa bits.
[[gnu::always_inline]] constexpr float bf16_to_f32(uint16_t h) {
    return std::bit_cast<float>(static_cast<uint32_t>(h) << 16);
}

[[gnu::always_inline]] constexpr uint16_t f32_to_bf16(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint32_t nan = (bits >> 16) | 0x40u;
    return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

}  // namespace ql
