// Scales by least squared error: what they gain, what they never lose, and the same bits wherever they are searched.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "ggml/dtypes/codebook.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/nf4_dq.hpp"
#include "ggml/dtypes/scale_search.hpp"
#include "support/safetensors.hpp"
#include "support/shared.hpp"
#include "tests/dtypes/instruction_sets.hpp"

namespace ql {
namespace {

using Floats = std::vector<float>;

constexpr ql_dtype kSearched[] = {QL_NF4, QL_NF4_DQ, QL_Q4_0};

Floats normal(int64_t n, uint64_t seed) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<float> distribution;
    Floats x(static_cast<size_t>(n));
    for (float & v : x) v = distribution(engine);
    return x;
}

/// A tensor in its type, and decoded again.
struct Encoded {
    Encoded(ql_dtype dtype, const Floats & x, bool search)
        : words(ql_dtype_bytes(dtype, size(x)) / 4 + 1), y(x.size()) {
        const auto encode = search ? ql_encode_search : ql_encode;
        EXPECT_EQ(encode(dtype, x.data(), size(x), words.data()), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_decode(dtype, words.data(), size(x), 0, size(x), y.data()), QL_OK) << ql_error_message();
    }
    static int64_t size(const Floats & x) { return static_cast<int64_t>(x.size()); }
    bool operator==(const Encoded & other) const {
        return std::memcmp(words.data(), other.words.data(), words.size() * 4) == 0;
    }
    Floats words, y;
};

/// What a tensor decodes to whose columns count `importance`.
Floats weighted(ql_dtype dtype, const Floats & x, const Floats & importance) {
    const auto n = static_cast<int64_t>(x.size()), row = static_cast<int64_t>(importance.size());
    Floats words(ql_dtype_bytes(dtype, n) / 4 + 1), y(x.size());
    EXPECT_EQ(ql_encode_search_weighted(dtype, x.data(), n, importance.data(), row, words.data()), QL_OK)
        << ql_error_message();
    EXPECT_EQ(ql_decode(dtype, words.data(), n, 0, n, y.data()), QL_OK);
    return y;
}

double squared_error(const Floats & x, const Floats & y, size_t first = 0, size_t count = SIZE_MAX) {
    double sum = 0;
    for (size_t i = first; i < x.size() && i - first < count; ++i) {
        const double e = static_cast<double>(y[i]) - static_cast<double>(x[i]);
        sum += e * e;
    }
    return sum;
}

/// What a search leaves of the error.
double remaining(ql_dtype dtype, const Floats & x) {
    return squared_error(x, Encoded(dtype, x, true).y) / squared_error(x, Encoded(dtype, x, false).y);
}

TEST(ScaleSearch, NormalWeightsLoseASixthOfTheirErrorInNF4AndLessInQ4_0) {
    const Floats x = normal(1 << 18, 5);
    EXPECT_NEAR(remaining(QL_NF4, x), 0.822, 0.005);
    EXPECT_NEAR(remaining(QL_NF4_DQ, x), 0.826, 0.005);
    EXPECT_NEAR(remaining(QL_Q4_0, x), 0.900, 0.005);
}

TEST(ScaleSearch, NearlyHalfTheScalesOfNormalWeightsAreNegative) {
    const Floats x = normal(1 << 16, 6);
    const Encoded nf4(QL_NF4, x, true), dq(QL_NF4_DQ, x, true);
    const NF4Layout planes(nf4.words.data(), 1 << 16);
    const NF4DQLayout dq_planes(dq.words.data(), 1 << 16);
    int n = 0, n_dq = 0;
    for (int b = 0; b < 1024; ++b) n += planes.absmax[b] < 0, n_dq += dq_planes.absmax(b) < 0;
    EXPECT_NEAR(n, 512, 80);
    EXPECT_EQ(n_dq, n);
    EXPECT_LT(std::fabs(dq_planes.offset), 0.5f) << "their mean is the offset";
}

/// Weights of many shapes, each a multiple of 64 long.
std::vector<Floats> shapes() {
    std::vector<Floats> all;
    std::mt19937_64 engine(7);
    const auto add = [&](const std::function<float(float, int)> & f) {
        Floats x = normal(64 * 96, engine());
        for (size_t i = 0; i < x.size(); ++i) x[i] = f(x[i], static_cast<int>(i));
        all.push_back(std::move(x));
    };
    add([](float v, int) { return v; });
    add([](float v, int) { return v * v * v; });                                 // heavy tails
    add([](float v, int) { return std::tanh(3 * v); });                          // two humps
    add([](float v, int) { return std::fabs(v); });                              // one sign
    add([](float v, int i) { return i % 64 == 17 ? 1e4f * v : v; });             // one huge weight a block
    add([](float v, int i) { return i % 64 == 17 ? v : 0.0f; });                 // one weight a block
    add([](float v, int i) { return i % 7 ? 0.0f : v; });                        // sparse
    add([](float v, int) { return std::round(2 * v); });                         // few values
    add([](float v, int i) { return v * std::ldexp(1.0f, i / 64 % 40 - 30); });  // scales of all sizes
    add([](float v, int) { return v * 3e-29f; });                                // around the least that is searched
    add([](float v, int) { return v * 1e-40f; });                                // subnormal
    add([](float v, int i) { return i / 64 % 3 ? v : 0.0f; });                   // blocks of zeros
    return all;
}

TEST(ScaleSearch, NoBlockHasMoreErrorThanWithTheLargestWeight) {
    int n_less = 0;
    for (const Floats & x : shapes()) {
        for (const ql_dtype dtype : {QL_NF4, QL_Q4_0}) {
            const Encoded plain(dtype, x, false), searched(dtype, x, true);
            const auto block = static_cast<size_t>(ql_dtype_block_length(dtype));
            for (size_t i = 0; i < x.size(); i += block) {
                const double before = squared_error(x, plain.y, i, block),
                             after = squared_error(x, searched.y, i, block);
                ASSERT_LE(after, before) << ql_dtype_name(dtype) << " element " << i;
                n_less += after < before;
            }
        }
        EXPECT_LE(squared_error(x, Encoded(QL_NF4_DQ, x, true).y), squared_error(x, Encoded(QL_NF4_DQ, x, false).y));
    }
    EXPECT_GT(n_less, 1500);
}

TEST(ScaleSearch, ATensorThatDoubleQuantisationOfSignsWouldHurtStaysAsItWas) {
    Floats x;  // blocks of one scale, which the offset alone gives back exactly
    for (int i = 0; i < 64 * 300; ++i) x.push_back(i % 64 == 0 ? 1.0f : kNF4Codebook[i % 16]);
    EXPECT_EQ(Encoded(QL_NF4_DQ, x, true), Encoded(QL_NF4_DQ, x, false));
    EXPECT_EQ(Encoded(QL_NF4_DQ, x, true).y, x);
}

TEST(ScaleSearch, ValuesOfTheFormatComeBackExactly) {
    for (const Floats & x : shapes()) {
        const Encoded once(QL_NF4, x, true), twice(QL_NF4, once.y, true);
        EXPECT_EQ(std::memcmp(once.y.data(), twice.y.data(), x.size() * 4), 0);
        const Encoded plain(QL_NF4, x, false), searched(QL_NF4, plain.y, true);
        EXPECT_EQ(searched.y, plain.y);
        // A block with a weight or two may get another scale in q4_0, as good but for its 11 bits.
        const Encoded halves(QL_Q4_0, x, true);
        EXPECT_LE(squared_error(halves.y, Encoded(QL_Q4_0, halves.y, true).y),
                  squared_error(Floats(x.size()), halves.y) * 0x1p-22);
    }
}

/// The least sum w (x - s u)^2 over thousands of scales.
double least_error(const ScaleSearch & b) {
    double all = 0, most = 0;
    for (int j = 0; j < b.n; ++j) all += static_cast<double>(b.wx[j]) * static_cast<double>(b.x[j]);
    for (int i = 1; i < 8000; ++i) {
        const float t = static_cast<float>(i - 4000) / 2000.0f + 1e-5f;
        double wxu = 0, wuu = 0;
        for (int j = 0; j < b.n; ++j) {
            const auto u = static_cast<double>(kNF4Codebook[nf4_code(b.x[j] * t)]);
            wxu += static_cast<double>(b.wx[j]) * u, wuu += static_cast<double>(b.w[j]) * u * u;
        }
        if (wuu > 0) most = std::max(most, wxu * wxu / wuu);
    }
    return all - most;
}

TEST(ScaleSearch, FindsNearlyTheBestScaleOfAll) {
    const Floats x = normal(64 * 64, 8);
    double least = 0, found = 0;
    for (int b = 0; b < 64; ++b) {
        float most = 0;
        for (int j = 0; j < 64; ++j) most = std::max(most, std::fabs(x[b * 64 + j]));
        const ScaleSearch block(x.data() + b * 64, 64, most, nullptr);
        const float s = search_nf4_scale(block);
        for (int j = 0; j < 64; ++j) {
            const double e = static_cast<double>(block.x[j]) -
                             static_cast<double>(s) * static_cast<double>(kNF4Codebook[nf4_code(block.x[j] / s)]);
            found += static_cast<double>(block.w[j]) * e * e;
        }
        least += least_error(block);
    }
    EXPECT_GE(found, least * 0.9999);
    EXPECT_LE(found, least * 1.01);
}

/// What make_scale_search.py computes of the same weights, operation for operation.
TEST(ScaleSearch, EqualsTheReferenceBitForBit) {
    const auto golden = test::SafeTensors::open(test::golden_path("scale_search.safetensors"));
    const Floats w = golden.f32("w");
    EXPECT_EQ(Encoded(QL_NF4, w, true).y, golden.f32("nf4"));
    EXPECT_EQ(Encoded(QL_NF4_DQ, w, true).y, golden.f32("nf4_dq"));
    EXPECT_EQ(Encoded(QL_Q4_0, w, true).y, golden.f32("q4_0"));
    const Floats importance = golden.f32("importance");
    EXPECT_EQ(weighted(QL_NF4, w, importance), golden.f32("nf4_weighted"));
    EXPECT_EQ(weighted(QL_Q4_0, w, importance), golden.f32("q4_0_weighted"));
}

TEST(ScaleSearch, GivesTheSameBitsOnEveryInstructionSet) {
    int n_sets = 0;
    for (const Floats & x : shapes())
        for (const ql_dtype dtype : kSearched) {
            const Encoded widest(dtype, x, true);
            n_sets += test::on_lesser_instruction_sets([&](int64_t off) {
                EXPECT_EQ(Encoded(dtype, x, true), widest) << ql_dtype_name(dtype) << " without " << off;
            });
        }
    if (n_sets == 0) GTEST_SKIP() << "one instruction set alone is compiled or supported";
}

TEST(ScaleSearch, ColumnsThatCountMoreLoseLess) {
    const Floats x = normal(128 * 256, 11);
    Floats importance = normal(128, 12);
    for (float & v : importance) v = std::exp(2 * v);
    const auto error = [&](const Floats & y, size_t first, size_t n) {
        return weighted_error(x.data() + first, y.data() + first, static_cast<int64_t>(n),
                              importance.data() + first % 128);
    };
    for (const ql_dtype dtype : kSearched) {
        const auto block = static_cast<size_t>(ql_dtype_block_length(dtype));
        const Floats plain = Encoded(dtype, x, false).y, unweighted = Encoded(dtype, x, true).y,
                     y = weighted(dtype, x, importance);
        double before = 0, between = 0, after = 0;
        for (size_t i = 0; i < x.size(); i += block) {
            before += error(plain, i, block), between += error(unweighted, i, block), after += error(y, i, block);
            if (dtype != QL_NF4_DQ) {
                EXPECT_LE(error(y, i, block), error(plain, i, block));
            }
        }
        EXPECT_LT(after, 0.6 * before) << ql_dtype_name(dtype);
        EXPECT_LT(after, 0.8 * between) << ql_dtype_name(dtype);
    }
}

TEST(ScaleSearch, ColumnsThatCountTheSameChangeNothing) {
    const Floats x = normal(128 * 8, 13);
    for (const ql_dtype dtype : kSearched) {
        EXPECT_EQ(weighted(dtype, x, Floats(128, 1.0f)), Encoded(dtype, x, true).y);
        EXPECT_EQ(weighted(dtype, x, Floats(128, 0x1p100f)), Encoded(dtype, x, true).y);
    }
    EXPECT_EQ(weighted(QL_NF4, x, Floats(128, 0.0f)), Encoded(QL_NF4, x, false).y) << "nothing to gain";
}

TEST(ScaleSearch, ImportanceThatIsNoneIsRefused) {
    const Floats x = normal(256, 14);
    Floats importance(128, 1.0f), out(256);
    const auto encode = [&](int64_t row) {
        return ql_encode_search_weighted(QL_NF4, x.data(), 256, importance.data(), row, out.data());
    };
    EXPECT_EQ(encode(128), QL_OK);
    for (const int64_t row : {int64_t{0}, int64_t{-64}, int64_t{96}, int64_t{192}, int64_t{512}})
        EXPECT_EQ(encode(row), QL_BAD_SHAPE) << row;
    importance[77] = -1;
    EXPECT_EQ(encode(128), QL_INVALID_ARGUMENT);
    EXPECT_STREQ(ql_error_message(), "importance 77 is negative");
    importance[77] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(encode(128), QL_NON_FINITE);
    EXPECT_EQ(ql_encode_search_weighted(QL_NF4, x.data(), 256, nullptr, 0, out.data()), QL_OK);
    EXPECT_EQ(ql_encode_search_weighted(QL_F16, x.data(), 256, nullptr, 0, out.data()), QL_UNSUPPORTED);
}

TEST(ScaleSearch, ZerosAndOneHugeWeightAreWhatTheyWere) {
    for (const ql_dtype dtype : kSearched) {
        const Floats zeros(256, 0.0f);
        EXPECT_EQ(Encoded(dtype, zeros, true).y, zeros);
        EXPECT_EQ(Encoded(dtype, zeros, true), Encoded(dtype, zeros, false));
    }
    for (const float huge : {std::numeric_limits<float>::max(), -3e38f, 2e37f}) {
        Floats x = normal(256, 9);
        x[70] = huge;
        x[200] = -huge;
        EXPECT_EQ(Encoded(QL_NF4, x, true).y[70], huge);
        EXPECT_EQ(Encoded(QL_NF4_DQ, x, true), Encoded(QL_NF4_DQ, x, false)) << "scales of either sign would overflow";
    }
}

TEST(ScaleSearch, WhatIsNoNumberIsRefusedWithItsPlace) {
    for (const ql_dtype dtype : kSearched) {
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
            Floats x = normal(256, 10), out(256);
            x[133] = bad;
            EXPECT_EQ(ql_encode_search(dtype, x.data(), 256, out.data()), QL_NON_FINITE);
            EXPECT_NE(std::string(ql_error_message()).find("element 133 is "), std::string::npos) << ql_error_message();
        }
    }
}

TEST(ScaleSearch, EveryOtherTypeIsRefusedByName) {
    const Floats x(512, 1.0f);
    Floats out(512);
    for (const DTypeDef & def : all_dtypes()) {
        const bool searched = std::find(std::begin(kSearched), std::end(kSearched), def.id) != std::end(kSearched);
        EXPECT_EQ(ql_dtype_can_search(def.id), searched) << def.name;
        EXPECT_EQ(ql_encode_search(def.id, x.data(), 512, out.data()), searched ? QL_OK : QL_UNSUPPORTED) << def.name;
        if (searched) continue;
        EXPECT_EQ(std::string(ql_error_message()),
                  std::string(def.name) + " has no search for its scales; q4_0, nf4 and nf4_dq have");
    }
    EXPECT_EQ(ql_encode_search(QL_NF4, nullptr, 0, nullptr), QL_OK);
    EXPECT_EQ(ql_encode_search(QL_NF4, x.data(), 65, out.data()), QL_BAD_SHAPE);
    EXPECT_EQ(ql_encode_search(QL_NF4, nullptr, 64, out.data()), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_encode_search(static_cast<ql_dtype>(4), x.data(), 64, out.data()), QL_BAD_DTYPE);
}

}  // namespace
}  // namespace ql
