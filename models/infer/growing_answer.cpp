#include "models/infer/growing_answer.hpp"

#include <cmath>

#include "models/infer/sampling.hpp"

namespace ql {
namespace {

constexpr size_t kPenaltyWindow = 64;

Status not_finite(const Model & model) {
    QL_TRY(model.check_files());
    return error(
        QL_NON_FINITE,
        "generation: the logits are not finite: the model's weights are damaged, or a key or a value is beyond "
        "65504, which the cache of f16 cannot hold");
}

}  // namespace

Status check_rules(const Model & model, const AnswerRules & rules) {
    if (!model.tokenizer()) return error(QL_INVALID_ARGUMENT, "generation: the model has no tokenizer");
    if (rules.n_top < 0 || rules.n_top > 100)
        return error(QL_INVALID_ARGUMENT, "logprobs: %d is out of range, 0 to 100 are possible", rules.n_top);
    return check_sampling(rules.sampling);
}

GrowingAnswer::GrowingAnswer(const Model & model, const AnswerRules & rules, OnToken on_token)
    : model_(&model), rules_(rules), on_token_(std::move(on_token)) {
    if (rules_.n_predict == 0) end_ = QL_ANSWER_LENGTH;
}

int GrowingAnswer::end_after(bool ends_turn, bool is_stopped, int64_t n_read) const {
    if (ends_turn) return QL_ANSWER_TURN;
    if (is_stopped) return QL_ANSWER_STOPPED;
    if (n_generated_ == rules_.n_predict) return QL_ANSWER_LENGTH;
    return n_read >= rules_.ctx ? QL_ANSWER_CONTEXT : kGrowing;
}

Status GrowingAnswer::choose(std::span<const float> logits, std::span<const int32_t> read) {
    const double lse = log_sum_exp(logits);
    if (!std::isfinite(lse)) return not_finite(*model_);
    const Tokenizer & tokenizer = *model_->tokenizer();
    const auto n_read = std::ssize(read);
    const auto recent = read.size() > kPenaltyWindow ? read.last(kPenaltyWindow) : read;
    token_ = sample(logits, recent, rules_.sampling, n_read, rules_.stream);
    const bool ends_turn = tokenizer.is_end_of_generation(token_);
    const std::string piece = ends_turn ? "" : stream_.push(tokenizer.piece(token_));
    text_ += piece;
    ++n_generated_;
    const auto top = rules_.n_top ? top_logprobs(logits, rules_.n_top) : std::vector<ql_logprob>();
    const auto logprob = static_cast<float>(static_cast<double>(logits[static_cast<size_t>(token_)]) - lse);
    const ql_generated token{sizeof(ql_generated), token_,     logprob,
                             piece.c_str(),        top.data(), static_cast<int>(top.size())};
    const bool is_stopped = on_token_ && on_token_(token);
    end_ = end_after(ends_turn, is_stopped, n_read);
    if (has_ended()) text_ += stream_.flush();
    return {};
}

}  // namespace ql
