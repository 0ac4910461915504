// Multiple choice by likelihood: of each question's choices, the one that the model finds the most probable counts as its
// answer.
#pragma once
#include "models/data/choices.hpp"
#include "models/infer/evaluate.hpp"

namespace ql {

/// What is read of a question with one choice: BOS where the model wants one, the question, a blank where neither side
/// of the border has white space, the choice. The choice is tokenised apart, and alone it counts.
TokenSample choice_sample(const Tokenizer & tokenizer, const ChoiceQuestion & question, size_t choice);

struct ChoiceScores {
    int64_t questions = 0;
    int64_t right = 0;            // the smallest sum of NLL is the right choice's
    int64_t right_by_length = 0;  // the smallest sum of NLL divided by the choice's bytes
    Likelihood of_right;          // the right choices' tokens: mean NLL and number
};

/// Of equal choices the first counts. `path` is for messages.
/// errors  QL_INVALID_ARGUMENT: ctx; a question with its choice has more than ctx tokens, named with its line; as
///         evaluate_dataset
Result<ChoiceScores> evaluate_choices(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                      const std::vector<ChoiceQuestion> & questions, const std::string & path,
                                      int64_t ctx, const OnWindow & on_window = {}, const EvaluateMemory & memory = {});

}  // namespace ql
