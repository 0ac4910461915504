// States of 8 bits: what their codec does with numbers that have no place on the map.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ggml/ops/blockwise_state.hpp"

namespace ql::test {
namespace {

struct Encoded {
    std::vector<uint8_t> codes;
    float absmax = -1;
};
Encoded encode(const DynamicMap & map, const std::vector<float> & x) {
    Encoded e{std::vector<uint8_t>(x.size())};
    encode_state(map, x.data(), static_cast<int64_t>(x.size()), e.codes.data(), e.absmax);
    return e;
}
std::vector<float> decode(const DynamicMap & map, const Encoded & e) {
    std::vector<float> x(e.codes.size());
    decode_state(map, e.codes.data(), e.absmax, static_cast<int64_t>(x.size()), x.data());
    return x;
}

TEST(BlockwiseState, TheLargestComesBackAndTheRestWithinACode) {
    const std::vector<float> x = {0.3f, -0.02f, 4, -3.9f, 1e-3f};
    const Encoded e = encode(kDynamicMapSigned, x);
    EXPECT_EQ(e.absmax, 4);
    const auto back = decode(kDynamicMapSigned, e);
    EXPECT_EQ(back[2], 4);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(back[i], x[i], 0.01 * 4) << i;
}

TEST(BlockwiseState, ABlockOfZerosStaysOne) {
    for (const DynamicMap * map : {&kDynamicMapSigned, &kDynamicMapUnsigned}) {
        const Encoded e = encode(*map, {0, 0, -0.0f});
        EXPECT_EQ(e.absmax, 0);
        for (const float x : decode(*map, e)) EXPECT_EQ(x, 0);
    }
}

TEST(BlockwiseState, ANegativeNumberThatRoundsToAPositiveCodeMovesByOne) {
    const Encoded e = encode(kDynamicMapSigned, {1, 1e-9f, -1e-9f});
    EXPECT_EQ(e.codes[1], 131);
    EXPECT_EQ(e.codes[2], 130);
}

/// A second moment that decodes to 0 would divide a step by eps: the grid has no such point.
TEST(BlockwiseState, ASecondMomentNeverBecomesZeroBesideOneThatIsNot) {
    const Encoded e = encode(kDynamicMapUnsigned, {1, 0, 1e-30f});
    for (const float x : decode(kDynamicMapUnsigned, e)) EXPECT_GT(x, 1e-5f);
}

TEST(BlockwiseState, WhatOverflowsOrUnderflowsIsNoUndefinedIndex) {
    const float tiny = std::numeric_limits<float>::denorm_min(), inf = std::numeric_limits<float>::infinity();
    EXPECT_EQ(encode(kDynamicMapSigned, {tiny, -tiny}).codes[0], 131);  // 1 / tiny is no number
    const Encoded e = encode(kDynamicMapSigned, {inf, -1, 2});
    EXPECT_EQ(e.absmax, inf);
    EXPECT_EQ(e.codes[0], 131);
}

TEST(BlockwiseState, BlocksAreCountedUp) {
    EXPECT_EQ(state_blocks(1), 1);
    EXPECT_EQ(state_blocks(256), 1);
    EXPECT_EQ(state_blocks(257), 2);
}

}  // namespace
}  // namespace ql::test
