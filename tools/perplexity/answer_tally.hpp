// The answers that a model gave: their scores, which wrong ones it finds the least probable, and a line of each.
#pragma once
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/program.hpp"
#include "tools/scores/answer_scores.hpp"

namespace ql::cli {

struct Answer {
    int64_t sample;  // from 1
    std::string asked, wanted, got;
    double nll;  // of the wanted answer, a token; NaN: not measured
    int64_t n_generated;
    bool ended;  // it came to its end; else it was cut
};

class AnswerTally {
  public:
    explicit AnswerTally(const Program & program) : program_(program) {}

    /// `exact` is always among the scores. Before the first answer.
    void score_by(std::vector<AnswerScore> scores, const std::string & final_marker);
    /// keep_line: also makes a line of --predictions. With -v one that is not exact is shown at once.
    void add(const Answer & answer, bool keep_line);

    int64_t n_exact() const { return static_cast<int64_t>(sums_[static_cast<size_t>(AnswerScore::exact)]); }
    /// Each score's name and its mean over the answers, 0 to 1; 0 of no answers.
    std::vector<std::pair<const char *, double>> means() const;
    /// Each score's name, and "3 of 4, 75.0 %", or "75.0 %" of one that has parts.
    std::vector<std::vector<std::string>> rows() const;
    const std::string & lines() const { return lines_; }
    /// Those that are not exact which the model finds the least probable, the worst first; with -v they were shown.
    void show_worst() const;

  private:
    std::string line_of(const Answer & answer, const std::vector<double> & scores) const;
    void show(const Answer & wrong) const;
    void keep_if_worst(const Answer & wrong);

    const Program & program_;
    AnswerScorer scorer_;
    std::vector<AnswerScore> scores_ = {AnswerScore::exact};
    int64_t n_ = 0;
    std::array<double, kAnswerScores.size()> sums_{};  // by AnswerScore
    std::vector<Answer> worst_;
    std::string lines_;
};

}  // namespace ql::cli
