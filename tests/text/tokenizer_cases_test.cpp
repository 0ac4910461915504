// Real vocabularies against expected tokens (shared/data/vocab: 46 texts for each), and a megabyte of real text encoded
// and decoded again.
#include <chrono>
#include <sstream>

#include "text/vocabularies.hpp"

namespace ql::test {
namespace {

/// The separator follows each text, including the last: 46 texts, then an empty one that has no line of tokens.
std::vector<std::string> split_cases(const std::string & text) {
    const std::string separator = "\n__ggml_vocab_test__\n";
    std::vector<std::string> cases;
    size_t begin = 0;
    for (size_t end; (end = text.find(separator, begin)) != text.npos; begin = end + separator.size()) {
        cases.push_back(text.substr(begin, end - begin));
    }
    EXPECT_EQ(begin, text.size());
    return cases;
}

std::vector<std::vector<int32_t>> read_tokens(const std::string & text) {
    std::vector<std::vector<int32_t>> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        std::istringstream numbers(line);
        lines.emplace_back(std::istream_iterator<int32_t>(numbers), std::istream_iterator<int32_t>());
    }
    return lines;
}

class VocabularyFile : public testing::TestWithParam<const char *> {
  protected:
    void SetUp() override {
        path_ = shared_path(std::string("data/vocab/ggml-vocab-") + GetParam() + ".gguf");
        if (!path_) GTEST_SKIP() << "no vocabulary files here";
        auto tokenizer = open_tokenizer(*path_);
        ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
        tokenizer_.emplace(std::move(tokenizer).value());
    }
    std::optional<std::string> path_;
    std::optional<Tokenizer> tokenizer_;
};

TEST_P(VocabularyFile, EncodesEveryCaseAsExpected) {
    const auto texts = split_cases(read_text(*path_ + ".inp"));
    const auto expected = read_tokens(read_text(*path_ + ".out"));
    ASSERT_EQ(texts.size(), 46U);
    ASSERT_EQ(expected.size(), texts.size());
    for (size_t i = 0; i < texts.size(); i++) {
        EXPECT_EQ(tokenizer_->encode(texts[i], false, false), expected[i]) << "case " << i << ": " << texts[i];
    }
    EXPECT_TRUE(tokenizer_->encode("", false, false).empty());
}

TEST_P(VocabularyFile, DecodesWhatItEncoded) {
    for (const std::string & text : split_cases(read_text(*path_ + ".inp"))) {
        const Encoding encoding = tokenizer_->encode_with_spans(text, false, false);
        EXPECT_EQ(tokenizer_->decode(encoding.tokens, false), text);
        expect_spans_cover(encoding, text.size());
    }
}

TEST_P(VocabularyFile, TakesAMegabyteThereAndBack) {
    const auto path = shared_path("data/text/wikitext-2-valid.txt");
    if (!path) GTEST_SKIP() << "no text files here";
    const std::string text = read_text(*path);
    const auto start = std::chrono::steady_clock::now();
    const Encoding encoding = tokenizer_->encode_with_spans(text, false, false);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    RecordProperty("megabytes_per_second", std::to_string(1e-6 * static_cast<double>(text.size()) / seconds.count()));
    EXPECT_EQ(tokenizer_->decode(encoding.tokens, false), text);
    expect_spans_cover(encoding, text.size());
}

TEST_P(VocabularyFile, TakesEverySingleByteAndEveryPairOfOddBytes) {
    std::string all;
    for (int byte = 0; byte < 256; byte++) {
        const std::string one(1, static_cast<char>(byte));
        EXPECT_EQ(tokenizer_->decode(tokenizer_->encode(one, false, false), false), one) << byte;
        all += one + "x\xC3" + one;
    }
    const Encoding encoding = tokenizer_->encode_with_spans(all, false, false);
    EXPECT_EQ(tokenizer_->decode(encoding.tokens, false), all);
    expect_spans_cover(encoding, all.size());
}

INSTANTIATE_TEST_SUITE_P(All, VocabularyFile, testing::Values("gpt-2", "llama-bpe", "qwen2", "llama-spm"),
                         [](const auto & info) {
                             std::string name = info.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST(VocabularyFiles, NameTheirSpecialTokens) {
    const auto llama = shared_path("data/vocab/ggml-vocab-llama-bpe.gguf");
    const auto qwen = shared_path("data/vocab/ggml-vocab-qwen2.gguf");
    if (!llama || !qwen) GTEST_SKIP() << "no vocabulary files here";
    auto tokenizer = open_tokenizer(*llama);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->bos(), 128000);
    EXPECT_EQ(tokenizer->eot(), 128009);
    EXPECT_TRUE(tokenizer->is_end_of_generation(128009) && tokenizer->is_end_of_generation(128001));
    EXPECT_FALSE(tokenizer->is_end_of_generation(128000));
    EXPECT_TRUE(tokenizer->add_bos());
    EXPECT_EQ(tokenizer->encode("<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>", true, true),
              (std::vector<int32_t>{128000, 128006, 882, 128007, 271, 13347, 128009}));
    tokenizer = open_tokenizer(*qwen);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->eot(), 151645);
    EXPECT_FALSE(tokenizer->add_bos());
}

}  // namespace
}  // namespace ql::test
