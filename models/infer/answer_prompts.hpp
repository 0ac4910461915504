// Many prompts answered on one engine: some answers grow side by side, each pass over the weights makes a token of each,
// and the next prompt takes the place of an answer that has ended.
//
// An answer does not depend on its neighbours, bit for bit. A prompt is read by itself, in the plans that a session reads it
// in; a pass of tokens takes one plan, however many answers still grow. So as few may grow side by side as there is memory
// for, and the budget changes no bit, either.
#pragma once
#include <functional>
#include <span>

#include "models/infer/applied_adapter.hpp"
#include "models/infer/evaluate.hpp"
#include "models/infer/growing_answer.hpp"

namespace ql {

inline constexpr int64_t kAnswersAtOnce = 8;
inline constexpr int64_t kMostAnswersAtOnce = 64;

struct Prompt {
    std::span<const int32_t> tokens;
    int64_t n_predict = -1;  // most tokens of its answer; < 0: no limit
};

struct AnswerOptions {
    int64_t ctx = 0;  // most tokens of a prompt with its answer
    int64_t n_at_once = kAnswersAtOnce;
    ql_dtype cache_type = QL_F16;
    uint64_t memory = 0;  // bytes that the process may take; 0: no limit
    int n_top = 0;
    ql_sampling sampling{};
    OnPlan on_plan = {};
    /// Told an answer that has ended, in the order of the prompts; an error stops all.
    std::function<Status(int64_t prompt, const GrowingAnswer & answer)> on_answer = {};
    /// Told each token of any answer; true ends that answer.
    std::function<bool(int64_t prompt, const ql_generated & token)> on_token = {};
    /// Asked before each pass.
    std::function<bool()> cancelled = {};
};

/// errors  QL_INVALID_ARGUMENT: options, a prompt ("prompt 3: ..."): then nothing has run; QL_NON_FINITE, QL_CANCELLED,
///         and those of Session::create
Status answer_prompts(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                      std::span<const Prompt> prompts, const AnswerOptions & options);

}  // namespace ql
