// Several sequences on one engine: weights and plans once, each sequence as if it were alone.
#include "models/infer/engine.hpp"

#include <algorithm>
#include <cmath>

#include "models/adapters.hpp"
#include "models/graph/spans.hpp"
#include "models/infer/applied_adapter.hpp"
#include "models/infer/session.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using Tokens = std::vector<int32_t>;
using Logits = std::vector<float>;

class EngineTest : public ::testing::Test {
  protected:
    static constexpr int64_t kCtx = 200, kMostCtx = 512;

    void SetUp() override {
        TinyModelOptions options;
        options.n_ctx = kMostCtx;
        auto model = open_model(write_tiny_model(folder_.path("tiny.gguf"), options),
                                {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
        start({.ctx = kCtx, .n_sequences = 3, .cache_type = QL_F32});
    }
    void start(const EngineOptions & options) {
        auto engine = Engine::create(*model_, device_.get(), {}, options);
        ASSERT_TRUE(engine.ok()) << engine.message();
        engine_ = std::move(engine).value();
    }
    void read(const std::vector<SequenceTokens> & batch) {
        const Status s = engine_->read(batch);
        ASSERT_TRUE(s.ok()) << s.message();
    }

    static Tokens tokens(int32_t n, int32_t seed) {
        Tokens list;
        for (int32_t i = 0; i < n; ++i) list.push_back((i * 37 + 11 * seed + 5) % 256);
        return list;
    }
    static Tokens both(Tokens first, const Tokens & second) {
        first.insert(first.end(), second.begin(), second.end());
        return first;
    }

    /// The logits of a separate session after these tokens.
    Logits alone(const Tokens & list) const {
        const auto session = Session::create(*model_, device_.get(), {}, kMostCtx, QL_F32);
        EXPECT_TRUE((*session)->eval(list).ok());
        return {(*session)->logits().begin(), (*session)->logits().end()};
    }
    void expect_as_alone(int64_t sequence, const Tokens & list) const {
        const auto logits = engine_->logits(sequence);
        EXPECT_LE(nmse({logits.begin(), logits.end()}, alone(list)), 1e-11) << "sequence " << sequence;
        EXPECT_EQ(engine_->position(sequence), static_cast<int64_t>(list.size()));
    }

    const TemporaryFolder folder_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    std::unique_ptr<Model> model_;
    std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, SequencesThatAreReadTogetherAreReadAsIfAlone) {
    const Tokens a = tokens(20, 1), b = tokens(33, 2), c = tokens(5, 3), a2 = tokens(1, 4), c2 = tokens(40, 5);
    const SequenceTokens prompts[] = {{2, c}, {0, a}, {1, b}};
    ASSERT_TRUE(engine_->read(prompts).ok());
    expect_as_alone(0, a);
    expect_as_alone(1, b);
    expect_as_alone(2, c);
    const SequenceTokens next[] = {{0, a2}, {2, c2}};
    ASSERT_TRUE(engine_->read(next).ok());
    expect_as_alone(0, both(a, a2));
    expect_as_alone(1, b);
    expect_as_alone(2, both(c, c2));
}

TEST_F(EngineTest, ASequenceStartsAgainBesideTheOthers) {
    const Tokens a = tokens(64, 1), b = tokens(30, 2), again = tokens(9, 3), b2 = tokens(2, 4);
    const SequenceTokens prompts[] = {{0, a}, {1, b}};
    ASSERT_TRUE(engine_->read(prompts).ok());
    engine_->truncate(0, 0);
    const SequenceTokens next[] = {{1, b2}, {0, again}};
    ASSERT_TRUE(engine_->read(next).ok());
    expect_as_alone(0, again);
    expect_as_alone(1, both(b, b2));
}

TEST_F(EngineTest, PagesLieInAnyOrderAndAreTakenAgain) {
    Tokens all[3];
    for (int32_t round = 0; round < 6; ++round)  // page by page in turns
        for (const int32_t s : {2, 0, 1}) {
            const Tokens more = tokens(21 + 3 * s, 7 * s + round);
            read({{s, more}});
            all[s] = both(all[s], more);
        }
    engine_->truncate(0, 70);
    all[0].resize(70);
    const Tokens last = tokens(60, 40), next = tokens(3, 41);
    read({{1, next}, {0, last}});
    all[0] = both(all[0], last), all[1] = both(all[1], next);
    for (int32_t s = 0; s < 3; ++s) expect_as_alone(s, all[s]);
}

/// The most probable token of each sequence, and its logits, for some steps: all sequences in a batch, or one by one.
TEST_F(EngineTest, GreedyTextsAreThoseOfSequencesAlone) {
    constexpr int64_t kSequences = 4, kSteps = 40;
    start({.ctx = kCtx, .n_sequences = kSequences, .cache_type = QL_F16});
    const auto generate = [&](bool together) {
        std::vector<Tokens> texts;
        for (int32_t s = 0; s < kSequences; ++s) {
            engine_->truncate(s, 0);
            texts.push_back(tokens(20 + 37 * s, s));
        }
        std::vector<Tokens> next = texts;
        for (int64_t step = 0; step < kSteps; ++step) {
            std::vector<SequenceTokens> batch;
            for (size_t s = 0; s < kSequences; ++s) {
                batch.push_back({static_cast<int64_t>(s), next[s]});
                if (!together) read({batch.back()});
            }
            if (together) read(batch);
            for (size_t s = 0; s < kSequences; ++s) {
                const auto logits = engine_->logits(static_cast<int64_t>(s));
                const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
                next[s] = {static_cast<int32_t>(best)};
                texts[s].push_back(next[s][0]);
            }
        }
        return texts;
    };
    EXPECT_EQ(generate(true), generate(false));
}

/// A plan's width decides which kernels multiply: in plans of one width a sequence gets the bits that it gets alone.
TEST_F(EngineTest, LogitsOfABatchAreThoseOfASequenceAloneBitForBitInPlansOfOneWidth) {
    const Tokens a = tokens(50, 1), b = tokens(70, 2), c = tokens(40, 3);  // 120 and 40: both up to 128
    read({{0, a}, {1, b}});
    read({{2, c}});
    const auto bits = [&](int64_t s) { return Logits(engine_->logits(s).begin(), engine_->logits(s).end()); };
    const Logits together[] = {bits(0), bits(1)};
    for (const int64_t s : {0, 1, 2}) engine_->truncate(s, 0);
    read({{2, b}});
    EXPECT_EQ(bits(2), together[1]);
    engine_->truncate(2, 0);
    read({{2, a}});
    EXPECT_EQ(bits(2), together[0]);
}

TEST_F(EngineTest, AForkGoesOnByItselfAndSoDoesWhatItBeganAs) {
    const Tokens begin = tokens(100, 1), a = tokens(9, 2), b = tokens(80, 3);
    read({{0, begin}});
    engine_->fork(0, 2);
    EXPECT_EQ(engine_->n_free_pages(), engine_->n_pages() - 2);
    expect_as_alone(2, begin);
    read({{0, a}, {2, b}});
    expect_as_alone(0, both(begin, a));
    expect_as_alone(2, both(begin, b));
}

/// Four times eight pages, of which seven are the same; the table has room for 20.
TEST_F(EngineTest, ABatchOfMorePagesThanATableHasRoomForIsReadInSeveralRuns) {
    start({.ctx = kMostCtx, .n_sequences = 4, .n_pages = 11, .cache_type = QL_F32});
    const Tokens begin = tokens(448, 1);
    read({{0, begin}});
    std::vector<Tokens> next;
    std::vector<SequenceTokens> batch;
    for (int32_t s = 0; s < 4; ++s) next.push_back(tokens(2 + s, 10 + s));
    for (int32_t s = 1; s < 4; ++s) engine_->fork(0, s);
    for (int64_t s = 0; s < 4; ++s) batch.push_back({s, next[static_cast<size_t>(s)]});
    read(batch);
    EXPECT_EQ(engine_->n_free_pages(), 0);
    for (int64_t s = 0; s < 4; ++s) expect_as_alone(s, both(begin, next[static_cast<size_t>(s)]));
}

TEST_F(EngineTest, ACacheWithoutRoomSaysSoAndLosesNothing) {
    start({.ctx = kCtx, .n_sequences = 3, .n_pages = 4, .cache_type = QL_F32});
    const Tokens a = tokens(100, 1), b = tokens(60, 2), more = tokens(40, 3), few = tokens(3, 4);
    read({{0, a}, {1, b}});
    const SequenceTokens too_much[] = {{1, more}, {2, few}, {0, few}};
    const Status s = engine_->read(too_much);
    EXPECT_EQ(s.code(), QL_NO_MEMORY);
    EXPECT_EQ(s.message(),
              "the cache is full: 2 more pages of 64 tokens are needed, 1 of 4 are free; end a sequence first, or make "
              "the cache larger");
    expect_as_alone(0, a);
    expect_as_alone(1, b);
    engine_->truncate(0, 64);
    read({{1, more}, {2, few}});
    expect_as_alone(1, both(b, more));
    expect_as_alone(2, few);
}

TEST_F(EngineTest, LogitsThatAreNotWantedAreNotThere) {
    const Tokens begin = tokens(7, 4), more = tokens(5, 1), a = both(begin, more), b = tokens(6, 2);
    read({{0, begin}});
    read({{.sequence = 0, .tokens = more, .logits = false}, {1, b}});
    EXPECT_TRUE(engine_->logits(0).empty());
    expect_as_alone(1, b);
    const Tokens next = tokens(1, 3);
    read({{0, next}});
    expect_as_alone(0, both(a, next));
}

TEST_F(EngineTest, ABatchThatCannotBeReadWholeIsNotRead) {
    const Tokens some = tokens(3, 1), many = tokens(201, 2), none, outside = {1, 2, 100000};
    const auto refused = [&](std::vector<SequenceTokens> batch, const char * message) {
        const Status s = engine_->read(batch);
        EXPECT_EQ(s.code(), QL_INVALID_ARGUMENT);
        EXPECT_NE(s.message().find(message), std::string::npos) << s.message();
        EXPECT_EQ(engine_->position(0) + engine_->position(1) + engine_->position(2), 0);
    };
    refused({{0, some}, {1, many}}, "201 tokens do not fit: 0 of the context of 200 are taken");
    refused({{0, some}, {1, none}}, "no tokens to read");
    refused({{0, some}, {1, outside}}, "token 100000 is outside the vocabulary");
    refused({{0, some}, {0, some}}, "sequence 0 is named twice");
    refused({{0, some}, {3, some}}, "sequence 3 is none of the engine's");
    refused({{0, some}, {-1, some}}, "sequence -1 is none of the engine's");
}

TEST_F(EngineTest, SaysWhatItCannotHold) {
    const auto refused = [&](const EngineOptions & options, const char * message) {
        const auto engine = Engine::create(*model_, device_.get(), {}, options);
        ASSERT_EQ(engine.code(), QL_INVALID_ARGUMENT);
        EXPECT_NE(engine.message().find(message), std::string::npos) << engine.message();
    };
    for (const int64_t n : {int64_t{0}, int64_t{-1}, int64_t{1} << 40})
        refused({.ctx = kCtx, .n_sequences = n}, "sequences: 1 to 8388607 are possible with a context of 200 tokens");
    for (const int64_t n : {-1, 13})
        refused({.ctx = kCtx, .n_sequences = 3, .n_pages = n},
                "pages: 1 to 12 are possible, which 3 sequences can fill");
    refused({.ctx = 513}, "context of 513 tokens: 1 to 512 are possible with this model");
    const std::vector<const Adapter *> many(65, nullptr);
    EXPECT_EQ(Engine::create(*model_, device_.get(), many, {.ctx = kCtx}).message(),
              "65 adapters, 0 to 64 are possible");
}

class EngineAdapters : public ::testing::Test {
  protected:
    using Factors = std::vector<float>;

    /// Small enough for the model still to give sensible logits.
    static Adapter adapter(float factor, const char * targets = "all") {
        Adapter made = filled(2, targets);
        for (LoraMatrix & m : made.matrices)
            for (float & b : m.b) b = 0.01f * factor * (b - 20);
        return made;
    }
    /// The logits after a text, computed with the training's branches and without a cache.
    Logits expected(const Factors & factors, const Tokens & list) const {
        std::vector<AppliedAdapter> applied;
        for (size_t i = 0; i < factors.size(); ++i)
            if (factors[i] != 0) applied.push_back({all_[i], factors[i]});
        GraphPtr graph;
        EXPECT_TRUE(ql_graph_create(out(graph)) == QL_OK);
        GraphBuilder b(llama(), graph.get());
        attach_adapters(b, applied, {});
        const auto n = static_cast<int64_t>(list.size());
        const StreamInputs in = b.start_stream(n);
        ql_tensor * logits = b.linear(llama().head().name, b.hidden());
        const auto plan = make_plan(graph, device_, {&logits, 1});
        EXPECT_TRUE(plan.ok()) << plan.message();
        Tokens positions, spans;
        for (int32_t i = 0; i < n; ++i) positions.push_back(i), spans.insert(spans.end(), {0, i + 1});
        EXPECT_TRUE(write_tensor(in.tokens, list).ok());
        EXPECT_TRUE(write_tensor(in.positions, positions).ok());
        EXPECT_TRUE(write_spans(in, spans).ok());
        EXPECT_EQ(ql_plan_run(plan->get()), QL_OK);
        Logits last(static_cast<size_t>(llama().hparams().n_vocab));
        EXPECT_TRUE(read_output(*plan, logits, last, last.size() * (list.size() - 1)).ok());
        return last;
    }
    void start(int64_t n_sequences) {
        auto made =
            Engine::create(llama(), device_.get(), all_, {.ctx = 64, .n_sequences = n_sequences, .cache_type = QL_F32});
        ASSERT_TRUE(made.ok()) << made.message();
        engine_ = std::move(made).value();
    }
    Logits logits(int64_t s) const { return {engine_->logits(s).begin(), engine_->logits(s).end()}; }

    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    const Adapter first_ = adapter(1), second_ = adapter(-2), attention_ = adapter(3, "attn");
    const std::vector<const Adapter *> all_{&first_, &second_, &attention_};
    std::unique_ptr<Engine> engine_;
};

/// None, one, several at once, one half: in a batch of a few tokens, of many in short runs, of many in long ones.
TEST_F(EngineAdapters, EachSequenceOfABatchHasItsOwn) {
    const std::vector<Factors> choices = {{0, 0, 0},  {1, 0, 0}, {0, 0.5f, 1}, {1, 0, 0},
                                          {0, -1, 0}, {1, 1, 1}, {0, 0, 2}};
    const auto n = static_cast<int64_t>(choices.size());
    for (const int32_t length : {1, 3, 7}) {
        start(n);
        std::vector<Tokens> texts;
        for (int64_t s = 0; s < n; ++s) {
            ASSERT_TRUE(engine_->set_factors(s, choices[static_cast<size_t>(s)]).ok());
            Tokens text;
            for (int32_t i = 0; i < length; ++i) text.push_back((5 + 9 * i + static_cast<int32_t>(s)) % 40);
            texts.push_back(text);
        }
        std::vector<Tokens> next = texts;
        for (int round = 0; round < 2; ++round) {
            std::vector<SequenceTokens> batch;
            for (int64_t s = 0; s < n; ++s) batch.push_back({s, next[static_cast<size_t>(s)]});
            ASSERT_TRUE(engine_->read(batch).ok());
            for (size_t s = 0; s < choices.size(); ++s) {
                if (round) texts[s].push_back(3);
                const Logits got = logits(static_cast<int64_t>(s));
                EXPECT_LE(nmse(got, expected(choices[s], texts[s])), 1e-10) << s << ", " << length;
                EXPECT_GE(nmse(got, expected(choices[(s + 1) % choices.size()], texts[s])), 1e-4) << s;
            }
            next.assign(choices.size(), {3});
        }
    }
}

TEST_F(EngineAdapters, AdaptersAreSwitchedBetweenRequests) {
    start(1);
    const Tokens text = {5, 9, 2, 7, 30, 11};
    for (const Factors & factors : std::vector<Factors>{{1, 0, 0}, {0, 1, 0}, {0, 0, 0}, {0.25f, 0, 1}, {1, 0, 0}}) {
        ASSERT_TRUE(engine_->set_factors(0, factors).ok());
        EXPECT_EQ(engine_->position(0), 0);
        EXPECT_TRUE(engine_->logits(0).empty());
        ASSERT_TRUE(engine_->read(std::vector<SequenceTokens>{{0, text}}).ok());
        EXPECT_LE(nmse(logits(0), expected(factors, text)), 1e-10);
    }
    ASSERT_TRUE(engine_->set_factors(0, Factors{1, 0, 0}).ok());
    EXPECT_EQ(engine_->position(0), 6) << "the same factors forget nothing";
}

/// An adapter that no token has is not computed: whatever it holds, it changes no bit.
TEST_F(EngineAdapters, AnAdapterThatIsSwitchedOffChangesNoBit) {
    const Tokens text = {5, 9, 2, 7, 30, 11}, next = {3};
    const auto read = [&](std::vector<const Adapter *> list, const Factors & factors) {
        auto engine = Engine::create(llama(), device_.get(), list, {.ctx = 64, .cache_type = QL_F32});
        EXPECT_TRUE(engine.ok() && (*engine)->set_factors(0, factors).ok());
        Logits all;
        for (const Tokens & part : {text, next}) {
            EXPECT_TRUE((*engine)->read(std::vector<SequenceTokens>{{0, part}}).ok());
            all.insert(all.end(), (*engine)->logits(0).begin(), (*engine)->logits(0).end());
        }
        return all;
    };
    Adapter damaged = first_;
    for (LoraMatrix & m : damaged.matrices) m.b[0] = NAN;
    EXPECT_EQ(read({&damaged, &second_, &attention_}, {0, 1, 0}), read({&second_}, {1}));
    EXPECT_EQ(read({&damaged}, {0}), read({}, {}));
}

TEST_F(EngineAdapters, WhatASequenceReadGoesWhereItsAdaptersChange) {
    start(2);
    const Tokens text = {5, 9, 2};
    ASSERT_TRUE(engine_->set_factors(0, Factors{1, 0, 0}).ok());
    ASSERT_TRUE(engine_->read(std::vector<SequenceTokens>{{0, text}}).ok());
    engine_->fork(0, 1);
    ASSERT_TRUE(engine_->set_factors(1, Factors{1, 0, 0}).ok());
    EXPECT_EQ(engine_->position(1), 3) << "a fork has the adapters, too";
    ASSERT_TRUE(engine_->set_factors(1, Factors{1, 0.5f, 0}).ok());
    EXPECT_EQ(engine_->position(1), 0);
    EXPECT_EQ(engine_->position(0), 3);
}

TEST_F(EngineAdapters, FactorsThatDoNotFitChangeNothing) {
    start(1);
    const Tokens text = {5, 9, 2};
    ASSERT_TRUE(engine_->read(std::vector<SequenceTokens>{{0, text}}).ok());
    EXPECT_EQ(engine_->set_factors(0, Factors{1, 0}).message(), "2 factors for 3 adapters");
    EXPECT_EQ(engine_->set_factors(1, Factors{1, 0, 0}).message(), "sequence 1 is none of the engine's");
    for (const float bad : {NAN, INFINITY})
        EXPECT_EQ(engine_->set_factors(0, Factors{1, bad, 0}).message(),
                  format("adapter 1: its scale is %g, -1e+06 to 1e+06 are possible", static_cast<double>(bad)));
    EXPECT_EQ(engine_->position(0), 3);
}

}  // namespace
}  // namespace ql::test
