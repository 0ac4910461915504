// What a model is asked when exact answers are counted: the tokens that training has before the last answer.
#include <gtest/gtest.h>

#include "models/data/dataset.hpp"
#include "models/load/open_model.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

class DatasetQuestion : public testing::Test {
  protected:
    void SetUp() override {
        const std::string path = folder_.path("tiny.gguf");
        tiny::Writer(TinyModelOptions{}).write(path);
        auto model = open_model(path, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
    }

    Dataset open(const std::string & lines) {
        ql_dataset_options o;
        ql_dataset_options_init(&o);
        auto data = open_dataset({folder_.write("a.jsonl", lines)}, *model_, o);
        EXPECT_TRUE(data.ok()) << data.message();
        return data.ok() ? std::move(data).value() : Dataset();
    }

    TemporaryFolder folder_;
    std::unique_ptr<Model> model_;
};

TEST_F(DatasetQuestion, HasTheTokensThatTrainingHasBeforeTheLastAnswer) {
    const Dataset data = open(R"({"prompt": "Sentiment: ", "completion": "positive"}
{"question": "what is 1 ", "answer": "the sea"}
{"messages": [{"role": "user", "content": "a "}, {"role": "assistant", "content": " b"},
              {"role": "user", "content": "c"}, {"role": "assistant", "content": "the sand"}]})");
    const std::vector<std::string> answers = {"positive", "the sea", "the sand"};
    ASSERT_EQ(data.samples.size(), answers.size());
    for (size_t i = 0; i < answers.size(); ++i) {
        const auto question = data.question(i);
        ASSERT_TRUE(question.ok()) << question.message();
        EXPECT_EQ(question->answer, answers[i]);
        const TokenSample & sample = data.samples[i];
        const size_t n = question->tokens.size();
        ASSERT_LT(n, sample.tokens.size());
        EXPECT_TRUE(std::equal(question->tokens.begin(), question->tokens.end(), sample.tokens.begin()));
        EXPECT_FALSE(sample.trained[n - 1]);
        std::string answer;
        for (size_t t = n; t < sample.tokens.size() && sample.trained[t]; ++t)
            if (!model_->tokenizer()->is_end_of_generation(sample.tokens[t]))
                answer += model_->tokenizer()->piece(sample.tokens[t]);
        EXPECT_EQ(answer, answers[i]);
    }
}

TEST_F(DatasetQuestion, IsNoneOfAPlainText) {
    const auto question = open(R"({"text": "abc"})").question(0);
    EXPECT_EQ(question.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(question.message().find("a.jsonl:1: a plain text has no question"), std::string::npos)
        << question.message();
}

TEST_F(DatasetQuestion, StaysWithItsTokensUntilAnotherIsAskedFor) {
    const ql_dataset data(open(R"({"prompt": "ab", "completion": "c"})"));
    const char *prompt = nullptr, *answer = nullptr;
    const int32_t * tokens = nullptr;
    int64_t n = 0;
    ASSERT_EQ(ql_dataset_prompt(&data, 0, &prompt, &answer), QL_OK);
    const char * const before = prompt;
    ASSERT_EQ(ql_dataset_prompt_tokens(&data, 0, &tokens, &n), QL_OK);
    EXPECT_GT(n, 0);
    EXPECT_EQ(data.question.prompt.c_str(), before);
    EXPECT_STREQ(prompt, "ab");
    EXPECT_STREQ(answer, "c");
}

}  // namespace
}  // namespace ql::test
