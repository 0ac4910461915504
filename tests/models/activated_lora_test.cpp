// Activated LoRA: an adapter acts from its invocation on, in training, evaluation and sessions alike, however a session
// comes by its tokens; what comes before has the base's keys and values.
#include <cmath>

#include "models/adapter/compose/compose.hpp"
#include "models/adapter/invocation.hpp"
#include "models/adapter/merge.hpp"
#include "models/adapters.hpp"
#include "models/infer/evaluate.hpp"
#include "models/infer/session.hpp"
#include "models/train/step.hpp"
#include "models/trainer_fixture.hpp"
#include "ql/models.hpp"

namespace ql::test {
namespace {

using Tokens = std::vector<int32_t>;

TEST(Invocation, IsFoundWhereItBeginsLast) {
    const Tokens tokens = {7, 8, 1, 7, 8, 7, 7};
    EXPECT_EQ(last_invocation(tokens, Tokens{7, 8}), 3);
    EXPECT_EQ(last_invocation(tokens, Tokens{7}), 6);
    EXPECT_EQ(last_invocation(tokens, Tokens{8, 8}), kNever);
    EXPECT_EQ(last_invocation(tokens, Tokens{}), 0);
    EXPECT_EQ(last_invocation(Tokens{8}, Tokens{7, 8}), kNever);
}

/// Samples of a packed stream, of which the second has none and the last is padding; none reaches into another.
TEST(Invocation, ActivatesTheRestOfItsSampleAlone) {
    const Tokens tokens = {7, 8, 1, 2, 8, 7, 8, 7, 8, 7, 0, 0};
    const Tokens span = {0, 1, 0, 2, 0, 3, 3, 4, 3, 5, 3, 6, 6, 7, 7, 8, 7, 9, 7, 10, 0, 0, 0, 0};
    EXPECT_EQ(activation(tokens, span, Tokens{7, 8}), (std::vector<float>{1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0}));
    EXPECT_EQ(activation(tokens, span, Tokens{0}), std::vector<float>(12, 0.0f));
}

class ActivatedLora : public TrainerFixture {
  protected:
    void SetUp() override {
        TrainerFixture::SetUp();
        LoraOptions options;
        options.r = 3, options.invocation = "the";
        auto made = new_adapter(*model_, options);
        ASSERT_TRUE(made.ok()) << made.message();
        adapter_ = std::move(made).value();
        ASSERT_EQ(adapter_.invocation.size(), 1u);
        adapter_.invocation.push_back(42);
        float next = 0.3f;
        for (LoraMatrix & m : adapter_.matrices)
            for (float & v : m.b) v = 0.1f * std::sin(next += 0.9f);
    }
    /// Some text, in which I is the invocation.
    Tokens text(const std::string & form) const {
        Tokens tokens;
        for (const char c : form)
            if (c == 'I')
                tokens.insert(tokens.end(), adapter_.invocation.begin(), adapter_.invocation.end());
            else
                tokens.push_back(c);
        return tokens;
    }
    std::unique_ptr<Session> session(float factor = 1) const {
        const AppliedAdapter applied{&adapter_, factor};
        auto made = Session::create(*model_, device_.get(), {&applied, 1}, 64, QL_F32);
        if (!made.ok()) ADD_FAILURE() << made.message();
        return made.ok() ? std::move(made).value() : nullptr;
    }
    std::vector<float> logits(Session & s, const Tokens & tokens) const {
        EXPECT_TRUE(s.eval(tokens).ok());
        return {s.logits().begin(), s.logits().end()};
    }
    std::vector<float> logits(const std::string & form, float factor = 1) const {
        return logits(*session(factor), text(form));
    }
    /// The losses of a text's tokens, as training evaluates them.
    std::vector<float> losses(const Tokens & tokens) const {
        StepOptions options;
        options.n_tokens = static_cast<int64_t>(tokens.size());
        options.train = false;
        auto step = TrainStep::create(*model_, device_.get(), adapter_, options);
        std::vector<float> nll;
        const TokenSample sample{1, tokens, std::vector<uint8_t>(tokens.size(), 1)};
        const auto packed = pack({sample}, {0}, options.n_tokens, true);
        EXPECT_TRUE(step.ok() &&
                    (*step)->evaluate(MicroBatch::from_sequences(packed, 1, options.n_tokens, 1), nll).ok());
        return nll;
    }

    DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    Adapter adapter_;
};

TEST_F(ActivatedLora, IsTheBaseBeforeItsInvocationAndWithoutOne) {
    EXPECT_EQ(logits("abcdef"), logits("abcdef", 0));
    EXPECT_EQ(logits("abc"), logits("abc", 0));
    EXPECT_GT(nmse(logits("abcIdef"), logits("abcIdef", 0)), 1e-4);
    EXPECT_GT(nmse(logits("abcI"), logits("abcI", 0)), 1e-4);
}

/// The last token's loss from a session's logits is the one that training and evaluation compute.
TEST_F(ActivatedLora, IsTrainedEvaluatedAndServedAlike) {
    for (const char * form : {"abcIdef", "abIcdIef", "abcdef", "Iabc"}) {
        const Tokens tokens = text(form);
        const auto x = logits(*session(), {tokens.begin(), tokens.end() - 1});
        double sum = 0;
        for (const float v : x) sum += std::exp(static_cast<double>(v));
        const double nll = std::log(sum) - static_cast<double>(x[static_cast<size_t>(tokens.back())]);
        const std::vector<float> trained = losses(tokens);
        EXPECT_NEAR(trained[tokens.size() - 2], nll, 1e-4) << form;
        Dataset data;
        data.path = "data";
        data.samples = {{1, tokens, std::vector<uint8_t>(tokens.size(), 1)}};
        const AppliedAdapter applied{&adapter_, 1};
        const auto mean = evaluate_dataset(*model_, device_.get(), {&applied, 1}, data, 32);
        ASSERT_TRUE(mean.ok()) << mean.message();
        double all = 0;
        for (const float v : trained) all += static_cast<double>(v);
        EXPECT_NEAR(mean->nll, all / static_cast<double>(mean->tokens), 1e-4) << form;
    }
}

/// In pieces, through an invocation, past an earlier one, and after a step back.
TEST_F(ActivatedLora, DependsOnWhatWasReadNotOnHow) {
    const auto whole = logits("abIcdIef");
    for (const auto & parts : std::vector<std::vector<Tokens>>{
             {text("abIcd"), text("Ief")},
             {text("abI"), text("cdIe"), text("f")},
             {text("abIcd"), {adapter_.invocation[0]}, {adapter_.invocation[1]}, text("ef")}}) {
        const auto s = session();
        std::vector<float> last;
        for (const Tokens & part : parts) last = logits(*s, part);
        EXPECT_LE(nmse(last, whole), 1e-9);
        EXPECT_EQ(s->position(), std::ssize(text("abIcdIef")));
        EXPECT_EQ(s->tokens(), text("abIcdIef"));
    }
    const auto s = session();
    (void)logits(*s, text("abIcdIxy"));
    s->truncate(std::ssize(text("abIcd")));
    EXPECT_LE(nmse(logits(*s, text("ef")), logits("abIcdef")), 1e-9);
}

TEST_F(ActivatedLora, WhatIsRefusedLeavesASessionAsItWas) {
    const auto s = session();
    (void)logits(*s, text("abIcd"));
    EXPECT_EQ(s->eval(Tokens{adapter_.invocation[0], adapter_.invocation[1], 1 << 20}).code(), QL_INVALID_ARGUMENT);
    EXPECT_EQ(s->position(), std::ssize(text("abIcd")));
    EXPECT_LE(nmse(logits(*s, text("ef")), logits("abIcdef")), 1e-9);
}

TEST_F(ActivatedLora, ComesBackFromFiles) {
    ASSERT_TRUE(save_adapter(adapter_, *model_, folder_.path("a.gguf")).ok());
    EXPECT_EQ(load_adapter(folder_.path("a.gguf"), *model_).value().invocation, adapter_.invocation);
    ASSERT_TRUE(save_peft(adapter_, *model_, folder_.path("peft")).ok());
    ASSERT_TRUE(
        save_adapter(load_adapter(folder_.path("peft"), *model_).value(), *model_, folder_.path("b.gguf")).ok());
    EXPECT_EQ(read_all(folder_.path("a.gguf")), read_all(folder_.path("b.gguf")));
}

TEST_F(ActivatedLora, IsNoSumOfMatricesAndNotMerged) {
    const WeightedAdapter two[] = {{&adapter_, 1}, {&adapter_, 1}};
    const auto made = compose_adapters(two, {});
    EXPECT_EQ(made.status().code(), QL_UNSUPPORTED);
    EXPECT_NE(made.message().find("an activated LoRA acts from its invocation on"), std::string::npos);
    const auto merged = merge_adapter(adapter_, model_path_, folder_.path("m.gguf"), defaults<ql_quantize_options>());
    EXPECT_EQ(merged.code(), QL_UNSUPPORTED);
    EXPECT_NE(merged.message().find("an activated LoRA cannot be merged"), std::string::npos) << merged.message();
}

TEST_F(ActivatedLora, IsPlainLoraOnLinears) {
    const auto refused = [&](auto change) {
        LoraOptions options;
        options.r = 3, options.invocation = "the";
        change(options);
        return new_adapter(*model_, options).message();
    };
    EXPECT_NE(refused([](LoraOptions & o) { o.norms = true; }).find("trained norms or rows"), std::string::npos);
    EXPECT_NE(refused([](LoraOptions & o) { o.tokens = "7"; }).find("trained norms or rows"), std::string::npos);
    EXPECT_NE(refused([](LoraOptions & o) { o.kind = LoraKind::dora; }).find("is plain LoRA"), std::string::npos);
}

TEST_F(ActivatedLora, OfSamplesWithoutItsInvocationSaysHowMany) {
    const auto start = [&](const Tokens & invocation, std::vector<std::string> & lines) {
        Adapter adapter = adapter_;
        adapter.invocation = invocation;
        ql_train_options o = options();
        o.on_log = [](void * user, const char * line) {
            static_cast<std::vector<std::string> *>(user)->push_back(line);
        };
        o.user = &lines;
        return Trainer::create(*model_, device_.get(), adapter, data_, nullptr, o).status();
    };
    std::vector<std::string> lines;
    EXPECT_NE(start({1, 1, 1}, lines).message().find("none of its 40 samples holds"), std::string::npos);
    Tokens rare = model_->tokenizer()->encode("xxxxxx", false, false);  // of samples 6, 13, 20, 27 and 34
    ASSERT_TRUE(start(rare, lines).ok());
    ASSERT_FALSE(lines.empty());
    EXPECT_EQ(lines[0], "35 of 40 samples do not hold the invocation: the adapter is off in them");
}

/// Their gradient of 0 is no sign of divergence, however many steps it lasts.
TEST_F(ActivatedLora, LearnsNothingFromSamplesWithoutItsInvocation) {
    Adapter adapter = adapter_;
    adapter.invocation = model_->tokenizer()->encode("xxxxxx", false, false);
    ql_train_options o = options();
    o.steps = 40, o.batch = 1, o.grad_accum = 1;
    const auto trainer = Trainer::create(*model_, device_.get(), adapter, data_, nullptr, o);
    ASSERT_TRUE(trainer.ok()) << trainer.message();
    const Status ran = (*trainer)->run();
    EXPECT_TRUE(ran.ok()) << ran.message();
}

}  // namespace
}  // namespace ql::test
