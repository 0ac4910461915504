// Generation: which tokens are drawn, from what, and where it ends.
#include "models/infer/generate.hpp"

#include <algorithm>
#include <cmath>

#include "models/golden.hpp"
#include "models/infer/sampling.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using Tokens = std::vector<int32_t>;

class GenerateTest : public ::testing::Test {
  protected:
    void SetUp() override {
        const TemporaryFolder folder;
        auto model = open_model(write_tiny_model(folder.path("tiny.gguf")),
                                {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
    }
    std::unique_ptr<Session> session(int64_t ctx = 200, std::span<const AppliedAdapter> adapters = {}) const {
        auto s = Session::create(*model_, device_.get(), adapters, ctx);
        if (!s.ok()) ADD_FAILURE() << s.message();
        return s.ok() ? std::move(s).value() : nullptr;
    }

    /// The most probable token each time, and 8 tokens.
    static ql_generate_options greedy() {
        ql_generate_options o;
        ql_generate_options_init(&o);
        ql_sampling_init(&o.sampling);
        o.sampling.temperature = 0;
        o.sampling.repeat_penalty = 1;
        o.n_predict = 8;
        return o;
    }
    static Generated generated(Session & s, const Tokens & prompt, const ql_generate_options & o) {
        auto result = generate(s, prompt, o);
        if (!result.ok()) ADD_FAILURE() << result.message();
        return result.ok() ? std::move(result).value() : Generated();
    }

    /// Options under which `wanted` comes first, and a prompt for them: a penalty of 0.01 multiplies by a hundred the
    /// positive logits of the prompt's tokens.
    std::pair<Tokens, ql_generate_options> that_begins_with(int32_t wanted) const {
        ql_generate_options o = greedy();
        o.sampling.repeat_penalty = 0.01;
        const auto s = session();
        for (int32_t first = 0; first < 256; ++first) {
            const Tokens prompt = {wanted, first};
            s->truncate(0);
            EXPECT_TRUE(s->eval(prompt).ok());
            if (sample(s->logits(), prompt, o.sampling, 2) == wanted) return {prompt, o};
        }
        ADD_FAILURE() << "no prompt makes token " << wanted;
        return {{wanted}, o};
    }
    int32_t special(const std::string & text) const { return model_->tokenizer()->encode(text, false, true).at(0); }

    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    std::unique_ptr<Model> model_;
};

Tokens some_tokens(int32_t n) {
    Tokens tokens;
    for (int32_t i = 0; i < n; ++i) tokens.push_back((i * 37 + 5) % 256);
    return tokens;
}

/// Calls of on_token.
struct Calls {
    Tokens ids;
    std::vector<float> logprobs;
    std::vector<std::vector<ql_logprob>> top;
    std::string pieces;
    size_t stop_after = SIZE_MAX;

    void attach(ql_generate_options & o) {
        o.user = this;
        o.on_token = [](void * user, const ql_generated * t) {
            auto & calls = *static_cast<Calls *>(user);
            calls.ids.push_back(t->token);
            calls.logprobs.push_back(t->logprob);
            calls.top.emplace_back(t->top, t->top + t->n_top);
            calls.pieces += t->piece;
            return calls.ids.size() >= calls.stop_after ? 1 : 0;
        };
    }
};

TEST_F(GenerateTest, EveryTokenIsDrawnForItsPlaceUnderThePenaltyOfTheLast64) {
    ql_generate_options o = greedy();
    o.n_predict = 40;
    o.sampling.temperature = 3;
    o.sampling.top_k = 0, o.sampling.top_p = 1, o.sampling.min_p = 0;
    o.sampling.repeat_penalty = 1.5;
    Calls calls;
    calls.attach(o);
    Tokens read = some_tokens(90);
    const auto s = session();
    generated(*s, read, o);
    ASSERT_GT(calls.ids.size(), 20u) << "the model ended early";

    const auto replay = session();
    ASSERT_TRUE(replay->eval(read).ok());
    for (const int32_t id : calls.ids) {
        const auto recent = std::span<const int32_t>(read).last(64);
        ASSERT_EQ(id, sample(replay->logits(), recent, o.sampling, static_cast<int64_t>(read.size())));
        ASSERT_TRUE(replay->eval({&id, 1}).ok());
        read.push_back(id);
    }
}

TEST_F(GenerateTest, TellsTheLogarithmsOfProbabilitiesOfTheWholeVocabulary) {
    ql_generate_options o = greedy();
    o.n_top = 3;
    Calls calls;
    calls.attach(o);
    const auto s = session(), replay = session();
    generated(*s, some_tokens(5), o);
    ASSERT_TRUE(replay->eval(some_tokens(5)).ok());
    for (size_t i = 0; i < calls.ids.size(); ++i) {
        const auto logits = replay->logits();
        double sum = 0;
        for (const float v : logits) sum += std::exp(static_cast<double>(v));
        const double logprob = static_cast<double>(logits[static_cast<size_t>(calls.ids[i])]) - std::log(sum);
        EXPECT_NEAR(calls.logprobs[i], logprob, 1e-5);
        ASSERT_EQ(calls.top[i].size(), 3u);
        EXPECT_EQ(calls.top[i][0].id, calls.ids[i]);
        EXPECT_NEAR(calls.top[i][0].logprob, logprob, 1e-5);
        ASSERT_TRUE(replay->eval({&calls.ids[i], 1}).ok());
    }
}

TEST_F(GenerateTest, MakesAsManyTokensAsAreAskedFor) {
    for (const int64_t n : {0, 1, 5}) {
        ql_generate_options o = greedy();
        o.n_predict = n;
        Calls calls;
        calls.attach(o);
        const auto s = session();
        const Generated out = generated(*s, some_tokens(6), o);
        ASSERT_FALSE(out.ended);
        EXPECT_EQ(out.n_generated, n);
        EXPECT_EQ(static_cast<int64_t>(calls.ids.size()), n);
        EXPECT_EQ(out.text, calls.pieces);
    }
}

TEST_F(GenerateTest, EndsWithAnyTokenThatEndsATurnWhichIsReadAndNoPartOfTheText) {
    for (const char * end : {"<|im_end|>", "<|endoftext|>"})
        for (const int64_t n_predict : {1, 8}) {
            auto [prompt, o] = that_begins_with(special(end));
            o.n_predict = n_predict;
            const auto s = session();
            const Generated out = generated(*s, prompt, o);
            EXPECT_TRUE(out.ended) << end;
            EXPECT_EQ(out.n_generated, 1) << end;
            EXPECT_EQ(out.text, "") << end;
            EXPECT_EQ(s->tokens().back(), special(end));
            EXPECT_EQ(s->position(), static_cast<int64_t>(prompt.size()) + 1);
        }
}

TEST_F(GenerateTest, AFullContextEndsTheTextWithoutAnError) {
    ql_generate_options o = greedy();
    o.n_predict = -1;
    const auto s = session(10);
    const Generated out = generated(*s, some_tokens(6), o);
    ASSERT_FALSE(out.ended);
    EXPECT_EQ(out.n_generated, 5);  // the last one is given out, but not read
    EXPECT_EQ(s->position(), 10);
}

TEST_F(GenerateTest, TheCallbackStopsItAndTheTokenThatItSawIsRead) {
    ql_generate_options o = greedy();
    Calls calls;
    calls.stop_after = 3;
    calls.attach(o);
    const auto s = session();
    const Generated out = generated(*s, some_tokens(6), o);
    EXPECT_EQ(out.n_generated, 3);
    EXPECT_EQ(s->position(), 9);
}

TEST_F(GenerateTest, ACharacterThatBreaksOffIsShownAsBroken) {
    constexpr int32_t kFirstByteOfTwo = 0xC3;
    auto [prompt, o] = that_begins_with(kFirstByteOfTwo);
    o.n_predict = 1;
    const auto s = session();
    EXPECT_EQ(generated(*s, prompt, o).text, "\xEF\xBF\xBD");
}

TEST_F(GenerateTest, TokensThatWereForgottenAreNotPenalised) {
    ql_generate_options o = greedy();
    o.sampling.repeat_penalty = 100;
    Calls fresh, again;
    fresh.attach(o);
    const auto a = session(), b = session();
    generated(*a, some_tokens(6), o);
    again.attach(o);
    for (int32_t id = 0; id < 150; ++id) ASSERT_TRUE(b->eval({&id, 1}).ok());
    b->truncate(0);
    generated(*b, some_tokens(6), o);
    EXPECT_EQ(again.ids, fresh.ids);
}

TEST_F(GenerateTest, ATextThatDoesNotFitBehindWhatWasReadIsRefused) {
    const auto s = session(20);
    ASSERT_TRUE(s->eval(some_tokens(15)).ok());
    EXPECT_EQ(s->eval(some_tokens(6)).code(), QL_INVALID_ARGUMENT);
    EXPECT_TRUE(s->eval(some_tokens(5)).ok());
}

TEST_F(GenerateTest, ATokenOutsideTheVocabularyIsRefused) {
    const auto s = session();
    const auto n = static_cast<int32_t>(model_->hparams().n_vocab);
    for (const int32_t id : {-1, n}) EXPECT_EQ(s->eval({&id, 1}).code(), QL_INVALID_ARGUMENT) << id;
    const int32_t last = n - 1;
    EXPECT_TRUE(s->eval({&last, 1}).ok());
}

TEST_F(GenerateTest, APromptIsReadInTheNarrowestPieceThatTakesIt) {
    const auto s = session();
    EXPECT_EQ(s->plan(4), s->plan(2));
    EXPECT_EQ(s->plan(8), s->plan(5));
    EXPECT_EQ(s->plan(32), s->plan(9));
    EXPECT_NE(s->plan(32), s->plan(33));
    EXPECT_NE(s->plan(4), s->plan(5));
    EXPECT_NE(s->plan(1), s->plan(2));
}

TEST_F(GenerateTest, AnAdapterIsAppliedWithTheUsersFactor) {
    LoraOptions lora;
    lora.r = 2;
    auto adapter = new_adapter(*model_, lora);
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    for (LoraMatrix & m : adapter->matrices)
        for (size_t i = 0; i < m.b.size(); ++i) m.b[i] = 0.02f * static_cast<float>(static_cast<int>(i * 7 % 11) - 5);
    Adapter half = *adapter;
    for (LoraMatrix & m : half.matrices) m.scale *= 0.5f;
    const auto logits = [&](const Adapter & a, float factor) {
        const AppliedAdapter applied[] = {{&a, factor}};
        const auto s = session(200, applied);
        EXPECT_TRUE(s->eval(some_tokens(9)).ok());
        return std::vector<float>(s->logits().begin(), s->logits().end());
    };
    EXPECT_EQ(logits(*adapter, 0.5f), logits(half, 1.0f));
    EXPECT_NE(logits(*adapter, 0.5f), logits(*adapter, 1.0f));
    EXPECT_NE(logits(*adapter, 0.0f), logits(*adapter, 1.0f));
}

TEST_F(GenerateTest, IsStoppedBetweenPiecesOfThePrompt) {
    const auto s = session();
    ql_generate_options o = greedy();
    int asked = 0;
    o.user = &asked;
    o.cancelled = [](void * user) { return ++*static_cast<int *>(user) == 2 ? 1 : 0; };
    EXPECT_EQ(generated(*s, some_tokens(5), o).n_generated, 8);
    EXPECT_EQ(asked, 1) << "one piece; tokens that are generated have on_token";
    const int64_t before = s->position();
    EXPECT_EQ(generate(*s, some_tokens(5), o).code(), QL_CANCELLED);
    EXPECT_EQ(s->position(), before);
    EXPECT_EQ(generated(*s, some_tokens(5), o).n_generated, 8) << "the session goes on";
}

}  // namespace
}  // namespace ql::test
