// The words that each pre-tokenizer cuts, where they differ from each other.
#include "models/text/pre_tokenizer.hpp"

#include <gtest/gtest.h>

namespace ql::test {
namespace {

using Words = std::vector<std::string>;

Words split(const char * name, const std::string & text) {
    auto pre = PreTokenizer::create(name);
    if (!pre.ok()) return {pre.message()};
    std::vector<std::string_view> words;
    pre->split(text, words);
    return {words.begin(), words.end()};
}

TEST(PreTokenizer, CutsDigitsAsEachModelDoes) {
    EXPECT_EQ(split("gpt-2", "a 12345"), (Words{"a", " 12345"}));
    EXPECT_EQ(split("smollm", "a 123"), (Words{"a", " ", "1", "2", "3"}));
    EXPECT_EQ(split("llama-bpe", "a 12345"), (Words{"a", " ", "123", "45"}));
    EXPECT_EQ(split("qwen2", "a 123"), (Words{"a", " ", "1", "2", "3"}));
}

TEST(PreTokenizer, CutsBetweenLowerAndUpperCase) {
    EXPECT_EQ(split("tekken", "aBcDE fGH12"), (Words{"a", "Bc", "DE", " f", "GH", "1", "2"}));
    EXPECT_EQ(split("gpt-4o", "aBc'll DE's 1234"), (Words{"a", "Bc'll", " DE's", " ", "123", "4"}));
    EXPECT_EQ(split("tekken", "\xC3\x89t\xC3\xA9X \xE6\xBC\xA2\xE5\xAD\x97X"),
              (Words{"\xC3\x89t\xC3\xA9", "X", " \xE6\xBC\xA2\xE5\xAD\x97", "X"}));
    EXPECT_EQ(split("tekken", "a/\n/b"), (Words{"a", "/\n/", "b"}));
}

TEST(PreTokenizer, TakesMarksAsLettersWhereTheModelDoes) {
    EXPECT_EQ(split("qwen35", "e\xCC\x81x!"), (Words{"e\xCC\x81x", "!"}));
    EXPECT_EQ(split("qwen2", "e\xCC\x81x!"), (Words{"e", "\xCC\x81x", "!"}));
}

TEST(PreTokenizer, CutsIdeographsApart) {
    EXPECT_EQ(split("deepseek-v3", "ab\xE6\xBC\xA2\xE5\xAD\x97!a 1234"),
              (Words{"ab", "\xE6\xBC\xA2\xE5\xAD\x97", "!a", " ", "123", "4"}));
}

TEST(PreTokenizer, LeavesTheLastSpaceToTheNextWord) {
    EXPECT_EQ(split("gpt-2", "a   b\n\nc"), (Words{"a", "  ", " b", "\n", "\n", "c"}));
    EXPECT_EQ(split("llama-bpe", "a   b\n\nc"), (Words{"a", "  ", " b", "\n\n", "c"}));
    EXPECT_EQ(split("smollm", "a   1"), (Words{"a", "   ", "1"})) << "digits are cut first: the spaces end there";
}

TEST(PreTokenizer, KnowsContractionsInBothCasesWhereTheModelDoes) {
    EXPECT_EQ(split("gpt-2", "I'LL we'll"), (Words{"I", "'", "LL", " we", "'ll"}));
    EXPECT_EQ(split("qwen2", "I'LL we'll"), (Words{"I", "'LL", " we", "'ll"}));
}

TEST(PreTokenizer, KnowsLettersNumbersAndSpacesOfAllScripts) {
    EXPECT_EQ(split("gpt-2", "Füße \xE0\xA5\xA7\xE0\xA5\xA8\xE3\x80\x80漢字"),
              (Words{"Füße", " \xE0\xA5\xA7\xE0\xA5\xA8", "\xE3\x80\x80", "漢字"}));
    EXPECT_EQ(split("gpt-2", "a\xE1\xA0\x8E"), (Words{"a", "\xE1\xA0\x8E"})) << "U+180E is no white space";
    EXPECT_EQ(split("gpt-2", "!\xE1\xA0\x8E!"), (Words{"!\xE1\xA0\x8E!"}));
}

TEST(PreTokenizer, TakesMalformedBytesAsSymbols) {
    EXPECT_EQ(split("gpt-2", "a\xFF!\x80 b\xE2"), (Words{"a", "\xFF!\x80", " b", "\xE2"}));
}

TEST(PreTokenizer, StandsVeryLongWords) {
    const size_t n = 3000000;
    for (const char * name : {"gpt-2", "smollm", "llama-bpe", "qwen2", "tekken", "gpt-4o"}) {
        for (const char c : {' ', '\n', 'x', '.'}) {
            EXPECT_EQ(split(name, std::string(n, c)), Words{std::string(n, c)}) << name << " " << int{c};
        }
        EXPECT_EQ(split(name, std::string(n, ' ') + "x"), (Words{std::string(n - 1, ' '), " x"})) << name;
    }
}

TEST(PreTokenizer, RefusesUnknownNamesAndListsTheKnown) {
    EXPECT_EQ(split("deepseek-llm", "")[0],
              "tokenizer: pre-tokenizer 'deepseek-llm' is not known; known are gpt-2, smollm, llama-bpe, dbrx, glm4, "
              "qwen2, qwen35, tekken, gpt-4o, deepseek-v3");
    EXPECT_EQ(split("llama3", "1234"), (Words{"123", "4"})) << "another name of llama-bpe";
}

}  // namespace
}  // namespace ql::test
