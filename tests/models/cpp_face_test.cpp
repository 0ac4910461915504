// ql/models.hpp: its calls are those of the C API, and no object or struct of the C headers is left out.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>

#include "ql/models.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

const char * const kFolders[] = {QL_SOURCE_DIR "/ggml/include/ql", QL_SOURCE_DIR "/models/include/ql"};

/// The first group of each match in the public headers with this ending.
std::set<std::string> found_in_headers(const char * ending, const char * pattern) {
    std::set<std::string> found;
    const std::regex expression(pattern);
    for (const char * folder : kFolders)
        for (const auto & entry : std::filesystem::directory_iterator(folder)) {
            if (entry.path().extension() != ending) continue;
            const std::string text = read_all(entry.path());
            for (auto it = std::sregex_iterator(text.begin(), text.end(), expression); it != std::sregex_iterator();
                 ++it)
                found.insert((*it)[1]);
        }
    return found;
}

TEST(CppFace, EveryObjectOfTheCHeadersHasAHandle) {
    const auto freed = found_in_headers(
        ".h", R"(QL_API void (ql_\w+(?:_free|_close|_unmap_file|_unlock_file)|ql_os_\w*free|ql_os_un\w+)\()");
    EXPECT_GE(freed.size(), 15u);
    EXPECT_EQ(freed, found_in_headers(".hpp", R"(Handle<\w+, (ql_\w+)>)"));
}

TEST(CppFace, EveryInitFunctionOfTheCHeadersIsADefault) {
    const auto inits = found_in_headers(".h", R"(QL_API void (ql_\w+_init)\()");
    EXPECT_GE(inits.size(), 10u);
    EXPECT_EQ(inits, found_in_headers(".hpp", R"(inline constexpr auto defaults_function<\w+> = &(ql_\w+);)"));
}

class CppFaceModel : public testing::Test {
  protected:
    CppFaceModel() {
        const std::string path = write_tiny_model(folder_.path("model.gguf"));
        EXPECT_EQ(ql_model_open(path.c_str(), nullptr, out(model_)), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_device_open(nullptr, out(device_)), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_session_create(model_.get(), device_.get(), nullptr, out(session_)), QL_OK) << ql_error_message();
    }
    const ql_tokenizer * tokenizer() const { return ql_model_tokenizer(model_.get()); }

    TemporaryFolder folder_;
    DevicePtr device_;
    ModelPtr model_;
    SessionPtr session_;
};

TEST_F(CppFaceModel, TextBecomesTokensAndTextAgain) {
    const std::string text = "hello, world";
    const auto tokens = tokenize(tokenizer(), text, 0);
    ASSERT_TRUE(tokens.ok()) << tokens.message();
    EXPECT_FALSE(tokens->empty());
    const auto again = detokenize(tokenizer(), *tokens, 0);
    ASSERT_TRUE(again.ok()) << again.message();
    EXPECT_EQ(*again, text);
    std::string pieces;
    for (const int32_t id : *tokens) pieces += *token_piece(tokenizer(), id);
    EXPECT_EQ(pieces, text);
}

TEST_F(CppFaceModel, WhatIsNoTokenIsRefusedWithAMessage) {
    const int32_t none[] = {-1};
    EXPECT_EQ(token_piece(tokenizer(), -1).code(), QL_INVALID_ARGUMENT);
    EXPECT_EQ(detokenize(tokenizer(), none, 0).code(), QL_INVALID_ARGUMENT);
    EXPECT_EQ(tokenize(nullptr, "x", 0).code(), QL_INVALID_ARGUMENT);
    const auto logits = eval(session_, none);
    EXPECT_EQ(logits.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(logits.message(), "");
}

TEST_F(CppFaceModel, GeneratesWhatTheCFunctionGenerates) {
    const std::vector<int32_t> prompt = {1, 2, 3};
    auto options = defaults<ql_generate_options>();
    options.n_predict = 8;
    options.sampling.temperature = 0;
    auto wanted = sized<ql_generate_result>();
    ASSERT_EQ(ql_generate(session_.get(), prompt.data(), 3, &options, &wanted), QL_OK) << ql_error_message();
    const std::string text = wanted.text;
    ql_session_reset(session_.get());
    const auto result = generate(session_, prompt, options);
    ASSERT_TRUE(result.ok()) << result.message();
    EXPECT_EQ(result->text, text);
    EXPECT_EQ(result->n_prompt, 3);
    EXPECT_EQ(result->n_generated, wanted.n_generated);
}

TEST_F(CppFaceModel, LogitsAreThoseOfTheCFunction) {
    const std::vector<int32_t> tokens = {5, 6};
    const float * wanted = nullptr;
    ASSERT_EQ(ql_session_eval(session_.get(), tokens.data(), 2, &wanted), QL_OK) << ql_error_message();
    const std::vector<float> kept(wanted, wanted + ql_tokenizer_n_tokens(tokenizer()));
    ql_session_reset(session_.get());
    const auto logits = eval(session_, tokens);
    ASSERT_TRUE(logits.ok()) << logits.message();
    EXPECT_EQ(std::vector<float>(*logits, *logits + kept.size()), kept);
}

}  // namespace
}  // namespace ql::test
