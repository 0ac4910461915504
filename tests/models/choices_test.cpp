// Multiple choice against the logits of each choice computed alone.
#include "models/infer/choices.hpp"

#include <algorithm>
#include <cmath>

#include "models/golden.hpp"
#include "models/infer/sampling.hpp"
#include "ql/generate.h"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

class ChoicesTest : public ::testing::TestWithParam<bool> {
  protected:
    void SetUp() override {
        TinyModelOptions tiny;
        tiny.more = [](ql_gguf_writer * w) {
            EXPECT_EQ(ql_gguf_set_bool(w, "tokenizer.ggml.add_bos_token", GetParam()), QL_OK);
        };
        path_ = write_tiny_model(folder_.path("tiny.gguf"), tiny);
        auto model = open_model(path_, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
        for (const char * question : {"the sea and", "a thousand shells ", "what is in the sand:", "and"})
            questions_.push_back({std::ssize(questions_) + 1,
                                  question,
                                  {"the sand", "some of them whole, and a thousand more", "a", " sea"},
                                  questions_.size() % 4});
    }

    /// The sum of a choice's NLL, of its logits.
    double nll(const ChoiceQuestion & question, size_t choice) const {
        const TokenSample sample = choice_sample(*model_->tokenizer(), question, choice);
        const std::vector<float> logits = logits_of(*model_, device_.get(), sample.tokens);
        const auto n_vocab = static_cast<size_t>(model_->hparams().n_vocab);
        double sum = 0;
        for (size_t i = 1; i < sample.tokens.size(); ++i) {
            if (!sample.trained[i]) continue;
            const auto row = std::span(logits).subspan((i - 1) * n_vocab, n_vocab);
            sum += log_sum_exp(row) - static_cast<double>(row[static_cast<size_t>(sample.tokens[i])]);
        }
        return sum;
    }

    ChoiceScores expected() const {
        ChoiceScores scores;
        for (const ChoiceQuestion & q : questions_) {
            std::vector<double> sums, by_length;
            for (size_t c = 0; c < q.choices.size(); ++c) {
                sums.push_back(nll(q, c));
                by_length.push_back(sums.back() / static_cast<double>(q.choices[c].size()));
            }
            const auto best = [](const auto & v) { return std::min_element(v.begin(), v.end()) - v.begin(); };
            ++scores.questions;
            scores.right += best(sums) == static_cast<std::ptrdiff_t>(q.answer);
            scores.right_by_length += best(by_length) == static_cast<std::ptrdiff_t>(q.answer);
            scores.of_right.nll += sums[q.answer];
            scores.of_right.tokens += choice_sample(*model_->tokenizer(), q, q.answer).n_trained();
        }
        scores.of_right.nll /= static_cast<double>(scores.of_right.tokens);
        return scores;
    }

    const TemporaryFolder folder_;
    std::string path_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    std::unique_ptr<Model> model_;
    std::vector<ChoiceQuestion> questions_;
};

TEST_P(ChoicesTest, IsWhatTheLogitsSay) {
    for (size_t shift = 0; shift < 4; ++shift) {  // each choice is right once, so some are counted
        for (ChoiceQuestion & q : questions_) q.answer = (q.answer + 1) % 4;
        const ChoiceScores want = expected();
        for (const int64_t ctx : {64, 128}) {  // one sample a window, several
            const auto got = evaluate_choices(*model_, device_.get(), {}, questions_, "c.jsonl", ctx);
            ASSERT_TRUE(got.ok()) << got.message();
            EXPECT_EQ(got->questions, want.questions);
            EXPECT_EQ(got->right, want.right);
            EXPECT_EQ(got->right_by_length, want.right_by_length);
            EXPECT_EQ(got->of_right.tokens, want.of_right.tokens);
            EXPECT_NEAR(got->of_right.nll, want.of_right.nll, 1e-4);
        }
    }
}

TEST_P(ChoicesTest, AlwaysOneChoiceIsTheMostProbable) {
    int64_t right = 0, by_length = 0;
    for (size_t answer = 0; answer < 4; ++answer) {
        for (ChoiceQuestion & q : questions_) q.answer = answer;
        const auto got = evaluate_choices(*model_, device_.get(), {}, questions_, "c.jsonl", 128);
        ASSERT_TRUE(got.ok()) << got.message();
        right += got->right, by_length += got->right_by_length;
    }
    EXPECT_EQ(right, 4);
    EXPECT_EQ(by_length, 4);
}

TEST_P(ChoicesTest, ABlankStandsBetweenWordsOnly) {
    const Tokenizer & t = *model_->tokenizer();
    const auto text = [&](const char * question, const char * choice) {
        const TokenSample s = choice_sample(t, {1, question, {choice, "x"}, 0}, 0);
        std::string all;
        for (size_t i = t.add_bos() ? 1 : 0; i < s.tokens.size(); ++i)
            all += (s.trained[i] && (i == 0 || !s.trained[i - 1]) ? "|" : "") + t.piece(s.tokens[i]);
        return all;
    };
    EXPECT_EQ(text("the sea", "and"), "the sea| and");
    EXPECT_EQ(text("the sea ", "and"), "the sea |and");
    EXPECT_EQ(text("the sea", " and"), "the sea| and");
}

TEST_P(ChoicesTest, WhatDoesNotFitIsRefusedWithItsLine) {
    questions_[2].choices[1] = std::string(200, 'x');
    const auto got = evaluate_choices(*model_, device_.get(), {}, questions_, "c.jsonl", 64);
    EXPECT_EQ(got.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(got.message().find("c.jsonl:3: choice 2 has "), std::string::npos) << got.message();
    EXPECT_NE(got.message().find("more than the context of 64"), std::string::npos) << got.message();
    EXPECT_FALSE(evaluate_choices(*model_, device_.get(), {}, questions_, "c.jsonl", 1).ok());
}

TEST_P(ChoicesTest, FromC) {
    ql_model * model = nullptr;
    ASSERT_EQ(ql_model_open(path_.c_str(), nullptr, &model), QL_OK) << ql_error_message();
    const std::string file =
        folder_.write("c.jsonl", R"({"question": "the sea and", "choices": ["the sand", "a"], "answer": "a"})");
    ql_choices result = {};
    result.size = sizeof(result);
    const auto evaluate = [&](const char * path, const ql_evaluate_options * options) {
        return ql_evaluate_choices(model, device_.get(), nullptr, nullptr, 0, path, options, &result);
    };
    ASSERT_EQ(evaluate(file.c_str(), nullptr), QL_OK) << ql_error_message();
    EXPECT_EQ(result.questions, 1);
    EXPECT_GT(result.nll, 0);
    ql_evaluate_options options;
    ql_evaluate_options_init(&options);
    options.stride = 3;
    EXPECT_EQ(evaluate(file.c_str(), &options), QL_INVALID_ARGUMENT);
    EXPECT_EQ(evaluate(nullptr, nullptr), QL_INVALID_ARGUMENT);
    EXPECT_EQ(evaluate(folder_.path("none").c_str(), nullptr), QL_NOT_FOUND);
    options.stride = 0;
    options.on_window = [](void *, const ql_evaluated *) { return 1; };
    EXPECT_EQ(evaluate(file.c_str(), &options), QL_CANCELLED);
    ql_model_close(model);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutBos, ChoicesTest, ::testing::Bool());

}  // namespace
}  // namespace ql::test
