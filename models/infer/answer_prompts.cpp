#include "models/infer/answer_prompts.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "models/infer/session.hpp"

namespace ql {
namespace {

AnswerRules rules_of(const AnswerOptions & o, const Prompt & prompt, int64_t number) {
    return {prompt.n_predict, o.ctx, o.n_top, o.sampling, number};
}

Status check_prompt(const Model & model, const AnswerOptions & o, const Prompt & prompt, size_t i) {
    const size_t n = prompt.tokens.size();
    if (n == 0) return error(QL_INVALID_ARGUMENT, "prompt %zu: it has no tokens", i);
    if (std::ssize(prompt.tokens) > o.ctx)
        return error(QL_INVALID_ARGUMENT,
                     "prompt %zu: it makes %zu tokens, the context holds %lld; choose a larger one (-c)", i, n,
                     static_cast<long long>(o.ctx));
    for (const int32_t t : prompt.tokens)
        if (t < 0 || t >= model.hparams().n_vocab)
            return error(QL_INVALID_ARGUMENT, "prompt %zu: token %d is outside the vocabulary of %lld", i, t,
                         static_cast<long long>(model.hparams().n_vocab));
    return {};
}

Status check(const Model & model, std::span<const Prompt> prompts, const AnswerOptions & o) {
    if (o.ctx < 1 || o.ctx > model.hparams().n_ctx)
        return error(QL_INVALID_ARGUMENT, "context of %lld tokens: 1 to %lld are possible with this model",
                     static_cast<long long>(o.ctx), static_cast<long long>(model.hparams().n_ctx));
    if (o.n_at_once < 1 || o.n_at_once > kMostAnswersAtOnce)
        return error(QL_INVALID_ARGUMENT, "%lld answers at once: 1 to %lld are possible",
                     static_cast<long long>(o.n_at_once), static_cast<long long>(kMostAnswersAtOnce));
    QL_TRY(check_rules(model, rules_of(o, {}, 0)));
    for (size_t i = 0; i < prompts.size(); ++i) QL_TRY(check_prompt(model, o, prompts[i], i));
    return {};
}

/// The most tokens of a prompt and its answer that are read; what is chosen last is not.
int64_t tokens_of(const Prompt & prompt, int64_t ctx) {
    const auto n = std::ssize(prompt.tokens);
    if (prompt.n_predict < 0 || prompt.n_predict > ctx - n) return ctx;
    return n + std::max<int64_t>(prompt.n_predict - 1, 0);
}

/// What the answers need of the cache.
struct Needs {
    int64_t ctx = 1;             // of the longest
    std::vector<int64_t> pages;  // of each, the most first

    Needs(std::span<const Prompt> prompts, int64_t most) {
        for (const Prompt & p : prompts) {
            ctx = std::max(ctx, tokens_of(p, most));
            pages.push_back(pages_of(tokens_of(p, most)));
        }
        std::sort(pages.rbegin(), pages.rend());
    }
    /// Of any so many of the prompts together.
    int64_t pages_for(int64_t n) const {
        return std::accumulate(pages.begin(), pages.begin() + std::min<int64_t>(n, std::ssize(pages)), int64_t{0});
    }
};

/// Where an activated LoRA acts on some of the tokens of a pass and not on others, another kernel multiplies: its answers
/// would depend on their neighbours.
bool takes_one(std::span<const AppliedAdapter> adapters) {
    return std::any_of(adapters.begin(), adapters.end(),
                       [](const AppliedAdapter & a) { return !a.adapter->invocation.empty(); });
}

class Answering {
  public:
    Answering(const Model & model, std::span<const AppliedAdapter> adapters, std::span<const Prompt> prompts,
              const AnswerOptions & options)
        : model_(model),
          adapters_(adapters),
          prompts_(prompts),
          options_(options),
          needs_(prompts, options.ctx),
          width_(takes_one(adapters) ? 1 : options.n_at_once),
          slots_(static_cast<size_t>(width_)) {}

    Status open(ql_device * device);
    Status run();

  private:
    /// A sequence of the session, and the answer that grows in it.
    struct Slot {
        int64_t prompt = 0, pages = 0;
        std::optional<GrowingAnswer> answer;
    };

    Status make(ql_device * device, int64_t n);
    Result<int64_t> make_at_most(ql_device * device, int64_t n);
    Result<int64_t> make_most(ql_device * device);
    Result<int64_t> make_best(ql_device * device);
    int64_t sequence_of(const Slot & slot) const { return &slot - slots_.data(); }
    const Prompt & prompt(int64_t i) const { return prompts_[static_cast<size_t>(i)]; }
    int64_t n_prompts() const { return std::ssize(prompts_); }
    Slot * free_slot();
    Status begin();
    Status begin(Slot & slot);
    Status go_on();
    Status choose(Slot & slot);
    Status end(Slot & slot);
    Status hand_out();

    const Model & model_;
    const std::span<const AppliedAdapter> adapters_;
    const std::span<const Prompt> prompts_;
    const AnswerOptions & options_;
    const Needs needs_;
    const int64_t width_;  // answers that a pass has room for
    std::unique_ptr<Session> session_;
    int64_t free_pages_ = 0;
    std::vector<Slot> slots_;
    int64_t begun_ = 0, handed_out_ = 0;
    std::map<int64_t, GrowingAnswer> ended_;  // that wait for one before them
};

/// A session with a cache for n answers. It has as many sequences as a pass has room for, in any case: they decide the kernels.
Status Answering::make(ql_device * device, int64_t n) {
    session_.reset();
    QL_ASSIGN(session_, Session::create(model_, device, adapters_,
                                        {.ctx = needs_.ctx,
                                         .n_sequences = width_,
                                         .n_pages = needs_.pages_for(n),
                                         .cache_type = options_.cache_type,
                                         .memory = options_.memory,
                                         .least_width = width_}));
    return {};
}

/// The same for n or fewer; what a process holds by chance decides at the border.
Result<int64_t> Answering::make_at_most(ql_device * device, int64_t n) {
    Status made = make(device, n);
    while (made.code() == QL_NO_MEMORY && n > 1) made = make(device, --n);
    QL_TRY(made);
    return n;
}

/// The most answers for whose cache the budget has room.
Result<int64_t> Answering::make_most(ql_device * device) {
    int64_t fit = 0, most = std::min(width_, n_prompts());
    Status refused;
    for (int64_t n = most; fit < most; n = (fit + most + 1) / 2) {
        const Status made = make(device, n);
        if (!made.ok() && (made.code() != QL_NO_MEMORY || options_.memory == 0)) return made;
        if (made.ok())
            fit = n;
        else
            most = n - 1, refused = made;
    }
    if (fit == 0) return refused;  // of one
    return session_ ? Result<int64_t>(fit) : make_at_most(device, fit);
}

/// Fewer where keys and values would take room in which all of the weights could stay: then no pass waits for the disk.
Result<int64_t> Answering::make_best(ql_device * device) {
    QL_ASSIGN(const int64_t most, make_most(device));
    const ql_inference_info info = session_->describe();
    const uint64_t of_two = info.cache_bytes / static_cast<uint64_t>(most) * 2;
    if (info.read_bytes_per_pass == 0 || info.read_bytes_per_pass + of_two > info.cache_bytes) return most;
    for (int64_t n = most / 2; n >= 2; n /= 2) {
        QL_TRY(make(device, n));
        if (session_->describe().read_bytes_per_pass == 0) return n;
    }
    return make_at_most(device, most);
}

Status Answering::open(ql_device * device) {
    QL_ASSIGN(const int64_t n, make_best(device));
    free_pages_ = needs_.pages_for(n);
    if (!options_.on_plan) return {};
    ql_inference_info info = session_->describe();
    info.sequences = n;
    return options_.on_plan(info);
}

Answering::Slot * Answering::free_slot() {
    const auto slot = std::find_if(slots_.begin(), slots_.end(), [](const Slot & s) { return !s.answer; });
    return slot != slots_.end() ? &*slot : nullptr;
}

/// Begins answers while there is room, for all that they may need: none waits for another half way.
Status Answering::begin() {
    for (Slot * slot = free_slot(); slot && begun_ < n_prompts(); slot = free_slot()) {
        slot->pages = pages_of(tokens_of(prompt(begun_), options_.ctx));
        if (slot->pages > free_pages_) return {};
        slot->prompt = begun_++;
        QL_TRY(begin(*slot));
    }
    return {};
}

Status Answering::begin(Slot & slot) {
    const Prompt & p = prompt(slot.prompt);
    free_pages_ -= slot.pages;
    const auto on_token = [this, i = slot.prompt](const ql_generated & token) {
        return options_.on_token && options_.on_token(i, token);
    };
    slot.answer.emplace(model_, rules_of(options_, p, slot.prompt), on_token);
    if (slot.answer->has_ended()) return end(slot);  // none was wanted
    const SequenceTokens part[] = {{.sequence = sequence_of(slot), .tokens = p.tokens}};
    QL_TRY(session_->eval(part, options_.cancelled));
    return choose(slot);
}

/// The next token of every answer.
Status Answering::go_on() {
    std::vector<int32_t> tokens(slots_.size());
    std::vector<SequenceTokens> batch;
    for (const Slot & slot : slots_) {
        if (!slot.answer) continue;
        int32_t & token = tokens[static_cast<size_t>(sequence_of(slot))];
        token = slot.answer->token();
        batch.push_back({.sequence = sequence_of(slot), .tokens = {&token, 1}});
    }
    if (batch.empty()) return {};
    QL_TRY(session_->eval(batch, options_.cancelled));
    for (Slot & slot : slots_)
        if (slot.answer) QL_TRY(choose(slot));
    return {};
}

Status Answering::choose(Slot & slot) {
    const int64_t sequence = sequence_of(slot);
    const Status chosen = slot.answer->choose(session_->logits(sequence), session_->tokens(sequence));
    if (!chosen.ok())
        return error(chosen.code(), "prompt %lld: %s", static_cast<long long>(slot.prompt), chosen.message().c_str());
    return slot.answer->has_ended() ? end(slot) : Status();
}

Status Answering::end(Slot & slot) {
    ended_.emplace(slot.prompt, std::move(*slot.answer));
    slot.answer.reset();
    free_pages_ += slot.pages;
    session_->truncate(0, sequence_of(slot));
    return model_.check_files();
}

Status Answering::hand_out() {
    for (auto next = ended_.find(handed_out_); next != ended_.end(); next = ended_.find(handed_out_)) {
        if (options_.on_answer) QL_TRY(options_.on_answer(handed_out_, next->second));
        ended_.erase(next);
        ++handed_out_;
    }
    return {};
}

Status Answering::run() {
    while (handed_out_ < n_prompts()) {
        QL_TRY(begin());
        QL_TRY(hand_out());
        QL_TRY(go_on());
        QL_TRY(hand_out());
    }
    return {};
}

}  // namespace

Status answer_prompts(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                      std::span<const Prompt> prompts, const AnswerOptions & options) {
    QL_TRY(check(model, prompts, options));
    if (prompts.empty()) return {};
    Answering answering(model, adapters, prompts, options);
    QL_TRY(answering.open(device));
    return answering.run();
}

}  // namespace ql
