#include "examples/finetune/samples.hpp"

#include <algorithm>
#include <utility>

#include "ql/generate.h"
#include "ql/os.h"
#include "tools/cli/device_options.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr double kLeastSeconds = 0.05;  // less is not worth the beginning

/// Asked between tokens and between pieces of a prompt.
struct Until {
    double end;
    bool is_over() const { return g_interrupt != 0 || ql_os_seconds() > end; }
};

}  // namespace

void Samples::choose(bool has_budget) {
    if (!in_.eval) return board_.note_samples("There is no held-out data: --eval-split or --eval-data gives some.");
    if (has_budget) return board_.note_samples("None within a budget (--memory): they would take memory beside it.");
    auto info = sized<ql_dataset_info>();
    check_run(ql_dataset_describe(in_.eval.get(), &info));
    const int64_t n = info.n_samples, most = std::min(kPrompts, n);
    for (int64_t i = 0; i < most; ++i) take((2 * i + 1) * n / (2 * most));
    if (prompts_.empty()) return board_.note_samples("The held-out data holds no questions with answers.");
    board_.set_prompts(shown_);
    counted_ = ql_os_seconds();
}

/// False: the sample has no question, or one that leaves no room for an answer.
bool Samples::take(int64_t sample) {
    const char *prompt = nullptr, *answer = nullptr;
    const int32_t * tokens = nullptr;
    int64_t n = 0;
    if (ql_dataset_prompt(in_.eval.get(), sample, &prompt, &answer) != QL_OK) return false;
    BoardPrompt shown{prompt, answer};
    if (ql_dataset_prompt_tokens(in_.eval.get(), sample, &tokens, &n) != QL_OK) return false;
    const int64_t n_ctx = ModelOptions::describe(in_.model).n_ctx;
    if (n < 1 || n >= n_ctx) return false;
    prompts_.push_back({{tokens, tokens + n}});
    shown_.push_back(std::move(shown));
    ctx_ = std::max(ctx_, std::min(n + kTokens, n_ctx));
    return true;
}

double Samples::allowed() {
    const double now = ql_os_seconds();
    left_ += kShare * (now - counted_);
    counted_ = now;
    return left_;
}

SessionPtr Samples::open_session() const {
    auto options = defaults<ql_session_options>();
    const ql_adapter * adapters[] = {in_.adapter.get()};
    options.ctx = ctx_, options.adapters = adapters, options.n_adapters = 1;
    options.cache_type = QL_F32;  // no model overflows it
    SessionPtr session;
    check_run(ql_session_create(in_.model.get(), in_.device.get(), &options, out(session)));
    return session;
}

void Samples::tell_memory(const SessionPtr & session) {
    if (std::exchange(has_answered_, true)) return;
    auto info = sized<ql_inference_info>();
    check_run(ql_session_describe(session.get(), &info));
    const uint64_t bytes = info.adapter_bytes + info.cache_bytes + info.activation_bytes + info.input_bytes;
    board_.note_samples(format("Up to %lld tokens each, greedy; %s of memory beside the plan while they are made.",
                               static_cast<long long>(kTokens), print_size(bytes).c_str()));
}

void Samples::answer(int64_t step) {
    if (prompts_.empty() || g_interrupt != 0) return;
    const double seconds = allowed(), start = ql_os_seconds();
    if (seconds < kLeastSeconds)
        return board_.note_samples(
            "Evaluations come so often that some are without samples: these take 0.5 % of the time at most.");
    try {
        const SessionPtr session = open_session();
        BoardRound round{step, {}};
        for (size_t i = 0; i < prompts_.size(); ++i) {
            const double rest = start + seconds - ql_os_seconds();
            const double share = rest / static_cast<double>(prompts_.size() - i);
            round.answers.push_back(answer_one(session, prompts_[i], ql_os_seconds() + share));
        }
        tell_memory(session);
        if (g_interrupt == 0) board_.add_round(std::move(round));
    } catch (const Stop & stop) {
        give_up(stop.message);
    }
    const double took = ql_os_seconds() - start;
    left_ -= took, spent_ += took;
}

BoardAnswer Samples::answer_one(const SessionPtr & session, const Prompt & prompt, double until) const {
    Until limit{until};
    auto options = defaults<ql_generate_options>();
    options.n_predict = kTokens;
    options.sampling.temperature = 0;
    options.user = &limit;
    options.on_token = [](void * user, const ql_generated *) { return static_cast<Until *>(user)->is_over() ? 1 : 0; };
    options.cancelled = [](void * user) { return static_cast<Until *>(user)->is_over() ? 1 : 0; };
    auto result = sized<ql_generate_result>();
    ql_session_reset(session.get());
    const Status status =
        ql_generate(session.get(), prompt.tokens.data(), static_cast<int64_t>(prompt.tokens.size()), &options, &result);
    if (status.code() == QL_CANCELLED) return {"", true};
    check_run(status);
    return {result.text, result.ended == 0};
}

void Samples::give_up(const std::string & why) {
    prompts_.clear();
    board_.note_samples("No further ones: " + why);
}

}  // namespace ql::cli
