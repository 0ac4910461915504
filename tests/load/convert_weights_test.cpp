// Weights that are converted on loading, and those that stay where the file is mapped.
#include "models/load/convert_weights.hpp"

#include <gtest/gtest.h>

#include <cstring>

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

/// The model with matrices of type `from`, opened with a search for scales.
Status search(ql_dtype from, int64_t base_type, int64_t embedding_type = QL_BASE_KEEP, ModelParts * to = nullptr) {
    const TemporaryFolder folder;
    TinyModelOptions options;
    options.dtype = from;
    auto parts = load_gguf_model(write_tiny_model(folder.path("m.gguf"), options));
    EXPECT_TRUE(parts.ok()) << parts.message();
    std::vector<std::string> notes;
    const ql_model_options asked{sizeof(ql_model_options), base_type, embedding_type, 1};
    QL_TRY(check_base_types(asked));
    QL_TRY(convert_weights(*parts, asked, notes));
    if (to) *to = std::move(*parts);
    return {};
}

TEST(ConvertWeights, SearchedScalesAreThoseOfTheEncoder) {
    ModelParts plain, searched;
    ASSERT_TRUE(search(QL_F32, QL_NF4, QL_BASE_KEEP, &searched).ok());
    const TemporaryFolder folder;
    auto kept = load_gguf_model(write_tiny_model(folder.path("m.gguf"), {}));
    ASSERT_TRUE(kept.ok()) << kept.message();
    for (size_t i = 0; i < searched.weights.size(); ++i) {
        const Weight &from = kept->weights[i], &to = searched.weights[i];
        if (to.dtype != QL_NF4) continue;
        ASSERT_EQ(from.dtype, QL_F32);
        std::vector<std::byte> expected(to.bytes);
        ASSERT_EQ(ql_encode_search(QL_NF4, static_cast<const float *>(from.data), from.elements(), expected.data()),
                  QL_OK);
        EXPECT_EQ(std::memcmp(to.data, expected.data(), to.bytes), 0) << to.name;
    }
}

TEST(ConvertWeights, ASearchWithNothingToSearchIsRefused) {
    EXPECT_TRUE(search(QL_F32, QL_BASE_AUTO).ok());
    EXPECT_TRUE(search(QL_F32, QL_BASE_KEEP, QL_NF4).ok());
    for (const Status & status :
         {search(QL_Q4_0, QL_BASE_AUTO), search(QL_F32, QL_BASE_KEEP), search(QL_NF4, QL_NF4)}) {
        EXPECT_EQ(status.code(), QL_INVALID_ARGUMENT);
        EXPECT_EQ(status.message(),
                  "search: no matrix is converted to q4_0, nf4 or nf4_dq here, whose scales could be searched");
    }
    EXPECT_EQ(search(QL_F32, QL_Q8_0).code(), QL_UNSUPPORTED);
}

}  // namespace
}  // namespace ql::test
