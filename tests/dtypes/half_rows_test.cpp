// Arrays of 16-bit floats against the conversions of one number, bit for bit, on every instruction set.
#include "ggml/dtypes/half_rows.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <vector>

#include "ggml/dtypes/half.hpp"
#include "tests/dtypes/instruction_sets.hpp"

namespace ql {
namespace {

using Halves = std::vector<uint16_t>;

Halves every_half() {
    Halves all(1 << 16);
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
    return all;
}

/// Each f16 and bf16 with its neighbours among the f32, halves of the way to the next one with theirs, and every 1021st f32.
std::vector<float> floats() {
    std::vector<float> all;
    const auto with_neighbours = [&](uint32_t bits) {
        for (const uint32_t near : {bits - 1, bits, bits + 1}) all.push_back(std::bit_cast<float>(near));
    };
    for (const uint16_t half : every_half()) {
        with_neighbours(std::bit_cast<uint32_t>(f16_to_f32(half)));
        with_neighbours(std::bit_cast<uint32_t>(f16_to_f32(half)) + 0x1000);
        with_neighbours(static_cast<uint32_t>(half) << 16);
        with_neighbours((static_cast<uint32_t>(half) << 16) + 0x8000);
    }
    for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 1021)
        all.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
    return all;
}

template <class From, class To>
void expect_same(const std::vector<From> & from, void (*rows)(const From *, int64_t, To *), To (*one)(From)) {
    const auto check = [&](int64_t off) {
        std::vector<To> got(from.size());
        rows(from.data(), static_cast<int64_t>(from.size()), got.data());
        size_t n_wrong = 0;
        for (size_t i = 0; i < from.size(); ++i) {
            const To expected = one(from[i]);
            n_wrong += std::memcmp(&expected, &got[i], sizeof(To)) != 0;
        }
        EXPECT_EQ(n_wrong, 0u) << "without " << off;
    };
    check(0);
    test::on_lesser_instruction_sets(check);
}

TEST(HalfRows, HaveTheBitsOfSingleNumbers) {
    expect_same<uint16_t, float>(every_half(), f16_to_f32, f16_to_f32);
    expect_same<uint16_t, float>(every_half(), bf16_to_f32, bf16_to_f32);
    expect_same<float, uint16_t>(floats(), f32_to_f16, f32_to_f16);
    expect_same<float, uint16_t>(floats(), f32_to_bf16, f32_to_bf16);
}

TEST(HalfRows, TouchNothingBehindAnyLength) {
    const std::vector<float> x(70, 1.5f);
    for (int64_t n = 0; n < 70; ++n) {
        Halves half(71, 7), upper(71, 7);
        f32_to_f16(x.data(), n, half.data());
        f32_to_bf16(x.data(), n, upper.data());
        std::vector<float> back(71, 7), upper_back(71, 7);
        f16_to_f32(half.data(), n, back.data());
        bf16_to_f32(upper.data(), n, upper_back.data());
        for (int64_t i = 0; i < 71; ++i) {
            const float expected = i < n ? 1.5f : 7.0f;
            EXPECT_EQ(back[static_cast<size_t>(i)], expected) << n;
            EXPECT_EQ(upper_back[static_cast<size_t>(i)], expected) << n;
        }
        EXPECT_EQ(half[static_cast<size_t>(n)], 7);
        EXPECT_EQ(upper[static_cast<size_t>(n)], 7);
    }
}

}  // namespace
}  // namespace ql
