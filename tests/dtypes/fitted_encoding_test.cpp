// The encoders that fit the scales of groups (group_fit.hpp): how close they come, what they must hold exactly, and the
// same bits wherever they run.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/q4_k.hpp"
#include "ggml/dtypes/q6_k.hpp"
#include "tests/dtypes/instruction_sets.hpp"

namespace ql {
namespace {

using Floats = std::vector<float>;

/// A type and the relative root of its mean squared error on N(0, 1) as llama.cpp's own encoder leaves it (b11549's
/// ggml_quantize_chunk without importance, 2^19 weights).
struct Fitted {
    ql_dtype dtype;
    double llama_cpp;
};
constexpr Fitted kFittedTypes[] = {
    {QL_Q3_K, .151081}, {QL_Q4_K, .071442}, {QL_Q5_K, .036173}, {QL_Q6_K, .017765}, {QL_IQ4_NL, .076210}};
constexpr Fitted kMXFP4 = {QL_MXFP4, .115271};  // a power of two is all that is fitted, and it holds every f32

std::vector<Fitted> with_mxfp4() {
    std::vector<Fitted> all(std::begin(kFittedTypes), std::end(kFittedTypes));
    all.push_back(kMXFP4);
    return all;
}

Floats normal(size_t n, uint64_t seed = 1) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<float> distribution;
    Floats x(n);
    for (float & v : x) v = distribution(engine);
    return x;
}

std::vector<uint16_t> encoded(ql_dtype dtype, const Floats & x) {
    const auto n = static_cast<int64_t>(x.size());
    std::vector<uint16_t> words((ql_dtype_bytes(dtype, n) + 1) / 2);
    EXPECT_EQ(ql_encode(dtype, x.data(), n, words.data()), QL_OK) << ql_error_message();
    return words;
}

Floats round_trip(ql_dtype dtype, const Floats & x) {
    const auto n = static_cast<int64_t>(x.size());
    const auto words = encoded(dtype, x);
    Floats y(x.size());
    EXPECT_EQ(ql_decode(dtype, words.data(), n, 0, n, y.data()), QL_OK) << ql_error_message();
    return y;
}

double relative_error(const Floats & x, const Floats & y) {
    double error = 0, norm = 0;
    for (size_t i = 0; i < x.size(); ++i) {
        error += std::pow(static_cast<double>(y[i]) - static_cast<double>(x[i]), 2);
        norm += std::pow(static_cast<double>(x[i]), 2);
    }
    return std::sqrt(error / norm);
}

TEST(FittedEncoding, LeavesLessErrorThanLlamaCppOnNormalWeights) {
    const Floats x = normal(size_t{1} << 18);
    for (const Fitted & type : with_mxfp4()) {
        const double error = relative_error(x, round_trip(type.dtype, x));
        EXPECT_LT(error, type.llama_cpp) << ql_dtype_name(type.dtype);
        EXPECT_GT(error, type.llama_cpp * 0.9) << ql_dtype_name(type.dtype) << ": too good to be true";
    }
}

TEST(FittedEncoding, LosesNoMoreWhereEveryGroupHasAnotherSize) {
    Floats x = normal(size_t{1} << 16);
    for (size_t i = 0; i < x.size(); ++i) x[i] *= std::ldexp(1.0f, static_cast<int>(i / 16 * 7 % 5));
    for (const Fitted & type : kFittedTypes) {
        if (type.dtype == QL_IQ4_NL) continue;  // a block has one scale for two of these
        EXPECT_LT(relative_error(x, round_trip(type.dtype, x)), type.llama_cpp * 1.45) << ql_dtype_name(type.dtype);
    }
}

/// What a block can hold exactly: it comes back as it was, so a model's own type is no worse a second time.
TEST(FittedEncoding, WeightsOfItsOwnBlocksComeBack) {
    std::mt19937 engine(4);
    Q4_K::Block q4{};
    q4.d = 0x2c00, q4.dmin = 0x3000;  // 1/16, 1/8
    for (uint8_t & byte : q4.scales) byte = static_cast<uint8_t>(engine());
    q4.scales[1] |= 63, q4.scales[6] |= 63;  // scale 1 and minimum 2 are the largest
    for (uint8_t & byte : q4.q) byte = static_cast<uint8_t>(engine());
    for (int pair = 0; pair < 4; ++pair) q4.q[pair * 32] = 0, q4.q[pair * 32 + 1] = 0xff;  // every group has 0 and 15
    Floats x(256);
    Q4_K::decode_block(q4, x.data());
    EXPECT_EQ(round_trip(QL_Q4_K, x), x);

    Q6_K::Block q6{};
    q6.d = 0x2c00;
    for (int8_t & scale : q6.scales) scale = static_cast<int8_t>(engine() % 200 - 100);
    q6.scales[7] = -128;
    for (uint8_t & byte : q6.low) byte = static_cast<uint8_t>(engine());
    for (uint8_t & byte : q6.high) byte = static_cast<uint8_t>(engine());
    for (int i = 0; i < 128; i += 16) q6.low[i] = 0;  // every group has -32
    for (int i = 0; i < 64; i += 16) q6.high[i] = 0;
    Q6_K::decode_block(q6, x.data());
    EXPECT_EQ(round_trip(QL_Q6_K, x), x);
}

/// Groups without spread, of zeros, of one weight: no division by nothing leaves its trace.
TEST(FittedEncoding, GroupsWithoutSpreadKeepTheirValue) {
    for (const Fitted & type : kFittedTypes) {
        for (const float value : {1.25f, -1.25f, 1e-2f, -3000.0f}) {
            Floats x(512, value);
            for (size_t i = 256; i < 512; ++i) x[i] = i / 32 % 2 ? 0.0f : i % 32 == 5 ? value : 0.0f;
            const Floats y = round_trip(type.dtype, x);
            const double bound = type.dtype == QL_Q3_K ? 0.04 : 0.02;
            for (size_t i = 0; i < x.size(); ++i)
                ASSERT_NEAR(y[i], x[i], bound * std::fabs(static_cast<double>(value)))
                    << ql_dtype_name(type.dtype) << " " << value << " element " << i;
        }
    }
}

/// Weights of every size beside each other, zeros of both signs, what is too small, whole and equal numbers.
Floats odd_weights() {
    Floats x = normal(8 * 256, 9);
    for (size_t i = 0; i < 256; ++i) {
        x[i] = std::exp(4 * x[i]) * (i % 3 ? 1.0f : -1.0f);
        x[256 + i] *= 1e-40f;
        x[512 + i] *= i / 32 % 2 ? 1e-6f : 1e-13f;
        x[768 + i] = i % 2 ? 0.0f : -0.0f;
        x[1024 + i] = std::round(2 * x[1024 + i]);
        x[1280 + i] = i % 2 ? 2.0f : -2.0f;
        x[1536 + i] = i % 16 == 3 ? 4e4f : 1e-3f * x[1536 + i];
    }
    return x;
}

TEST(FittedEncoding, GivesTheSameBitsOnEveryInstructionSet) {
    Floats x = odd_weights();
    const Floats more = normal(1 << 14);
    x.insert(x.end(), more.begin(), more.end());
    int n_sets = 0;
    for (const Fitted & type : with_mxfp4()) {
        const auto widest = encoded(type.dtype, x);
        n_sets += test::on_lesser_instruction_sets([&](int64_t off) {
            EXPECT_EQ(encoded(type.dtype, x), widest) << ql_dtype_name(type.dtype) << " without " << off;
        });
    }
    if (n_sets == 0) GTEST_SKIP() << "one instruction set alone is compiled or supported";
}

/// iq4_nl encodes eight blocks at a time.
TEST(FittedEncoding, ABlockDoesNotDependOnItsNeighbours) {
    const Floats x = odd_weights();
    for (const Fitted & type : with_mxfp4()) {
        const auto all = encoded(type.dtype, x);
        const auto length = static_cast<size_t>(ql_dtype_block_length(type.dtype)), blocks = x.size() / length;
        const size_t bytes = ql_dtype_bytes(type.dtype, static_cast<int64_t>(length));
        for (const size_t first : {size_t{0}, size_t{1}, blocks / 2, blocks - 3}) {
            const Floats part(x.begin() + static_cast<ptrdiff_t>(first * length),
                              x.begin() + static_cast<ptrdiff_t>((first + 3) * length));
            const auto some = encoded(type.dtype, part);
            EXPECT_EQ(0,
                      std::memcmp(some.data(), reinterpret_cast<const char *>(all.data()) + first * bytes, 3 * bytes))
                << ql_dtype_name(type.dtype) << " from block " << first;
        }
    }
}

TEST(FittedEncoding, WhatIsTooLargeIsRefusedByItsBlock) {
    for (const Fitted & type : kFittedTypes) {
        for (const float large : {3e38f, -2e9f, 9e8f}) {
            Floats x = normal(1024);
            x[600] = large;
            std::vector<uint16_t> words(ql_dtype_bytes(type.dtype, 1024) / 2);
            EXPECT_EQ(ql_encode(type.dtype, x.data(), 1024, words.data()), QL_NON_FINITE) << ql_dtype_name(type.dtype);
            const std::string message = ql_error_message();
            const char * place = type.dtype == QL_IQ4_NL ? "elements 576 to 607 reach" : "elements 512 to 767 reach";
            EXPECT_NE(message.find(place), std::string::npos) << message;
            EXPECT_NE(message.find(ql_dtype_name(type.dtype)), std::string::npos) << message;
        }
    }
}

}  // namespace
}  // namespace ql
