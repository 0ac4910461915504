// An answer while it grows: the next token from logits, text as it becomes complete, and why it ends. Whoever reads the
// tokens - a session, or one sequence of several - gets the same answer for the same logits.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "models/base/utf8.hpp"
#include "models/model/model.hpp"
#include "ql/prompts.h"

namespace ql {

/// How the tokens of an answer are chosen, and how many there may be.
struct AnswerRules {
    int64_t n_predict = -1;  // most tokens; < 0: as many as the context holds
    int64_t ctx = 0;         // tokens that are read at most, the prompt's among them
    int n_top = 0;           // entries of ql_generated::top
    ql_sampling sampling{};
    int64_t stream = 0;  // of random numbers
};

/// errors  QL_INVALID_ARGUMENT: a model without a tokenizer, n_top, a value of sampling
Status check_rules(const Model & model, const AnswerRules & rules);

class GrowingAnswer {
  public:
    /// Told each token; true ends the answer.
    using OnToken = std::function<bool(const ql_generated & token)>;

    GrowingAnswer(const Model & model, const AnswerRules & rules, OnToken on_token = {});

    /// Chooses the token after those that were read, from its logits.
    /// errors  QL_NON_FINITE
    Status choose(std::span<const float> logits, std::span<const int32_t> read);

    /// The token chosen last.
    int32_t token() const { return token_; }
    int64_t n_generated() const { return n_generated_; }
    bool has_ended() const { return end_ != kGrowing; }
    /// Of one that has ended.
    ql_answer_end end() const { return static_cast<ql_answer_end>(end_); }
    /// The text so far; the whole of it once the answer has ended.
    const std::string & text() const { return text_; }

  private:
    static constexpr int kGrowing = -1;
    int end_after(bool ends_turn, bool is_stopped, int64_t n_read) const;

    const Model * model_;
    AnswerRules rules_;
    OnToken on_token_;
    Utf8Stream stream_;
    std::string text_;
    int64_t n_generated_ = 0;
    int32_t token_ = -1;
    int end_ = kGrowing;
};

}  // namespace ql
