// The mean loss of a text, against the logits of its windows computed one by one.
#include "models/infer/evaluate.hpp"

#include <cmath>

#include "models/golden.hpp"
#include "models/infer/sampling.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

constexpr const char * kText =
    "the sea and the sand, and what is in the sand: a thousand shells, and some of them whole";

class EvaluateTest : public ::testing::TestWithParam<bool> {
  protected:
    void SetUp() override {
        TinyModelOptions tiny;
        tiny.more = [](ql_gguf_writer * w) {
            EXPECT_EQ(ql_gguf_set_bool(w, "tokenizer.ggml.add_bos_token", GetParam()), QL_OK);
        };
        const TemporaryFolder folder;
        auto model = open_model(write_tiny_model(folder.path("tiny.gguf"), tiny),
                                {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
        ASSERT_EQ(model_->tokenizer()->add_bos(), GetParam());
        tokens_ = model_->tokenizer()->encode(kText, false, false);
    }

    /// Windows of `ctx` tokens that advance by `stride`. A token with one before it counts, in the first window that
    /// predicts it.
    Likelihood expected(size_t ctx, size_t stride) const {
        const size_t room = ctx - GetParam();
        Likelihood sum;
        size_t counted = 0;
        for (size_t first = 0; counted < tokens_.size(); first += stride) {
            const size_t last = std::min(first + room, tokens_.size());
            std::vector<int32_t> ids(tokens_.begin() + static_cast<std::ptrdiff_t>(first),
                                     tokens_.begin() + static_cast<std::ptrdiff_t>(last));
            if (GetParam()) ids.insert(ids.begin(), model_->tokenizer()->bos());
            const std::vector<float> logits = logits_of(*model_, device_.get(), ids);
            const auto n_vocab = static_cast<size_t>(model_->hparams().n_vocab);
            for (size_t i = 1; i < ids.size(); ++i) {
                if (first + i - GetParam() < counted) continue;
                const auto row = std::span(logits).subspan((i - 1) * n_vocab, n_vocab);
                sum.nll += log_sum_exp(row) - static_cast<double>(row[static_cast<size_t>(ids[i])]);
                ++sum.tokens;
            }
            counted = last;
        }
        sum.nll /= static_cast<double>(sum.tokens);
        return sum;
    }

    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    std::unique_ptr<Model> model_;
    std::vector<int32_t> tokens_;
};

TEST_P(EvaluateTest, IsTheMeanOverEveryTokenOnce) {
    ASSERT_GT(tokens_.size(), 40u);
    for (const int64_t ctx : {7, 16, 200})
        for (const int64_t stride : {0, 1, 5}) {
            const auto got = evaluate_text(*model_, device_.get(), {}, kText, ctx, stride);
            ASSERT_TRUE(got.ok()) << got.message();
            const int64_t step = stride ? stride : ctx - GetParam();
            const Likelihood want = expected(static_cast<size_t>(ctx), static_cast<size_t>(step));
            EXPECT_EQ(got->tokens, want.tokens) << ctx << " " << stride;
            EXPECT_NEAR(got->nll, want.nll, 1e-4) << ctx << " " << stride;
        }
}

TEST_P(EvaluateTest, TellsHowFarItIsAndStopsWhereItIsTold) {
    for (const int64_t stride : {0, 1, 5}) {
        int64_t calls = 0, last_n = 0;
        Likelihood last;
        const auto got = evaluate_text(*model_, device_.get(), {}, kText, 16, stride,
                                       [&](const Likelihood & so_far, int64_t done, int64_t n) -> Status {
                                           EXPECT_EQ(done, ++calls);
                                           EXPECT_TRUE(calls == 1 || n == last_n);
                                           last = so_far, last_n = n;
                                           return {};
                                       });
        ASSERT_TRUE(got.ok()) << got.message();
        EXPECT_EQ(calls, last_n) << "as many windows as it said";
        EXPECT_EQ(last.tokens, got->tokens);
        EXPECT_EQ(last.nll, got->nll);
    }
    int64_t calls = 0;
    const auto stopped = evaluate_text(*model_, device_.get(), {}, kText, 16, 0,
                                       [&](const Likelihood &, int64_t done, int64_t) -> Status {
                                           ++calls;
                                           return done == 2 ? error(QL_CANCELLED, "enough") : Status();
                                       });
    EXPECT_EQ(stopped.code(), QL_CANCELLED);
    EXPECT_EQ(calls, 2);
}

TEST_P(EvaluateTest, RefusesStridesThatLeaveTokensOut) {
    const int64_t room = 16 - GetParam();
    EXPECT_TRUE(evaluate_text(*model_, device_.get(), {}, kText, 16, room).ok());
    for (const int64_t stride : {int64_t{-1}, room + 1})
        EXPECT_EQ(evaluate_text(*model_, device_.get(), {}, kText, 16, stride).code(), QL_INVALID_ARGUMENT);
}

TEST_P(EvaluateTest, RefusesContextsThatPredictNothingOrThatTheModelHasNot) {
    const int64_t most = model_->hparams().n_ctx;
    EXPECT_TRUE(evaluate_text(*model_, device_.get(), {}, kText, 2, 0).ok());
    EXPECT_TRUE(evaluate_text(*model_, device_.get(), {}, kText, most, 0).ok());
    for (const int64_t ctx : {int64_t{1}, most + 1}) {
        const auto got = evaluate_text(*model_, device_.get(), {}, kText, ctx, 0);
        ASSERT_EQ(got.code(), QL_INVALID_ARGUMENT) << ctx;
        ASSERT_NE(got.message().find("context of " + std::to_string(ctx) + " tokens"), std::string::npos)
            << got.message();
    }
}

/// What llama-perplexity does: windows side by side, BOS in place of each one's first token, and of each the predictions
/// after its first half.
TEST_P(EvaluateTest, CountsAsLlamaCppTheSecondHalvesOfWindows) {
    const std::vector<int32_t> tokens = model_->tokenizer()->encode(kText, true, false);
    const auto n_vocab = static_cast<size_t>(model_->hparams().n_vocab);
    for (const size_t ctx : {7u, 16u, 40u}) {
        Likelihood want;
        for (size_t first = 0; first + ctx <= tokens.size(); first += ctx) {
            std::vector<int32_t> ids(tokens.begin() + static_cast<std::ptrdiff_t>(first),
                                     tokens.begin() + static_cast<std::ptrdiff_t>(first + ctx));
            if (GetParam()) ids[0] = model_->tokenizer()->bos();
            const std::vector<float> logits = logits_of(*model_, device_.get(), ids);
            for (size_t i = ctx / 2; i + 1 < ctx; ++i) {
                const auto row = std::span(logits).subspan(i * n_vocab, n_vocab);
                want.nll += log_sum_exp(row) - static_cast<double>(row[static_cast<size_t>(ids[i + 1])]);
                ++want.tokens;
            }
        }
        const auto got = evaluate_text_as_llama_cpp(*model_, device_.get(), {}, kText, static_cast<int64_t>(ctx));
        ASSERT_TRUE(got.ok()) << got.message();
        EXPECT_EQ(got->tokens, want.tokens) << ctx;
        EXPECT_NEAR(got->nll, want.nll / static_cast<double>(want.tokens), 1e-4) << ctx;
    }
}

TEST_P(EvaluateTest, RefusesTextsThatFillNoWindowOfLlamaCpp) {
    const std::vector<int32_t> tokens = model_->tokenizer()->encode(kText, true, false);
    const auto n = static_cast<int64_t>(tokens.size());
    EXPECT_TRUE(evaluate_text_as_llama_cpp(*model_, device_.get(), {}, kText, n).ok());
    const auto got = evaluate_text_as_llama_cpp(*model_, device_.get(), {}, kText, n + 1);
    EXPECT_EQ(got.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(got.message().find("less than a window"), std::string::npos) << got.message();
    EXPECT_EQ(evaluate_text_as_llama_cpp(*model_, device_.get(), {}, kText, 2).code(), QL_INVALID_ARGUMENT);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutBos, EvaluateTest, ::testing::Bool(),
                         [](const auto & info) { return info.param ? "Bos" : "Bare"; });

}  // namespace
}  // namespace ql::test
