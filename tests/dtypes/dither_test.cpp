// Rounding by thresholds: the rule of each element against its definition, what it keeps, and the same bits everywhere.
#include "ggml/dtypes/dither.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "ggml/dtypes/dtype.hpp"
#include "ql/dither.h"
#include "tests/dtypes/instruction_sets.hpp"

namespace ql {
namespace {

using Floats = std::vector<float>;

constexpr ql_dtype kTypesWithDither[] = {QL_NF4, QL_NF4_DQ, QL_Q4_0, QL_Q4_1, QL_Q4_K, QL_IQ4_NL};
constexpr uint32_t kKey = 0xfeed5eed;

Floats normal_weights(int64_t n, uint64_t seed) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<float> distribution(0, 0.1f);
    Floats x(static_cast<size_t>(n));
    for (float & v : x) v = distribution(engine);
    return x;
}

int64_t size_of(const Floats & x) {
    return static_cast<int64_t>(x.size());
}

/// The bytes of a tensor, in words that are aligned for any type.
Floats encoded_with(ql_dtype dtype, const Floats & x, bool dithers = true, uint32_t key = kKey, int64_t first = 0) {
    Floats words(ql_dtype_bytes(dtype, size_of(x)) / 4 + 1);
    const ql_status status = dithers ? ql_encode_dithered(dtype, x.data(), size_of(x), key, first, words.data())
                                     : ql_encode(dtype, x.data(), size_of(x), words.data());
    EXPECT_EQ(status, QL_OK) << ql_error_message();
    return words;
}

bool same_bytes(const Floats & a, const Floats & b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

Floats decoded(ql_dtype dtype, const Floats & words, int64_t n) {
    Floats y(static_cast<size_t>(n));
    EXPECT_EQ(ql_decode(dtype, words.data(), n, 0, n, y.data()), QL_OK) << ql_error_message();
    return y;
}

/// Weights that are values of the type, and whose blocks have the scales that encoding finds again.
Floats on_values(ql_dtype dtype, int64_t n, uint64_t seed) {
    return decoded(dtype, encoded_with(dtype, normal_weights(n, seed), false), n);
}

TEST(Dither, ThresholdsAreUniformAndOfTheirOwnKeys) {
    double sum = 0, squares = 0, together = 0;
    constexpr int64_t kN = 1 << 16;
    for (int64_t i = 0; i < kN; ++i) {
        const double t = static_cast<double>(dither_threshold(7, i)), u = static_cast<double>(dither_threshold(8, i));
        EXPECT_TRUE(t >= 0 && t < 1);
        sum += t, squares += t * t, together += (t - 0.5) * (u - 0.5);
    }
    EXPECT_NEAR(sum / kN, 0.5, 0.005);
    EXPECT_NEAR(squares / kN, 1.0 / 3, 0.005);
    EXPECT_NEAR(together / kN, 0, 0.001);
    EXPECT_NE(dither_threshold(7, 0), dither_threshold(7, 1));
}

/// x is 8 d, which fixes the scale, and parts of steps d: the code is by definition.
TEST(Dither, TakesTheUpperValueWhereThePartIsAboveTheThreshold) {
    constexpr float kD = 0.25f;
    for (const float part : {0.03f, 0.2f, 0.5f, 0.71f, 0.98f}) {
        Floats x(32 * 64, kD * (2 + part));
        for (size_t b = 0; b < 64; ++b) x[b * 32] = -8 * kD;
        const Floats y = decoded(QL_Q4_0, encoded_with(QL_Q4_0, x), size_of(x));
        for (size_t i = 0; i < x.size(); ++i) {
            const bool up = part > dither_threshold(kKey, static_cast<int64_t>(i));
            EXPECT_EQ(y[i], i % 32 == 0 ? -8 * kD : up ? 3 * kD : 2 * kD) << i << " " << part;
        }
    }
}

TEST(Dither, WhatLiesOnAValueStays) {
    for (const ql_dtype dtype : {QL_NF4, QL_NF4_DQ, QL_Q4_0, QL_Q4_1, QL_IQ4_NL}) {
        const Floats x = on_values(dtype, 64 * 256, 3);
        EXPECT_TRUE(same_bytes(encoded_with(dtype, x), encoded_with(dtype, x, false))) << ql_dtype_name(dtype);
    }
    // The scales of a K block are fitted anew, and in a few blocks come out a bit besides those that the weights had.
    const Floats x = on_values(QL_Q4_K, 64 * 256, 3), near = encoded_with(QL_Q4_K, x, false),
                 y = encoded_with(QL_Q4_K, x);
    size_t differ = 0;
    for (size_t i = 0; i < y.size(); ++i) differ += std::memcmp(&y[i], &near[i], sizeof(float)) != 0;
    EXPECT_LT(differ, y.size() / 100);
}

/// A change of a fiftieth of a step or so: rounding to the nearest loses it, thresholds keep its mean.
TEST(Dither, SmallChangesShowInTheMean) {
    for (const ql_dtype dtype : kTypesWithDither) {
        SCOPED_TRACE(ql_dtype_name(dtype));
        constexpr int64_t kN = 512 * 256;
        const Floats x = on_values(dtype, kN, 5);
        const Floats start = decoded(dtype, encoded_with(dtype, x, false), kN);
        Floats moved = x;
        constexpr float kChange = 0.0007f;
        for (size_t i = 0; i < moved.size(); ++i)
            if (std::fabs(x[i]) < 0.15f) moved[i] += kChange;  // no block's largest weight, which scales the others
        const auto mean_change = [&](bool dithers) {
            const Floats y = decoded(dtype, encoded_with(dtype, moved, dithers), kN);
            double sum = 0, n = 0;
            for (size_t i = 0; i < y.size(); ++i)
                if (std::fabs(x[i]) < 0.1f) sum += static_cast<double>(y[i] - start[i]), ++n;
            return sum / n;
        };
        EXPECT_NEAR(mean_change(true), static_cast<double>(kChange), 0.15 * static_cast<double>(kChange));
        // In q4_K a change of a whole group is one of its minimum, which has finer steps.
        if (dtype != QL_Q4_K) {
            EXPECT_LT(mean_change(false), 0.6 * static_cast<double>(kChange));
        }
    }
}

TEST(Dither, MovesACodeByOneAtMostAndNoScale) {
    for (const ql_dtype dtype : kTypesWithDither) {
        SCOPED_TRACE(ql_dtype_name(dtype));
        const Floats x = normal_weights(16 * 256, 9);
        const Floats near = decoded(dtype, encoded_with(dtype, x, false), size_of(x)),
                     y = decoded(dtype, encoded_with(dtype, x), size_of(x));
        double before = 0, after = 0;
        for (size_t i = 0; i < x.size(); ++i) {
            before += std::pow(static_cast<double>(near[i] - x[i]), 2);
            after += std::pow(static_cast<double>(y[i] - x[i]), 2);
        }
        EXPECT_GT(after, 1.5 * before);
        EXPECT_LT(after, 2.4 * before) << "uniform thresholds double the square of the error";
    }
}

TEST(Dither, APieceHasTheCodesOfItsPlaceInTheTensor) {
    for (const ql_dtype dtype : {QL_Q4_0, QL_Q4_1, QL_Q4_K, QL_IQ4_NL}) {
        const Floats x = normal_weights(8 * 256, 11), half(x.begin() + 4 * 256, x.end());
        const size_t bytes = ql_dtype_bytes(dtype, 4 * 256);
        const Floats whole = encoded_with(dtype, x), piece = encoded_with(dtype, half, true, kKey, 4 * 256);
        EXPECT_EQ(0, std::memcmp(reinterpret_cast<const std::byte *>(whole.data()) + bytes, piece.data(), bytes));
        EXPECT_FALSE(same_bytes(piece, encoded_with(dtype, half))) << "the element counts";
        EXPECT_FALSE(same_bytes(whole, encoded_with(dtype, x, true, kKey + 1))) << "the key counts";
    }
}

TEST(Dither, BlocksWithoutAScaleStayAsTheyAre) {
    for (const ql_dtype dtype : kTypesWithDither) {
        for (const float value : {0.0f, 1e-41f, -1e-41f}) {
            const Floats x(4 * 256, value);
            const Floats words = encoded_with(dtype, x), y = decoded(dtype, words, size_of(x));
            EXPECT_TRUE(same_bytes(words, encoded_with(dtype, x, false))) << ql_dtype_name(dtype) << " " << value;
            for (const float v : y) EXPECT_LE(std::fabs(v), 3e-41f) << ql_dtype_name(dtype);
        }
    }
}

TEST(Dither, GivesTheSameBitsOnEveryInstructionSet) {
    int n_sets = 0;
    for (const ql_dtype dtype : kTypesWithDither) {
        const Floats x = normal_weights(16 * 256, 13), widest = encoded_with(dtype, x);
        n_sets += test::on_lesser_instruction_sets([&](int64_t off) {
            EXPECT_TRUE(same_bytes(encoded_with(dtype, x), widest)) << ql_dtype_name(dtype) << " without " << off;
        });
    }
    if (n_sets == 0) GTEST_SKIP() << "one instruction set alone is compiled or supported";
}

TEST(Dither, RefusesOtherTypesAndWhatIsNoNumber) {
    Floats x(256, 1), words(512);
    for (const DTypeDef & type : all_dtypes()) {
        const bool has =
            std::find(std::begin(kTypesWithDither), std::end(kTypesWithDither), type.id) != std::end(kTypesWithDither);
        EXPECT_EQ(ql_dtype_can_dither(type.id), has) << type.name;
        if (has) continue;
        EXPECT_EQ(ql_encode_dithered(type.id, x.data(), 256, 1, 0, words.data()), QL_UNSUPPORTED) << type.name;
        EXPECT_NE(std::string(ql_error_message()).find("is not encoded with dither; "), std::string::npos);
    }
    EXPECT_EQ(ql_encode_dithered(QL_Q4_0, x.data(), 256, 1, -32, words.data()), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_encode_dithered(QL_Q4_0, nullptr, 256, 1, 0, words.data()), QL_INVALID_ARGUMENT);
    x[5] = NAN;
    EXPECT_EQ(ql_encode_dithered(QL_Q4_0, x.data(), 256, 1, 0, words.data()), QL_NON_FINITE);
}

}  // namespace
}  // namespace ql
