// Files of multiple choice: what is read, and what is refused with its line.
#include "models/data/choices.hpp"

#include <gtest/gtest.h>

#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

class Choices : public testing::Test {
  protected:
    Result<std::vector<ChoiceQuestion>> read(const std::string & text) {
        return read_choices(path_ = folder_.write("c.jsonl", text));
    }
    /// The message without the path.
    std::string refused(const std::string & text) {
        const auto read_ = read(text);
        return read_.ok() ? "accepted" : read_.message().substr(path_.size());
    }
    TemporaryFolder folder_;
    std::string path_;
};

TEST_F(Choices, AnswersAreNumbersOrTexts) {
    const auto all = read(
        "{\"question\": \"1 + 1 =\", \"choices\": [\"1\", \"2\"], \"answer\": 1, \"subject\": \"sums\"}\n"
        "\n{\"question\": \"q\", \"choices\": [\"a\", \"b\", \"c\"], \"answer\": \"a\", \"_note\": 3}\n");
    ASSERT_TRUE(all.ok()) << all.message();
    ASSERT_EQ(all->size(), 2u);
    EXPECT_EQ((*all)[0].question, "1 + 1 =");
    EXPECT_EQ((*all)[0].choices, (std::vector<std::string>{"1", "2"}));
    EXPECT_EQ((*all)[0].answer, 1u);
    EXPECT_EQ((*all)[1].answer, 0u);
    EXPECT_EQ((*all)[1].line, 3);
}

TEST_F(Choices, WhatIsNoQuestionIsRefusedWithItsLine) {
    const auto with = [](const std::string & choices, const std::string & more) {
        return "{\"question\": \"q\", \"choices\": " + choices + more + "}";
    };
    const std::string two = "[\"a\", \"b\"]";
    const std::pair<std::string, const char *> cases[] = {
        {with(two, ""), ":1: \"answer\" is missing or empty"},
        {with(two, ", \"answer\": null"), ":1: \"answer\" is missing or empty"},
        {with(two, ", \"answer\": 2"), ":1: \"answer\" is 2; 0 to 1 are possible"},
        {with(two, ", \"answer\": -1"), ":1: \"answer\" is -1; 0 to 1 are possible"},
        {with(two, ", \"answer\": 18446744073709551615"), ":1: \"answer\" is 18446744073709551615; 0 to 1"},
        {with(two, ", \"answer\": 0.5"), ":1: \"answer\" is number"},
        {with(two, ", \"answer\": \"c\""), "the text of none of the choices"},
        {with("[\"a\"]", ", \"answer\": 0"), ":1: \"choices\" has 1, 2 to 1000 are possible"},
        {with("[]", ", \"answer\": 0"), "\"choices\" is missing or empty"},
        {with("\"ab\"", ", \"answer\": 0"), "\"choices\" is string, not a list"},
        {with("[\"a\", 3]", ", \"answer\": 0"), "item 2: it is no string"},
        {with("[\"a\", \" \"]", ", \"answer\": 0"), "item 2: it is empty"},
        {with("[\"a\", \"b\", \"a\"]", ", \"answer\": 0"), "item 3: it is there twice"},
        {with(two, ", \"answer\": 0, \"hint\": \"x\""), "fields that are not used here"},
        {"{\"choices\": " + two + ", \"answer\": 0}", "\"question\" is missing or empty"},
        {with(two, ", \"answer\": 0") + "\n[1]", ":2: array, not an object"},
        {"", ":1: "}};
    for (const auto & [text, message] : cases)
        EXPECT_NE(refused(text).find(message), std::string::npos) << text << "\n" << refused(text);
    EXPECT_EQ(read_choices(folder_.path("none.jsonl")).code(), QL_NOT_FOUND);
}

}  // namespace
}  // namespace ql::test
