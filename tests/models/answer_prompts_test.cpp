// Many prompts answered side by side: each answer is what it is alone, whoever its neighbours, threads and memory are.
#include "models/infer/answer_prompts.hpp"

#include <algorithm>
#include <fstream>
#include <map>

#include "models/golden.hpp"
#include "models/infer/generate.hpp"
#include "models/infer/session.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using Tokens = std::vector<int32_t>;

/// An answer down to its bits.
struct Said {
    std::string text;
    std::vector<std::pair<int32_t, float>> top;  // two at each place
    int64_t n_generated = 0;
    int end = -1;
    bool operator==(const Said &) const = default;
};
void PrintTo(const Said & s, std::ostream * out) {
    *out << s.n_generated << " tokens, end " << s.end << ": " << s.text;
}

class AnswerPrompts : public ::testing::Test {
  protected:
    static constexpr uint64_t kMiB = 1024 * 1024;
    /// 19 MB of weights.
    void SetUp() override {
        TinyModelOptions wide;
        wide.n_layer = 6, wide.n_embd = 256, wide.n_ff = 768, wide.n_ctx = 2048;
        auto model = open_model(write_tiny_model(folder_.path("wide.gguf"), wide),
                                {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
        for (int32_t i = 0; i < 13; ++i) tokens_.push_back(some_tokens(lengths_[static_cast<size_t>(i)], i));
        options_.ctx = 200;
        options_.n_top = 2;
        ql_sampling_init(&options_.sampling);
        options_.sampling.temperature = 0;
        options_.sampling.repeat_penalty = 1.3;
    }
    static Tokens some_tokens(int32_t n, int32_t seed) {
        Tokens list;
        for (int32_t i = 0; i < n; ++i) list.push_back((i * 37 + 11 * seed + 5) % 256);
        return list;
    }
    std::vector<Prompt> prompts() const {
        std::vector<Prompt> list;
        for (size_t i = 0; i < tokens_.size(); ++i) list.push_back({tokens_[i], n_predict_[i]});
        return list;
    }

    Status answer(std::span<const Prompt> list, std::vector<Said> & said, int threads = 1,
                  std::span<const AppliedAdapter> adapters = {}) {
        const DevicePtr device(open_cpu(compute_, threads));
        said.assign(list.size(), {});
        order_.clear();
        AnswerOptions o = options_;
        o.on_token = [&](int64_t prompt, const ql_generated & t) {
            Said & s = said[static_cast<size_t>(prompt)];
            for (int i = 0; i < t.n_top; ++i) s.top.push_back({t.top[i].id, t.top[i].logprob});
            return options_.on_token && options_.on_token(prompt, t);
        };
        o.on_answer = [&](int64_t prompt, const GrowingAnswer & a) {
            Said & s = said[static_cast<size_t>(prompt)];
            s.text = a.text(), s.n_generated = a.n_generated(), s.end = a.end();
            order_.push_back(prompt);
            return options_.on_answer ? options_.on_answer(prompt, a) : Status();
        };
        o.on_plan = [&](const ql_inference_info & info) { return plan_ = info, Status(); };
        return answer_prompts(*model_, device.get(), adapters, list, o);
    }
    std::vector<Said> answers(std::span<const Prompt> list, int threads = 1,
                              std::span<const AppliedAdapter> adapters = {}) {
        std::vector<Said> said;
        const Status s = answer(list, said, threads, adapters);
        EXPECT_TRUE(s.ok()) << s.message();
        return said;
    }
    std::vector<Said> answers() { return answers(prompts()); }

    /// What a session says.
    Said of_session(const Prompt & prompt, std::span<const AppliedAdapter> adapters = {}) const {
        const DevicePtr device(open_cpu(compute_, 1));
        auto s = Session::create(*model_, device.get(), adapters, options_.ctx, options_.cache_type);
        EXPECT_TRUE(s.ok()) << s.message();
        Said said;
        ql_generate_options o;
        ql_generate_options_init(&o);
        o.n_predict = prompt.n_predict, o.n_top = options_.n_top, o.sampling = options_.sampling, o.user = &said;
        o.on_token = [](void * user, const ql_generated * t) {
            auto & to = *static_cast<Said *>(user);
            for (int i = 0; i < t->n_top; ++i) to.top.push_back({t->top[i].id, t->top[i].logprob});
            return 0;
        };
        const auto made = generate(**s, prompt.tokens, o);
        EXPECT_TRUE(made.ok()) << made.message();
        said.text = made->text, said.n_generated = made->n_generated;
        said.end = made->ended                             ? QL_ANSWER_TURN
                   : made->n_generated == prompt.n_predict ? QL_ANSWER_LENGTH
                                                           : QL_ANSWER_CONTEXT;
        return said;
    }
    /// What the refusal of a byte says, in bytes.
    uint64_t least() {
        std::vector<Said> none;
        options_.memory = 1;
        const Status refused = answer(prompts(), none);
        EXPECT_EQ(refused.code(), QL_NO_MEMORY);
        const size_t at = refused.message().find("at least ");
        if (at == refused.message().npos) return ADD_FAILURE() << refused.message(), 0;
        return std::stoull(refused.message().substr(at + 9)) * kMiB;
    }

    const std::vector<int32_t> lengths_ = {20, 1, 70, 5, 199, 3, 33, 130, 8, 2, 64, 100, 12};
    const std::vector<int64_t> n_predict_ = {30, 12, 9, -1, 5, 0, 25, 1, 40, 17, 8, 60, 4};
    const TemporaryFolder folder_;
    ql_compute compute_ = QL_COMPUTE_F32;
    std::unique_ptr<Model> model_;
    std::vector<Tokens> tokens_;
    AnswerOptions options_;
    std::vector<int64_t> order_;
    ql_inference_info plan_{};
};

TEST_F(AnswerPrompts, OneAtATimeSayWhatASessionSays) {
    options_.n_at_once = 1;
    for (const ql_compute compute : {QL_COMPUTE_F32, QL_COMPUTE_AUTO})
        for (const ql_dtype cache : {QL_F16, QL_F32}) {
            compute_ = compute, options_.cache_type = cache;
            const std::vector<Said> said = answers();
            for (size_t i = 0; i < said.size(); ++i) EXPECT_EQ(said[i], of_session(prompts()[i])) << i;
        }
}

TEST_F(AnswerPrompts, EightAtOnceSayTheSameInF32) {
    options_.cache_type = QL_F32;
    const std::vector<Said> said = answers();
    EXPECT_EQ(plan_.sequences, 8);
    for (size_t i = 0; i < said.size(); ++i) {
        const Said alone = of_session(prompts()[i]);
        EXPECT_EQ(said[i].text, alone.text) << i;
        EXPECT_EQ(said[i].n_generated, alone.n_generated) << i;
        EXPECT_EQ(said[i].end, alone.end) << i;
    }
}

TEST_F(AnswerPrompts, AnAnswerDoesNotDependOnItsNeighboursBitForBit) {
    for (const ql_compute compute : {QL_COMPUTE_F32, QL_COMPUTE_AUTO}) {
        compute_ = compute;
        const std::vector<Said> said = answers();
        EXPECT_EQ(answers(prompts(), 3), said) << "threads";
        const std::vector<Prompt> all = prompts();
        for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(answers({&all[i], 1})[0], said[i]) << i;
        std::vector<Prompt> back(all.rbegin(), all.rend());
        std::vector<Said> other = answers(back);
        std::reverse(other.begin(), other.end());
        EXPECT_EQ(other, said);
    }
}

TEST_F(AnswerPrompts, MemoryDecidesHowManyGrowAndChangesNoBit) {
    compute_ = QL_COMPUTE_AUTO;
    const std::vector<Said> expected = answers();
    const uint64_t whole = plan_.planned_peak_bytes, smallest = least() + kMiB;
    EXPECT_EQ(plan_.sequences, 8);
    ASSERT_LT(smallest + 8 * kMiB, whole);
    std::map<int64_t, uint64_t> read;
    for (const double part : {0.0, 0.1, 0.25, 0.5, 0.8, 3.0}) {
        options_.memory = smallest + static_cast<uint64_t>(part * static_cast<double>(whole - smallest));
        EXPECT_EQ(answers(prompts(), part > 0.2 ? 3 : 1), expected) << options_.memory;
        EXPECT_LE(plan_.planned_peak_bytes, options_.memory);
        read[plan_.sequences] = plan_.read_bytes_per_pass;
    }
    EXPECT_LT(read.begin()->first, 8) << "there is a budget with room for fewer";
    EXPECT_GT(read.begin()->second, 0u);
    EXPECT_EQ(read.rbegin()->first, 8);
}

TEST_F(AnswerPrompts, AreHandedOutInTheOrderOfThePrompts) {
    answers();
    std::vector<int64_t> order(tokens_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    EXPECT_EQ(order_, order);
}

/// A pass a prompt, and then one for a token of each of eight.
TEST_F(AnswerPrompts, ShareEachPass) {
    const std::vector<Prompt> list(16, Prompt{tokens_[0], 5});
    int passes = 0;
    options_.cancelled = [&] { return ++passes, false; };
    for (const Said & s : answers(list)) ASSERT_EQ(s.end, QL_ANSWER_LENGTH);
    EXPECT_EQ(passes, 16 + 2 * 4);
    options_.n_at_once = 1, passes = 0;
    answers(list);
    EXPECT_EQ(passes, 16 + 16 * 4);
}

/// One of 20 tokens and seven of 2, of which each makes room for the next.
TEST_F(AnswerPrompts, TheNextTakesThePlaceOfOneThatHasEnded) {
    std::vector<Prompt> list(20, Prompt{tokens_[0], 2});
    list[3].n_predict = 20;
    int passes = 0;
    options_.cancelled = [&] { return ++passes, false; };
    ASSERT_EQ(answers(list)[3].n_generated, 20);
    EXPECT_EQ(passes, 20 + 19);
}

uint64_t bytes_read_by_process() {
    std::ifstream io("/proc/self/io");
    for (std::string key; io >> key;)
        if (uint64_t n = 0; key == "rchar:" && io >> n) return n;
    return 0;
}

/// Four more tokens of 16 answers are four more passes for each eight of them, and each pass reads the weights once.
TEST_F(AnswerPrompts, ReadTheWeightsOnceForAllThatGrow) {
    if (bytes_read_by_process() == 0) GTEST_SKIP() << "the system does not say what was read";
    options_.memory = least() + 5 * kMiB;  // eight have room
    const auto bytes_of = [&](int64_t n_predict) {
        const std::vector<Prompt> list(16, Prompt{tokens_[3], n_predict});
        const uint64_t before = bytes_read_by_process();
        for (const Said & s : answers(list)) EXPECT_EQ(s.n_generated, n_predict);
        return static_cast<double>(bytes_read_by_process() - before);
    };
    int tries = 0;
    for (const auto & [at_once, passes] : {std::pair{8, 2 * 4}, {1, 16 * 4}}) {
        options_.n_at_once = at_once;
        double few = 0, more = 0, of_pass = 0;
        for (uint64_t of_few = 1; static_cast<double>(of_few) != of_pass;) {  // what the process itself takes varies
            few = bytes_of(2), of_few = plan_.read_bytes_per_pass;
            more = bytes_of(6), of_pass = static_cast<double>(plan_.read_bytes_per_pass);
            ASSERT_LT(++tries, 20) << "plans of one budget read " << of_few << " and " << of_pass << " bytes a pass";
        }
        EXPECT_EQ(plan_.sequences, at_once);
        ASSERT_GT(of_pass, 4 * kMiB);
        EXPECT_NEAR(more - few, passes * of_pass, 0.06 * passes * of_pass);
    }
}

TEST_F(AnswerPrompts, EachHasRandomNumbersOfItsOwn) {
    options_.sampling.temperature = 1.5;
    options_.sampling.top_k = 0, options_.sampling.top_p = 1, options_.sampling.min_p = 0;
    const std::vector<Prompt> same(9, Prompt{tokens_[2], 12});
    const std::vector<Said> said = answers(same);
    for (size_t i = 1; i < said.size(); ++i) EXPECT_NE(said[i].text, said[0].text) << i;
    EXPECT_EQ(answers(same), said) << "the seed gives them again";
    std::vector<Prompt> others = prompts();
    others[5] = same[5];
    EXPECT_EQ(answers(others)[5], said[5]) << "by number, whatever stands before it";
    options_.n_at_once = 1;
    EXPECT_EQ(answers(same)[0], of_session(same[0])) << "the first has a session's";
    options_.sampling.seed += 1;
    EXPECT_NE(answers(same)[1].text, said[1].text);
}

TEST_F(AnswerPrompts, EndWhereTheCallbackSays) {
    const std::vector<Prompt> list(3, Prompt{tokens_[0], 30});
    int64_t seen = 0;
    options_.on_token = [&](int64_t prompt, const ql_generated &) { return prompt == 1 && ++seen == 4; };
    const std::vector<Said> said = answers(list);
    EXPECT_EQ(said[1].end, QL_ANSWER_STOPPED);
    EXPECT_EQ(said[1].n_generated, 4);
    EXPECT_EQ(said[0].n_generated, 30);
    EXPECT_TRUE(said[0].text.starts_with(said[1].text));
}

TEST_F(AnswerPrompts, StopWhereTheyAreAskedTo) {
    std::vector<Said> said;
    int passes = 0;
    options_.cancelled = [&] { return ++passes == 20; };
    const Status asked = answer(prompts(), said);
    EXPECT_EQ(asked.code(), QL_CANCELLED) << asked.message();
    EXPECT_EQ(passes, 20);
    options_.cancelled = {};
    options_.on_answer = [](int64_t prompt, const GrowingAnswer &) {
        return prompt < 2 ? Status() : error(QL_CANCELLED, "enough");
    };
    EXPECT_EQ(answer(prompts(), said).message(), "enough");
    EXPECT_EQ(order_.size(), 3u);
}

TEST_F(AnswerPrompts, OnesThatCannotBeAskedAreRefusedBeforeAnyRuns) {
    const Tokens outside = {1, 2, 256000}, negative = {-1}, long_one(201, 7);
    const auto refused = [&](std::span<const int32_t> bad, const char * message) {
        std::vector<Prompt> list(3, Prompt{tokens_[0], 3});
        list.push_back({bad, 3});
        std::vector<Said> said;
        const Status s = answer(list, said);
        EXPECT_EQ(s.code(), QL_INVALID_ARGUMENT);
        EXPECT_EQ(s.message(), message);
        EXPECT_TRUE(order_.empty());
        EXPECT_EQ(said[0].top.size(), 0u);
    };
    refused({}, "prompt 3: it has no tokens");
    refused(long_one, "prompt 3: it makes 201 tokens, the context holds 200; choose a larger one (-c)");
    const std::string vocabulary = std::to_string(model_->hparams().n_vocab);
    refused(outside, ("prompt 3: token 256000 is outside the vocabulary of " + vocabulary).c_str());
    refused(negative, ("prompt 3: token -1 is outside the vocabulary of " + vocabulary).c_str());
    for (const int64_t n : {0, 65}) {
        options_.n_at_once = n;
        std::vector<Said> said;
        EXPECT_EQ(answer(prompts(), said).message(), std::to_string(n) + " answers at once: 1 to 64 are possible");
    }
    options_.n_at_once = 8;
    EXPECT_TRUE(answers({}).empty());
}

/// Of every kind that an engine alone does not take.
TEST_F(AnswerPrompts, AllKindsOfAdaptersApply) {
    LoraOptions plain, dora, activated;
    dora.kind = LoraKind::dora;
    activated.invocation = "the";
    for (const LoraOptions & kind : {plain, dora, activated}) {
        auto made = new_adapter(*model_, kind);
        ASSERT_TRUE(made.ok()) << made.message();
        Adapter & adapter = *made;
        for (LoraMatrix & m : adapter.matrices)
            for (size_t i = 0; i < m.b.size(); ++i) m.b[i] = static_cast<float>(i % 17) * 0.01f - 0.05f;
        for (size_t i = 0; i < tokens_.size(); i += 2)  // an invocation in some
            if (!adapter.invocation.empty() && tokens_[i].size() > 4)
                std::copy(adapter.invocation.begin(), adapter.invocation.end(), tokens_[i].begin() + 2);
        const AppliedAdapter applied[] = {{&adapter, 0.7f}};
        options_.n_at_once = 1;
        const std::vector<Said> ones = answers(prompts(), 1, applied);
        for (size_t i = 0; i < ones.size(); ++i) EXPECT_EQ(ones[i], of_session(prompts()[i], applied)) << i;
        EXPECT_NE(ones, answers());
        options_.n_at_once = 8;
        const std::vector<Said> said = answers(prompts(), 1, applied);
        EXPECT_EQ(plan_.sequences, adapter.invocation.empty() ? 8 : 1);
        const std::vector<Prompt> all = prompts();
        for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(answers({&all[i], 1}, 1, applied)[0], said[i]) << i;
    }
}

}  // namespace
}  // namespace ql::test
