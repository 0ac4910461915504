// Weights that are converted on loading, and those that stay where the file is mapped.
#include "models/load/convert_weights.hpp"

#include <gtest/gtest.h>

#include "models/load/loaders.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

/// How many weights of a file with matrices of type `from` lie in the model's own memory if `base_type` is asked for.
size_t n_converted(ql_dtype from, int64_t base_type) {
    const TemporaryFolder folder;
    TinyModelOptions options;
    options.dtype = from;
    auto parts = load_gguf_model(write_tiny_model(folder.path("m.gguf"), options));
    EXPECT_TRUE(parts.ok()) << parts.message();
    std::vector<std::string> notes;
    const Status done = convert_weights(*parts, {sizeof(ql_model_options), base_type, QL_BASE_KEEP}, notes);
    EXPECT_TRUE(done.ok()) << done.message();
    return parts->owned.size();
}

TEST(ConvertWeights, WhereNoMatrixIsConvertedNothingIsCopied) {
    EXPECT_EQ(n_converted(QL_Q4_0, QL_BASE_KEEP), 0u);
    EXPECT_EQ(n_converted(QL_Q4_0, QL_BASE_AUTO), 0u) << "four bits stay";
    EXPECT_EQ(n_converted(QL_Q8_0, QL_Q8_0), 0u);
}

TEST(ConvertWeights, NormsBetweenConvertedMatricesAreCopied) {
    constexpr size_t matrices = 2 * 7, norms = 2 * 2 + 1;
    EXPECT_EQ(n_converted(QL_F32, QL_Q8_0), matrices + norms);
    EXPECT_EQ(n_converted(QL_F32, QL_BASE_AUTO), matrices + norms);
}

}  // namespace
}  // namespace ql::test
