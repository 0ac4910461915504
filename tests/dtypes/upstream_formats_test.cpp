// The formats that upstream defines, against its own Python package (tests/golden/make_quants.py), bit for bit.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/half.hpp"
#include "support/safetensors.hpp"
#include "support/shared.hpp"

namespace ql {
namespace {

using test::SafeTensors;

const SafeTensors & golden() {
    static const SafeTensors st = SafeTensors::open(test::golden_path("quants.safetensors"));
    return st;
}

class UpstreamFormat : public testing::TestWithParam<ql_dtype> {
  protected:
    const DTypeDef & def() const { return *find_dtype(GetParam()); }
    std::string key(const char * what) const { return std::string(def().name) + what; }
};

class UpstreamEncoding : public UpstreamFormat {};

TEST_P(UpstreamFormat, DecodesAsUpstream) {
    const auto bytes = golden().u8(key(".bytes"));
    const auto expected = golden().f32(key(".f32"));
    const auto n = static_cast<int64_t>(expected.size());
    ASSERT_EQ(def().bytes(n), bytes.size());
    std::vector<float> y(expected.size());
    def().decode(bytes.data(), n, 0, n, y.data());
    for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], expected[i]) << def().name << " element " << i;
}

TEST_P(UpstreamEncoding, EncodesAsUpstream) {
    const auto w = golden().f32("w");
    const auto n = static_cast<int64_t>(w.size());
    const auto expected = golden().u8(key(".bytes"));
    std::vector<uint8_t> out(def().bytes(n));
    ASSERT_EQ(out.size(), expected.size());
    ASSERT_TRUE(def().encode(w.data(), n, out.data()).ok());
    for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], expected[i]) << def().name << " byte " << i;
}

/// The types that the file has blocks of.
std::vector<ql_dtype> types_in_golden() {
    std::vector<ql_dtype> types;
    for (const DTypeDef & def : all_dtypes())
        if (golden().has(std::string(def.name) + ".bytes")) types.push_back(def.id);
    return types;
}

/// Those whose blocks upstream made of `w`; of the others they are random.
constexpr ql_dtype kEncodedAsUpstream[] = {QL_F16, QL_BF16, QL_Q8_0, QL_Q4_0, QL_Q4_1};

const auto kName = [](const testing::TestParamInfo<ql_dtype> & info) { return find_dtype(info.param)->name; };
INSTANTIATE_TEST_SUITE_P(Formats, UpstreamFormat, testing::ValuesIn(types_in_golden()), kName);
INSTANTIATE_TEST_SUITE_P(Formats, UpstreamEncoding, testing::ValuesIn(kEncodedAsUpstream), kName);

/// f32 needs no upstream; nf4 and nf4_dq are bitsandbytes' (four_bit_test.cpp).
TEST(UpstreamFormats, CoverEveryTypeOfUpstreamsFiles) {
    for (const DTypeDef & def : all_dtypes()) {
        const bool ours = def.id >= QL_NF4 || def.id == QL_F32 || def.holds == Holds::numbers;
        EXPECT_TRUE(ours || golden().has(std::string(def.name) + ".bytes")) << def.name;
    }
}

TEST(Half, ConvertsBordersAsTheReference) {
    const auto in = golden().i32("special");
    const auto f16 = golden().i32("special.f16");
    const auto bf16 = golden().i32("special.bf16");
    ASSERT_GT(in.size(), 1000u);
    for (size_t i = 0; i < in.size(); ++i) {
        const float x = std::bit_cast<float>(in[i]);
        ASSERT_EQ(f32_to_bf16(x), bf16[i]) << std::hex << in[i];
        if (std::isnan(x)) {  // which NaN it is differs from machine to machine; that it is one does not
            ASSERT_GT(f32_to_f16(x) & 0x7fff, 0x7c00) << std::hex << in[i];
            ASSERT_EQ(f32_to_f16(x) >> 15, static_cast<uint32_t>(in[i]) >> 31) << std::hex << in[i];
        } else {
            ASSERT_EQ(f32_to_f16(x), f16[i]) << std::hex << in[i];
        }
    }
}

TEST(Half, EveryF16ComesBack) {
    for (uint32_t h = 0; h < 0x10000; ++h) {
        const float x = f16_to_f32(static_cast<uint16_t>(h));
        const int exponent = static_cast<int>(h >> 10 & 31), mantissa = static_cast<int>(h & 1023);
        if (exponent == 31) {
            ASSERT_EQ(std::isnan(x), mantissa != 0);
            ASSERT_EQ(std::isinf(x), mantissa == 0);
        } else {
            const double value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
            ASSERT_EQ(static_cast<double>(x), h & 0x8000 ? -value : value) << h;
        }
        ASSERT_EQ(std::signbit(x), h >= 0x8000);
        const uint32_t quiet = exponent == 31 && mantissa != 0 ? h | 0x200 : h;
        ASSERT_EQ(f32_to_f16(x), quiet);
    }
}

TEST(Half, EveryBF16ComesBack) {
    for (uint32_t h = 0; h < 0x10000; ++h) {
        const float x = bf16_to_f32(static_cast<uint16_t>(h));
        ASSERT_EQ(std::bit_cast<uint32_t>(x), h << 16);
        ASSERT_EQ(f32_to_bf16(x), std::isnan(x) ? h | 0x40 : h);
    }
}

TEST(Half, WorksInConstantExpressions) {
    static_assert(f32_to_f16(65504.0f) == 0x7bff && f32_to_f16(65520.0f) == 0x7c00 && f16_to_f32(0x0001) == 0x1p-24f);
    static_assert(f32_to_bf16(1.00390625f) == 0x3f80 && f32_to_bf16(1.01171875f) == 0x3f82);  // ties to even
}

}  // namespace
}  // namespace ql
