// Encoders by vectors against the formats' rules, weight by weight, on every instruction set.
#include "ggml/dtypes/block_codes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "ggml/dtypes/codebook.hpp"
#include "ggml/dtypes/half.hpp"
#include "tests/dtypes/instruction_sets.hpp"

namespace ql {
namespace {

constexpr int64_t kBlock = 64;  // a multiple of each format's

/// Blocks of weights of many sizes, of zeros, of subnormals, with their largest magnitude twice and of both signs, and with
/// values at and beside the places where a code becomes the next one.
std::vector<float> weights() {
    std::vector<float> all;
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    const auto add = [&](auto value) {
        for (int64_t i = 0; i < kBlock; ++i) all.push_back(value(static_cast<float>(i)));
    };
    for (const float size : {1.0f, 1e-3f, 3e-6f, 1e-9f, 1e-38f, 1e-42f, 7e4f})
        for (int i = 0; i < 9; ++i) add([&](float) { return size * normal(random); });
    add([](float) { return 0.0f; });
    add([](float) { return -0.0f; });
    add([](float i) { return i == 3 || i == 40 ? -2.0f : i == 17 || i == 33 ? 2.0f : i / 64; });
    add([](float i) { return i == 5 || i == 60 ? 2.0f : i == 9 || i == 50 ? -2.0f : -i / 64; });
    const auto at = [](float i, float value) {  // the value, and its neighbours; the first of each half is the largest
        if (i == 0 || i == 32) return 1.0f;
        const int which = static_cast<int>(i) % 3;
        return which == 0 ? value : std::nextafter(value, which == 1 ? 2.0f : -2.0f);
    };
    for (const float threshold : kNF4Thresholds) add([&](float i) { return at(i, threshold); });
    for (const float threshold : kFP4Thresholds)
        for (const float sign : {1.0f, -1.0f}) add([&](float i) { return at(i, sign * threshold); });
    for (int q = 0; q < 16; ++q) add([&](float i) { return at(i, (static_cast<float>(q) - 7.5f) / 8); });
    for (int q = -126; q < 127; q += 9) add([&](float i) { return at(i, (static_cast<float>(q) + 0.5f) / 127); });
    return all;
}

float largest(const float * x, int64_t n) {
    float most = 0;
    for (int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(x[i]));
    return most;
}

/// 1 / d, or 0 where that is no number.
float inverse_of(float d) {
    return std::isfinite(1 / d) ? 1 / d : 0;
}

/// Codes and scales of a tensor that has a plane of each.
struct TwoPlanes {
    std::vector<uint8_t> codes;
    std::vector<float> absmax;
    bool operator==(const TwoPlanes &) const = default;
};

int32_t plain_fp4_code(float x) {
    const auto order = static_cast<int32_t>(std::count_if(std::begin(kFP4Thresholds), std::end(kFP4Thresholds),
                                                          [&](float threshold) { return std::fabs(x) > threshold; }));
    if (order == 0) return x > 0 ? 8 : 0;
    return fp4_code_of_order(order) | (x < 0 ? 8 : 0);
}

TwoPlanes plain_two_planes(const std::vector<float> & w, int32_t (*code)(float)) {
    TwoPlanes to;
    for (size_t first = 0; first < w.size(); first += 64) {
        const float * const x = w.data() + first;
        to.absmax.push_back(largest(x, 64));
        const float inverse = 1 / std::max(to.absmax.back(), 1e-38f);
        for (int j = 0; j < 32; ++j)
            to.codes.push_back(static_cast<uint8_t>(code(x[j] * inverse) | code(x[j + 32] * inverse) << 4));
    }
    return to;
}

Q4_0::Block plain_q4_0(const float * x) {
    const float most = largest(x, 32);
    const float m = *std::find_if(x, x + 32, [&](float v) { return std::fabs(v) == most; });
    const float d = (most == 0 ? 0 : m) / -8, inverse = inverse_of(d);
    const auto code = [&](float v) { return std::min(15, static_cast<int>(v * inverse + 8.5f)); };
    Q4_0::Block block{f32_to_f16(d), {}};
    for (int j = 0; j < 16; ++j) block.q[j] = static_cast<uint8_t>(code(x[j]) | code(x[j + 16]) << 4);
    return block;
}

Q8_0::Block plain_q8_0(const float * x) {
    const float d = largest(x, 32) / 127, inverse = inverse_of(d);
    Q8_0::Block block{f32_to_f16(d), {}};
    for (int j = 0; j < 32; ++j) block.q[j] = static_cast<int8_t>(std::round(x[j] * inverse));
    return block;
}

template <class Check>
void on_every_instruction_set(Check check) {
    check(int64_t{0});
    test::on_lesser_instruction_sets(check);
}

template <class Block>
void expect_blocks(Block (*plain)(const float *), int64_t (*encode)(const float *, int64_t, Block *)) {
    const std::vector<float> w = weights();
    const size_t n = w.size() / 32;
    on_every_instruction_set([&](int64_t off) {
        std::vector<Block> got(n);
        ASSERT_EQ(encode(w.data(), static_cast<int64_t>(n), got.data()), static_cast<int64_t>(n));
        for (size_t b = 0; b < n; ++b) {
            const Block want = plain(w.data() + b * 32);
            ASSERT_EQ(0, std::memcmp(&want, &got[b], sizeof want)) << "block " << b << " without " << off;
        }
    });
}

void expect_two_planes(int32_t (*code)(float), decltype(encode_nf4_blocks) * encode) {
    const std::vector<float> w = weights();
    const TwoPlanes want = plain_two_planes(w, code);
    on_every_instruction_set([&](int64_t off) {
        TwoPlanes got{std::vector<uint8_t>(w.size() / 2), std::vector<float>(w.size() / 64)};
        const auto n = static_cast<int64_t>(w.size() / 64);
        ASSERT_EQ(encode(w.data(), n, got.codes.data(), got.absmax.data()), n);
        EXPECT_TRUE(got == want) << "without " << off;
    });
}

TEST(BlockCodes, AreThoseOfTheFormatsRules) {
    expect_two_planes(nf4_code, encode_nf4_blocks);
    expect_two_planes(plain_fp4_code, encode_fp4_blocks);
    expect_blocks<Q4_0::Block>(plain_q4_0, encode_q4_0_blocks);
    expect_blocks<Q8_0::Block>(plain_q8_0, encode_q8_0_blocks);
}

TEST(BlockCodes, EndBeforeABlockThatCannotBeEncoded) {
    const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    on_every_instruction_set([&](int64_t off) {
        for (const float bad : {nan, -nan, infinity, -infinity, 3e38f})
            for (const size_t at : {0, 31, 32, 63, 64, 191}) {
                std::vector<float> w(192, 0.5f), absmax(3);
                std::vector<uint8_t> codes(96);
                w[at] = bad;
                std::vector<Q4_0::Block> q4(6);
                std::vector<Q8_0::Block> q8(6);
                const auto block = static_cast<int64_t>(at);
                for (const auto encode : {encode_nf4_blocks, encode_fp4_blocks})
                    EXPECT_EQ(encode(w.data(), 3, codes.data(), absmax.data()), bad == 3e38f ? 3 : block / 64)
                        << bad << " at " << at << " without " << off;
                EXPECT_EQ(encode_q4_0_blocks(w.data(), 6, q4.data()), block / 32) << bad << " at " << at;
                EXPECT_EQ(encode_q8_0_blocks(w.data(), 6, q8.data()), block / 32) << bad << " at " << at;
            }
    });
}

}  // namespace
}  // namespace ql
