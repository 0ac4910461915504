// An answer while it is generated: what comes is shown at once, up to a stop text; Ctrl-C ends it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "examples/chat/logprobs.hpp"
#include "examples/chat/stop_texts.hpp"
#include "ql/models.hpp"

namespace ql::cli {

class AnswerStream {
  public:
    /// stops: texts that end an answer; they outlive this.
    explicit AnswerStream(const std::vector<std::string> & stops) : stops_(stops) {}

    /// shows: on stdout. The callbacks of `options` are set here. Throws Stop.
    ql_generate_result generate(const ModelPtr & model, const SessionPtr & session, const std::vector<int32_t> & tokens,
                                ql_generate_options options, bool shows);

    /// Of the last answer: Ctrl-C ended it before its first token.
    bool is_cancelled() const { return is_cancelled_; }
    /// A stop text ended it.
    bool is_stopped() const { return stop_ && stop_->stopped(); }
    /// Its text, without what ended it.
    std::string text(const ql_generate_result & result) const { return is_stopped() ? shown_ : result.text; }
    /// Of all answers, where options.n_top asks for them.
    const Logprobs & logprobs() const { return logprobs_; }

  private:
    bool take(const ql_generated & token);
    void show(const std::string & text);

    const std::vector<std::string> & stops_;
    const ql_tokenizer * tokenizer_ = nullptr;
    bool shows_ = true, has_logprobs_ = false, is_cancelled_ = false;
    std::optional<StopTexts> stop_;
    std::string shown_;
    Logprobs logprobs_;
};

}  // namespace ql::cli
