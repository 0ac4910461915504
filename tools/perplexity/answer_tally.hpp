// The answers that a model gave: how many are right, which wrong ones it finds the least probable, and a line of each.
#pragma once
#include <string>
#include <vector>

#include "tools/cli/program.hpp"

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

    /// keep_line: also makes a line of --predictions. With -v a wrong one is shown at once.
    void add(const Answer & answer, bool keep_line);

    int64_t n() const { return n_; }
    int64_t n_exact() const { return n_exact_; }
    /// 0 to 1; 0 of no answers.
    double exact() const { return n_ > 0 ? static_cast<double>(n_exact_) / static_cast<double>(n_) : 0; }
    /// "3 of 4, 75.0 %".
    std::string exact_text() const;
    const std::string & lines() const { return lines_; }
    /// The wrong answers that the model finds the least probable, the worst first; with -v they were shown already.
    void show_worst() const;

  private:
    void show(const Answer & wrong) const;
    void keep_if_worst(const Answer & wrong);

    const Program & program_;
    int64_t n_ = 0, n_exact_ = 0;
    std::vector<Answer> worst_;
    std::string lines_;
};

}  // namespace ql::cli
