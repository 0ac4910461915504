// NF4, its double-quantised form, and FP4 against bitsandbytes (tests/golden/four_bit.safetensors), bit for bit.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "ggml/dtypes/dynamic_map.hpp"
#include "ggml/dtypes/fp4.hpp"
#include "ggml/dtypes/nf4_dq.hpp"
#include "support/safetensors.hpp"
#include "support/shared.hpp"

namespace ql {
namespace {

using test::SafeTensors;

const SafeTensors & golden() {
    static const SafeTensors st = SafeTensors::open(test::golden_path("four_bit.safetensors"));
    return st;
}

/// The first place where results differ in any bit, -0 and 0 included; n if there is none.
template <typename T>
size_t first_difference(const T * a, const T * b, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        if (std::memcmp(a + i, b + i, sizeof(T)) != 0) return i;
    }
    return n;
}

/// Encoded tensors start where the format demands it.
std::vector<float> storage(size_t bytes) {
    return std::vector<float>((bytes + 3) / 4, -77.0f);
}

/// bitsandbytes' packing (neighbours, the even one high) to ours (half a block apart, the first one low).
std::vector<uint8_t> repacked(const std::vector<uint8_t> & theirs) {
    std::vector<uint8_t> ours(theirs.size());
    const auto code = [&](size_t i) { return i % 2 == 0 ? theirs[i / 2] >> 4 : theirs[i / 2] & 15; };
    for (size_t b = 0; b < ours.size() / 32; ++b) {
        for (size_t j = 0; j < 32; ++j) {
            ours[b * 32 + j] = static_cast<uint8_t>(code(b * 64 + j) | code(b * 64 + j + 32) << 4);
        }
    }
    return ours;
}

TEST(DynamicMap, EqualsTheReferenceBitForBit) {
    const auto s = golden().f32("dynamic_map_signed");
    const auto u = golden().f32("dynamic_map_unsigned");
    ASSERT_EQ(s.size(), 256u);
    ASSERT_EQ(u.size(), 256u);
    EXPECT_EQ(first_difference(s.data(), kDynamicMapSigned.data(), 256), 256u);
    EXPECT_EQ(first_difference(u.data(), kDynamicMapUnsigned.data(), 256), 256u);
    EXPECT_EQ(kDynamicMapSigned[0], -0.99296875f);
}

TEST(DynamicMap, CodesEqualTheReferenceOnBordersOfTheGrid) {
    const SafeTensors st = SafeTensors::open(test::golden_path("dynamic_codes.safetensors"));
    for (const bool is_signed : {true, false}) {
        const std::string name = is_signed ? "signed" : "unsigned";
        const auto x = st.f32(name + ".x");
        const auto codes = st.u8(name + ".codes");
        ASSERT_GT(x.size(), 2000u);
        for (size_t i = 0; i < x.size(); ++i) {
            ASSERT_EQ(dynamic_code(is_signed ? kDynamicMapSigned : kDynamicMapUnsigned, x[i]), codes[i])
                << name << " " << x[i];
        }
    }
}

TEST(DynamicMap, EndsAreReached) {
    EXPECT_EQ(dynamic_code(kDynamicMapSigned, -1.0f), 0);
    EXPECT_EQ(dynamic_code(kDynamicMapSigned, 1.0f), 255);
    EXPECT_EQ(dynamic_code(kDynamicMapUnsigned, 0.0f), 7);  // 0 is between two points of the grid: the reference's 2e-5
    EXPECT_EQ(dynamic_code(kDynamicMapUnsigned, 1.0f), 255);
}

TEST(NF4, EqualsTheReferenceBitForBit) {
    const auto w = golden().f32("w");
    const auto n = static_cast<int64_t>(w.size());
    auto out = storage(NF4::bytes(n));
    ASSERT_TRUE(NF4::encode(w.data(), n, out.data()).ok());
    const NF4Layout planes(out.data(), n);

    const auto codes = repacked(golden().u8("nf4.codes"));
    const auto absmax = golden().f32("nf4.absmax");
    EXPECT_EQ(first_difference(codes.data(), planes.codes, codes.size()), codes.size());
    EXPECT_EQ(first_difference(absmax.data(), planes.absmax, absmax.size()), absmax.size());

    std::vector<float> y(w.size());
    NF4::decode(out.data(), n, 0, n, y.data());
    EXPECT_EQ(y, golden().f32("nf4.dequant"));
}

TEST(NF4DQ, EqualsTheReferenceBitForBit) {
    const auto w = golden().f32("w");
    const auto n = static_cast<int64_t>(w.size());
    auto out = storage(NF4_DQ::bytes(n));
    ASSERT_TRUE(NF4_DQ::encode(w.data(), n, out.data()).ok());
    const NF4DQLayout planes(out.data(), n);

    const auto codes = repacked(golden().u8("nf4_dq.codes"));
    const auto absmax_codes = golden().u8("nf4_dq.absmax");
    const auto absmax2 = golden().f32("nf4_dq.absmax2");
    EXPECT_EQ(first_difference(codes.data(), planes.codes, codes.size()), codes.size());
    EXPECT_EQ(first_difference(absmax_codes.data(), planes.absmax_codes, absmax_codes.size()), absmax_codes.size());
    ASSERT_EQ(absmax2.size(), 2u);
    EXPECT_EQ(first_difference(absmax2.data(), planes.absmax2, 2), 2u);
    EXPECT_EQ(planes.offset, golden().f32("nf4_dq.offset")[0]);

    std::vector<float> y(w.size());
    NF4_DQ::decode(out.data(), n, 0, n, y.data());
    EXPECT_EQ(y, golden().f32("nf4_dq.dequant"));
}

TEST(FP4, EqualsTheReferenceBitForBit) {
    const auto w = golden().f32("w");
    const auto n = static_cast<int64_t>(w.size());
    auto out = storage(FP4::bytes(n));
    ASSERT_TRUE(FP4::encode(w.data(), n, out.data()).ok());
    const NF4Layout planes(out.data(), n);

    const auto codes = repacked(golden().u8("fp4.codes"));
    const auto absmax = golden().f32("fp4.absmax");
    EXPECT_EQ(first_difference(codes.data(), planes.codes, codes.size()), codes.size());
    EXPECT_EQ(first_difference(absmax.data(), planes.absmax, absmax.size()), absmax.size());

    std::vector<float> y(w.size());
    FP4::decode(out.data(), n, 0, n, y.data());
    EXPECT_EQ(y, golden().f32("fp4.dequant"));
}

TEST(FP4, CodeChangesJustAboveAThreshold) {
    for (int t = 0; t < 7; ++t) {
        std::vector<float> x(64, 0.0f), packed = storage(FP4::bytes(64));
        x[0] = 1.0f;
        x[5] = kFP4Thresholds[t];
        x[37] = -std::nextafter(kFP4Thresholds[t], 2.0f);
        ASSERT_TRUE(FP4::encode(x.data(), 64, packed.data()).ok());
        const auto * codes = reinterpret_cast<const uint8_t *>(packed.data());
        EXPECT_EQ(codes[5] & 15, t == 0 ? 8 : fp4_code_of_order(t));  // a tie goes down; just above zero is code 8
        EXPECT_EQ(codes[5] >> 4, fp4_code_of_order(t + 1) | 8) << t;  // element 37 shares the byte of element 5
    }
}

TEST(FP4, ItsValuesComeBack) {
    std::vector<float> x(64), out = storage(FP4::bytes(64)), y(64);
    for (size_t i = 0; i < 64; ++i) x[i] = 3.0f * kFP4Values[i % 16];
    ASSERT_TRUE(FP4::encode(x.data(), 64, out.data()).ok());
    FP4::decode(out.data(), 64, 0, 64, y.data());
    EXPECT_EQ(y, x);
}

TEST(NF4, PlanesStartAtMultiplesOf64) {
    EXPECT_EQ(NF4::bytes(64), 64u + 4);     // 32 bytes of codes, a gap, one scale
    EXPECT_EQ(NF4::bytes(128), 64u + 8);    // no gap
    EXPECT_EQ(NF4::bytes(192), 128u + 12);  // 96 bytes of codes
    EXPECT_EQ(NF4_DQ::bytes(64), 64u + 64 + 64 + 4);
    EXPECT_EQ(NF4_DQ::bytes(64 * 256), 8192u + 256 + 64 + 4);
    EXPECT_EQ(NF4_DQ::bytes(64 * 257), 8256u + 320 + 64 + 4);  // a second, short group
    EXPECT_EQ(NF4_DQ::bytes(64 * 256 * 17), 8192u * 17 + 256 * 17 + 128 + 4);
    EXPECT_EQ(NF4::bytes(0), 0u);
    EXPECT_EQ(NF4::bytes(63), 0u);
    EXPECT_EQ(NF4_DQ::bytes(-64), 0u);
    EXPECT_EQ(NF4_DQ::bytes(std::numeric_limits<int64_t>::max() - 63), 0u);
}

TEST(NF4, CodeChangesJustAboveAThreshold) {
    for (int t = 0; t < 15; ++t) {
        std::vector<float> x(64, 0.0f), packed = storage(NF4::bytes(64));
        x[0] = 1.0f;
        x[5] = kNF4Thresholds[t];
        x[37] = std::nextafter(kNF4Thresholds[t], 2.0f);
        ASSERT_TRUE(NF4::encode(x.data(), 64, packed.data()).ok());
        const auto * codes = reinterpret_cast<const uint8_t *>(packed.data());
        EXPECT_EQ(codes[5] & 15, t);      // a tie goes down
        EXPECT_EQ(codes[5] >> 4, t + 1);  // element 37 shares the byte of element 5
    }
}

TEST(NF4, ZeroBlockIsCodeSevenAndAbsmaxZero) {
    std::vector<float> x(128, 0.0f), out = storage(NF4::bytes(128)), y(128, 1.0f);
    for (size_t i = 0; i < x.size(); i += 3) x[i] = -0.0f;
    ASSERT_TRUE(NF4::encode(x.data(), 128, out.data()).ok());
    const NF4Layout planes(out.data(), 128);
    for (int i = 0; i < 64; ++i) EXPECT_EQ(planes.codes[i], 0x77);
    EXPECT_EQ(planes.absmax[0], 0.0f);
    NF4::decode(out.data(), 128, 0, 128, y.data());
    for (const float v : y) EXPECT_EQ(v, 0.0f);
}

TEST(NF4, ExtremeMagnitudesKeepTheirSignAndScale) {
    for (const float scale : {std::numeric_limits<float>::max(), 1e-30f, 2e-38f}) {
        std::vector<float> x(64, 0.0f), out = storage(NF4::bytes(64)), y(64);
        x[0] = scale;
        x[63] = -scale;
        ASSERT_TRUE(NF4::encode(x.data(), 64, out.data()).ok());
        NF4::decode(out.data(), 64, 0, 64, y.data());
        EXPECT_EQ(y, x) << scale;
    }
    // Subnormal scales survive as they are; the values' codes need not.
    std::vector<float> x(64, 1e-44f), out = storage(NF4::bytes(64)), y(64);
    ASSERT_TRUE(NF4::encode(x.data(), 64, out.data()).ok());
    NF4::decode(out.data(), 64, 0, 64, y.data());
    for (const float v : y) EXPECT_LE(std::fabs(v), 1e-44f);
}

TEST(NF4DQ, TensorsOfOneScaleDecodeToTheOffset) {
    std::vector<float> x(192, 0.25f), out = storage(NF4_DQ::bytes(192)), y(192);
    ASSERT_TRUE(NF4_DQ::encode(x.data(), 192, out.data()).ok());
    EXPECT_EQ(NF4DQLayout(out.data(), 192).offset, 0.25f);
    NF4_DQ::decode(out.data(), 192, 0, 192, y.data());
    EXPECT_EQ(y, x);

    std::fill(x.begin(), x.end(), 0.0f);
    ASSERT_TRUE(NF4_DQ::encode(x.data(), 192, out.data()).ok());
    NF4_DQ::decode(out.data(), 192, 0, 192, y.data());
    EXPECT_EQ(y, x);
}

TEST(NF4DQ, EncodingInPiecesGivesTheSameBytes) {
    const auto w = golden().f32("w");
    const auto n = static_cast<int64_t>(w.size());
    auto whole = storage(NF4_DQ::bytes(n)), pieces = storage(NF4_DQ::bytes(n));
    ASSERT_TRUE(NF4_DQ::encode(w.data(), n, whole.data()).ok());
    std::vector<float> absmax(w.size() / 64);
    auto * codes = reinterpret_cast<uint8_t *>(pieces.data());
    for (int64_t i = 0; i < n; i += 64 * 7) {
        const int64_t size = std::min<int64_t>(64 * 7, n - i);
        ASSERT_TRUE(NF4::encode_blocks(w.data() + i, size, codes + i / 2, absmax.data() + i / 64, i).ok());
    }
    NF4_DQ::encode_absmax(absmax.data(), n, pieces.data());
    EXPECT_EQ(std::memcmp(whole.data(), pieces.data(), NF4_DQ::bytes(n)), 0);
}

TEST(NF4DQ, GapsBetweenPlanesAreZero) {
    std::vector<float> x(64 * 3, 0.5f), out = storage(NF4_DQ::bytes(192));
    ASSERT_TRUE(NF4_DQ::encode(x.data(), 192, out.data()).ok());
    const auto * bytes = reinterpret_cast<const uint8_t *>(out.data());
    for (size_t i = 96; i < 128; ++i) EXPECT_EQ(bytes[i], 0) << i;   // after the codes
    for (size_t i = 131; i < 192; ++i) EXPECT_EQ(bytes[i], 0) << i;  // after three absmax codes
    for (size_t i = 196; i < 256; ++i) EXPECT_EQ(bytes[i], 0) << i;  // after one absmax2
}

/// Mean |error| of the published test on N(0, 1), 1024 x 1024, blocks of 64: 0.072798 +- 0.000074, mean relative error
/// 0.203339 +- 0.00034; relative RMSE .0920, double quantisation adds 3e-5.
TEST(NF4, ErrorOnNormalWeightsIsThePublishedOne) {
    const int64_t n = 1024 * 1024;
    std::vector<float> x(n), y(n);
    std::mt19937_64 engine(20);
    std::normal_distribution<float> normal;
    for (float & v : x) v = normal(engine);
    double rmse[2];
    for (int dq = 0; dq < 2; ++dq) {
        auto out = storage(NF4_DQ::bytes(n) + NF4::bytes(n));
        ASSERT_TRUE((dq ? NF4_DQ::encode : NF4::encode)(x.data(), n, out.data()).ok());
        (dq ? NF4_DQ::decode : NF4::decode)(out.data(), n, 0, n, y.data());
        double sum = 0, relative = 0, squares = 0, norm = 0;
        for (int64_t i = 0; i < n; ++i) {
            const double e = std::fabs(static_cast<double>(y[i]) - static_cast<double>(x[i]));
            sum += e;
            relative += e / (std::fabs(static_cast<double>(x[i])) + 1e-8);
            squares += e * e;
            norm += static_cast<double>(x[i]) * static_cast<double>(x[i]);
        }
        EXPECT_NEAR(sum / n, 0.072798, 4 * 0.000074);
        EXPECT_NEAR(relative / n, 0.203339, 4 * 0.00034);
        rmse[dq] = std::sqrt(squares / norm);
        EXPECT_NEAR(rmse[dq], 0.0920, 0.0003);
    }
    EXPECT_NEAR(rmse[1] - rmse[0], 3e-5, 3e-5);
    EXPECT_GT(rmse[1], rmse[0]);
}

}  // namespace
}  // namespace ql
