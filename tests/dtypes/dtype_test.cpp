// What holds for every format, and the C functions of ql/dtype.h.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/visit.hpp"

namespace ql {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> integers(int64_t n) {  // every format with an encoder holds these to some precision
    std::vector<float> x(static_cast<size_t>(n));
    std::mt19937 engine(3);
    for (float & v : x) v = static_cast<float>(static_cast<int>(engine() % 201)) - 100.0f;
    return x;
}

/// Bytes at an address that suits every format.
struct Bytes {
    std::vector<double> words;
    explicit Bytes(size_t size, uint8_t fill = 0) : words(size / 8 + 2) {
        std::memset(words.data(), fill, words.size() * 8);
    }
    uint8_t * data() { return reinterpret_cast<uint8_t *>(words.data()); }
};

class EveryDType : public testing::TestWithParam<ql_dtype> {
  protected:
    const DTypeDef & def() const { return *find_dtype(GetParam()); }
};

class EveryEncoding : public EveryDType {};  // the types that can be written

TEST_P(EveryDType, RowAgreesWithStructAndCApi) {
    const bool same = visit(def().id, [&](auto format) {
        using Format = decltype(format);
        return Format::id == def().id && std::string(Format::name) == def().name &&
               Format::block_length == def().block_length && Format::bytes(512) == def().bytes(512);
    });
    EXPECT_TRUE(same);
    EXPECT_STREQ(ql_dtype_name(def().id), def().name);
    EXPECT_EQ(ql_dtype_block_length(def().id), def().block_length);
    EXPECT_EQ(ql_dtype_can_encode(def().id), def().encode != nullptr);
    EXPECT_EQ(ql_dtype_is_weight(def().id), def().holds == Holds::weights);
    EXPECT_EQ(ql_dtype_bytes(def().id, 768), def().bytes(768));
    ql_dtype id = QL_F32;
    std::string upper = def().name;
    for (char & c : upper) c = static_cast<char>(std::toupper(c));
    EXPECT_EQ(ql_dtype_from_name(upper.c_str(), &id), QL_OK);
    EXPECT_EQ(id, def().id);
}

TEST_P(EveryDType, SizesNeverOverflow) {
    EXPECT_EQ(def().bytes(0), 0u);
    EXPECT_EQ(def().bytes(-def().block_length), 0u);
    if (def().block_length > 1) {
        EXPECT_EQ(def().bytes(def().block_length + 1), 0u);
    }
    size_t last = 0;
    for (int64_t n = def().block_length; n > 0 && n < INT64_MAX / 2; n *= 2) {
        const size_t bytes = def().bytes(n);
        if (bytes == 0) {
            EXPECT_GT(n, int64_t{1} << 55);
            break;
        }
        EXPECT_GE(bytes, last);  // possibly no more, because of padding between planes
        EXPECT_LE(bytes, static_cast<size_t>(INT64_MAX));
        last = bytes;
    }
    const int64_t huge = INT64_MAX / def().block_length * def().block_length;
    if (def().block_bytes > static_cast<size_t>(def().block_length) || def().block_bytes == 0) {
        EXPECT_EQ(def().bytes(huge), 0u);
    }
}

TEST_P(EveryDType, RangesDecodeAsTheWhole) {
    const int64_t block = def().block_length, n = block * 259;  // more than one nf4_dq group
    Bytes packed(def().bytes(n), 0x11);
    if (def().encode != nullptr) {
        const auto x = integers(n);
        ASSERT_TRUE(def().encode(x.data(), n, packed.data()).ok());
    }
    std::vector<float> whole(static_cast<size_t>(n)), part(static_cast<size_t>(n), 7.0f);
    std::vector<double> wide(static_cast<size_t>(n));
    def().decode(packed.data(), n, 0, n, whole.data());
    def().decode_f64(packed.data(), n, 0, n, wide.data());
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(static_cast<float>(wide[i]), whole[i]) << def().name << " " << i;
    for (const int64_t first : {int64_t{0}, block, block * 3, block * 255, block * 258}) {
        for (const int64_t count : {int64_t{0}, block, n - first}) {
            std::fill(part.begin(), part.end(), 7.0f);
            ASSERT_EQ(ql_decode(def().id, packed.data(), n, first, count, part.data()), QL_OK) << ql_error_message();
            for (int64_t i = 0; i < n; ++i) ASSERT_EQ(part[i], i < count ? whole[first + i] : 7.0f) << i;
            def().decode_f64(packed.data(), n, first, count, wide.data());
            for (int64_t i = 0; i < count; ++i) ASSERT_EQ(static_cast<float>(wide[i]), whole[first + i]) << i;
        }
    }
}

TEST_P(EveryEncoding, EncodesNothingOutsideItsBytes) {
    for (const int64_t blocks : {1, 2, 3, 5, 257}) {
        const int64_t n = blocks * def().block_length;
        const auto x = integers(n);
        std::vector<uint8_t> first;
        for (const uint8_t fill : {uint8_t{0}, uint8_t{0xee}}) {  // and writes every byte, whatever was there
            Bytes out(def().bytes(n) + 8, fill);
            ASSERT_EQ(ql_encode(def().id, x.data(), n, out.data()), QL_OK) << ql_error_message();
            EXPECT_EQ(out.data()[def().bytes(n)], fill) << def().name;
            const std::vector<uint8_t> written(out.data(), out.data() + def().bytes(n));
            if (first.empty()) first = written;
            EXPECT_EQ(written, first) << def().name << " " << blocks;
        }
    }
}

TEST_P(EveryEncoding, IntegersSurviveToTheFormatsPrecision) {
    const int64_t n = def().block_length * 67;
    const auto x = integers(n);
    Bytes packed(def().bytes(n));
    ASSERT_TRUE(def().encode(x.data(), n, packed.data()).ok());
    std::vector<float> y(x.size());
    def().decode(packed.data(), n, 0, n, y.data());
    const double bits = 8.0 * static_cast<double>(def().bytes(n)) / static_cast<double>(n);
    const bool is_fine = bits > 4 && def().id != QL_FP4;  // whose largest step is a sixth of the largest magnitude
    const float bound = bits > 9 || def().id == QL_I8 ? 0.0f : bits > 8 ? 0.5f : is_fine ? 16.0f : 32.0f;
    for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(y[i], x[i], bound) << def().name << " element " << i;
}

TEST_P(EveryEncoding, NanAndInfAreRefusedWithTheirPlaceWhereTheyCannotBeHeld) {
    const int64_t n = def().block_length * 5;
    const bool holds = def().id == QL_F32 || def().id == QL_F16 || def().id == QL_BF16;
    for (const float bad : {kNan, -kNan, kInf, -kInf}) {
        for (const int64_t at : {int64_t{0}, n / 2, n - 1}) {
            auto x = integers(n);
            x[static_cast<size_t>(at)] = bad;
            Bytes out(def().bytes(n));
            const ql_status status = ql_encode(def().id, x.data(), n, out.data());
            ASSERT_EQ(status, holds ? QL_OK : QL_NON_FINITE) << def().name;
            if (holds) {
                std::vector<float> y(x.size());
                def().decode(out.data(), n, 0, n, y.data());
                EXPECT_EQ(std::isnan(y[static_cast<size_t>(at)]), std::isnan(bad));
                EXPECT_EQ(std::signbit(y[static_cast<size_t>(at)]), std::signbit(bad));
            } else {
                const std::string message = ql_error_message();
                const std::string place =
                    "element " + std::to_string(at) + " is " + (std::isnan(bad) ? "NaN" : "infinite");
                EXPECT_NE(message.find(place), std::string::npos) << message;
                const char * name = def().id == QL_NF4_DQ ? "nf4" : def().name;  // nf4_dq has nf4's codes
                EXPECT_NE(message.find(name), std::string::npos) << message;
            }
        }
    }
}

TEST_P(EveryEncoding, ZerosDecodeToZeros) {
    const int64_t n = def().block_length * 3;
    std::vector<float> x(static_cast<size_t>(n), 0.0f), y(x.size(), 1.0f);
    Bytes out(def().bytes(n), 0x55);
    ASSERT_TRUE(def().encode(x.data(), n, out.data()).ok());
    def().decode(out.data(), n, 0, n, y.data());
    EXPECT_EQ(x, y);
}

TEST_P(EveryEncoding, TinyWeightsDecodeToSomethingNoLarger) {
    const int64_t n = def().block_length * 2;
    for (const float tiny : {1e-20f, 1e-37f, 1e-40f, 1e-45f}) {
        std::vector<float> x(static_cast<size_t>(n), tiny), y(x.size(), 1.0f);
        for (size_t i = 0; i < x.size(); i += 2) x[i] = -tiny;
        Bytes out(def().bytes(n));
        ASSERT_TRUE(def().encode(x.data(), n, out.data()).ok()) << def().name;
        def().decode(out.data(), n, 0, n, y.data());
        for (const float v : y) ASSERT_LE(std::fabs(v), tiny * 1.02f) << def().name;
    }
}

TEST_P(EveryDType, BadArgumentsAreErrors) {
    Bytes packed(def().bytes(512) + 64);
    std::vector<float> x(512);
    const int64_t block = def().block_length;
    if (def().encode == nullptr) {
        EXPECT_EQ(ql_encode(def().id, x.data(), 512, packed.data()), QL_UNSUPPORTED);
    } else {
        EXPECT_EQ(ql_encode(def().id, nullptr, 512, packed.data()), QL_INVALID_ARGUMENT);
        EXPECT_EQ(ql_encode(def().id, x.data(), 512, nullptr), QL_INVALID_ARGUMENT);
        EXPECT_EQ(ql_encode(def().id, x.data(), -512, packed.data()), QL_BAD_SHAPE);
        EXPECT_EQ(ql_encode(def().id, nullptr, 0, nullptr), QL_OK);
        if (block > 1) {
            EXPECT_EQ(ql_encode(def().id, x.data(), block + 1, packed.data()), QL_BAD_SHAPE);
        }
        if (def().alignment > 1) {
            EXPECT_EQ(ql_encode(def().id, x.data(), 512, packed.data() + 1), QL_INVALID_ARGUMENT);
        }
    }
    EXPECT_EQ(ql_decode(def().id, nullptr, 512, 0, 512, x.data()), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_decode(def().id, packed.data(), 512, 0, 512, nullptr), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_decode(def().id, packed.data(), 512, 512 - block, 2 * block, x.data()), QL_BAD_SHAPE);
    EXPECT_EQ(ql_decode(def().id, packed.data(), 512, -block, block, x.data()), QL_BAD_SHAPE);
    EXPECT_EQ(ql_decode(def().id, packed.data(), 512, block, INT64_MAX / block * block, x.data()), QL_BAD_SHAPE);
    if (block > 1) {
        EXPECT_EQ(ql_decode(def().id, packed.data(), 512, 1, block, x.data()), QL_BAD_SHAPE);
    }
}

std::vector<ql_dtype> ids(bool only_encodable) {
    std::vector<ql_dtype> found;
    for (const DTypeDef & def : all_dtypes()) {
        if (!only_encodable || def.encode != nullptr) found.push_back(def.id);
    }
    return found;
}

const auto kName = [](const testing::TestParamInfo<ql_dtype> & info) { return find_dtype(info.param)->name; };
INSTANTIATE_TEST_SUITE_P(DTypes, EveryDType, testing::ValuesIn(ids(false)), kName);
INSTANTIATE_TEST_SUITE_P(DTypes, EveryEncoding, testing::ValuesIn(ids(true)), kName);

TEST(DType, IdsAndNamesAreUnique) {
    std::set<int64_t> ids;
    std::set<std::string> names;
    for (const DTypeDef & def : all_dtypes()) {
        EXPECT_TRUE(ids.insert(def.id).second) << def.name;
        EXPECT_TRUE(names.insert(def.name).second) << def.name;
    }
}

TEST(DType, UnknownTypesAreToldApart) {
    const auto unknown = static_cast<ql_dtype>(4);  // an id that upstream removed
    float x = 0;
    EXPECT_EQ(find_dtype(unknown), nullptr);
    EXPECT_EQ(ql_dtype_name(unknown), nullptr);
    EXPECT_EQ(ql_dtype_block_length(unknown), 0);
    EXPECT_EQ(ql_dtype_bytes(unknown, 64), 0u);
    EXPECT_EQ(ql_dtype_can_encode(unknown), 0);
    EXPECT_EQ(ql_encode(unknown, &x, 1, &x), QL_BAD_DTYPE);
    EXPECT_EQ(ql_decode(unknown, &x, 1, 0, 1, &x), QL_BAD_DTYPE);
    ql_dtype id = QL_F32;
    EXPECT_EQ(ql_dtype_from_name("nf5", &id), QL_NOT_FOUND);
    EXPECT_NE(std::string(ql_error_message()).find("nf4_dq"), std::string::npos) << ql_error_message();
    EXPECT_EQ(ql_dtype_from_name("nf", &id), QL_NOT_FOUND);
    EXPECT_EQ(ql_dtype_from_name(nullptr, &id), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_dtype_from_name("f32", nullptr), QL_INVALID_ARGUMENT);
}

TEST(DType, WeightsTooLargeForAHalfScaleAreRefused) {
    for (const ql_dtype dtype : {QL_Q8_0, QL_Q4_0, QL_Q4_1}) {
        std::vector<float> x(64, 1.0f);
        x[40] = 3e38f;
        x[41] = -3e38f;
        Bytes out(ql_dtype_bytes(dtype, 64));
        EXPECT_EQ(ql_encode(dtype, x.data(), 64, out.data()), QL_NON_FINITE);
        const std::string message = ql_error_message();
        EXPECT_NE(message.find("elements 32 to 63 reach 3e+38"), std::string::npos) << message;
    }
}

TEST(Integers, RoundToNearestAndRefuseWhatDoesNotFit) {
    const float x[4] = {2.5f, 3.5f, -1.6f, 127.0f};
    int8_t i8[4];
    ASSERT_TRUE(I8::encode(x, 4, i8).ok());
    EXPECT_EQ(i8[0], 2);
    EXPECT_EQ(i8[1], 4);
    EXPECT_EQ(i8[2], -2);
    EXPECT_EQ(i8[3], 127);
    const float above = 128.0f, far = 2147483648.0f;
    int32_t i32 = 0;
    EXPECT_EQ(I8::encode(&above, 1, i8).code(), QL_INVALID_ARGUMENT);
    EXPECT_EQ(I32::encode(&far, 1, &i32).code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(I32::encode(&far, 1, &i32).message().find("-2147483648 to 2147483647"), std::string::npos);
}

TEST(Integers, DoublesHoldEveryI32) {
    const int32_t ids[3] = {16777217, INT32_MAX, INT32_MIN};
    double y[3];
    find_dtype(QL_I32)->decode_f64(ids, 3, 0, 3, y);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(y[i], ids[i]);
}

}  // namespace
}  // namespace ql
