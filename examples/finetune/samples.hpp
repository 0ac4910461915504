// What the model answers, at each evaluation, to a few questions of the held-out data: shown on the page of --board beside
// what is expected. Greedy: nothing random, and nothing of the training, is touched.
#pragma once
#include <string>
#include <vector>

#include "examples/finetune/run_inputs.hpp"
#include "tools/cli/board/board.hpp"

namespace ql::cli {

class Samples {
  public:
    static constexpr int64_t kPrompts = 3, kTokens = 64;
    /// Seconds that they may take in all: so many, and this part of the run's time.
    static constexpr double kFirstSeconds = 5, kShare = 0.005;

    /// Both must outlive it.
    Samples(const RunInputs & inputs, Board & board) : in_(inputs), board_(board) {}
    /// Takes questions from all over the held-out data. has_budget: --memory is given, which samples would break.
    void choose(bool has_budget);
    /// Whether there will be answers.
    bool has_any() const { return !prompts_.empty(); }
    /// That all so far took.
    double seconds() const { return spent_; }
    /// Answers with the adapter as it is now. What goes wrong is said on the page; the run goes on.
    void answer(int64_t step);

  private:
    struct Prompt {
        std::vector<int32_t> tokens;
    };
    bool take(int64_t sample);
    double allowed();
    SessionPtr open_session() const;
    void tell_memory(const SessionPtr & session);
    BoardAnswer answer_one(const SessionPtr & session, const Prompt & prompt, double until) const;
    void give_up(const std::string & why);

    const RunInputs & in_;
    Board & board_;
    std::vector<Prompt> prompts_;
    std::vector<BoardPrompt> shown_;
    int64_t ctx_ = 0;  // of a session for them
    bool has_answered_ = false;
    double left_ = kFirstSeconds, counted_ = 0, spent_ = 0;
};

}  // namespace ql::cli
