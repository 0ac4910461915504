// The bytes that the self-test makes for a case's inputs: of the size asked for, sound, and always the same.
#include <gtest/gtest.h>

#include <cmath>

#include "ggml/selftest/case_input.hpp"
#include "support/reference_run.hpp"

namespace ql::test {
namespace {

std::vector<ql_dtype> read_only_types() {
    std::vector<ql_dtype> types;
    for (const DTypeDef & type : all_dtypes())
        if (!type.encode) types.push_back(type.id);
    return types;
}

AlignedBytes bytes_of(const CaseInput & in, uint64_t seed) {
    AlignedBytes bytes(ql_dtype_bytes(in.dtype, in.shape.elements()));
    const Status filled = selftest::fill_input(in, seed, bytes.data());
    EXPECT_TRUE(filled.ok()) << filled.message();
    return bytes;
}

std::vector<float> weights_of(const CaseInput & in, uint64_t seed) {
    const AlignedBytes bytes = bytes_of(in, seed);
    std::vector<float> w(static_cast<size_t>(in.shape.elements()));
    find_dtype(in.dtype)->decode(bytes.data(), in.shape.elements(), 0, in.shape.elements(), w.data());
    return w;
}

double root_mean_square(const std::vector<float> & v) {
    double squares = 0;
    for (const float x : v) squares += static_cast<double>(x) * static_cast<double>(x);
    return std::sqrt(squares / static_cast<double>(v.size()));
}

TEST(CaseInput, LayersHaveRowsOfLengthOne) {
    for (const DTypeDef & type : all_dtypes()) {
        if (type.holds == Holds::numbers) continue;
        EXPECT_NEAR(root_mean_square(weights_of(frozen_in({512, 65}, type.id, Fill::layer), 3)), 1 / std::sqrt(512.0),
                    1e-3)
            << type.name;
        EXPECT_NEAR(root_mean_square(weights_of(frozen_in({512, 65}, type.id), 3)), 1, 0.02) << type.name;
    }
}

TEST(CaseInput, BlocksOfTypesThatAreOnlyReadAreFiniteAndAboutZero) {
    for (const ql_dtype dtype : read_only_types()) {
        const std::vector<float> w = weights_of(frozen_in({256, 17}, dtype), 5);
        double sum = 0;
        for (const float x : w) {
            ASSERT_TRUE(std::isfinite(x)) << ql_dtype_name(dtype);
            sum += static_cast<double>(x);
        }
        // The mean of a type without a minimum is that of its values, which need not lie evenly about zero.
        EXPECT_LT(std::fabs(sum / static_cast<double>(w.size())), 0.2) << ql_dtype_name(dtype);
    }
}

TEST(CaseInput, BytesDependOnInputAndSeedAlone) {
    for (const ql_dtype dtype : read_only_types()) {
        const CaseInput in = frozen_in({256, 5}, dtype);
        const size_t n = ql_dtype_bytes(dtype, in.shape.elements());
        const AlignedBytes first = bytes_of(in, 1), again = bytes_of(in, 1), other = bytes_of(in, 2);
        EXPECT_EQ(0, std::memcmp(first.data(), again.data(), n)) << ql_dtype_name(dtype);
        EXPECT_NE(0, std::memcmp(first.data(), other.data(), n)) << ql_dtype_name(dtype);
    }
}

TEST(CaseInput, RefusesWhatBlocksThatAreOnlyReadCannotBe) {
    EXPECT_EQ(selftest::fill_input(frozen_in({256, 1}, QL_Q2_K, Fill::positive), 1, nullptr).code(), QL_UNSUPPORTED);
    EXPECT_EQ(selftest::fill_input(frozen_in({100, 1}, QL_IQ3_S), 1, nullptr).code(), QL_BAD_SHAPE);
}

}  // namespace
}  // namespace ql::test
