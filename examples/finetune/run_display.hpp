// What a person sees of a run while it goes on: a bar, lines that stay, the picture of the loss.
#pragma once
#include <optional>
#include <string>

#include "examples/finetune/history.hpp"
#include "ql/train.h"
#include "tools/cli/board/board.hpp"
#include "tools/cli/program.hpp"
#include "tools/cli/progress.hpp"

namespace ql::cli {

class RunDisplay {
  public:
    /// plot: where the picture goes, "" for none.
    RunDisplay(const Program & program, const std::string & plot) : program_(program), plot_(plot) {}

    /// From here to end() there is a bar, with this word in front.
    /// All of it is shown there, too; null: nowhere.
    void show_on(Board * board) { board_ = board; }
    /// What an earlier program did of the run, from its metrics, up to a step.
    void read_history(const std::string & metrics, int64_t last_step);
    void begin(const char * what);
    void end();
    /// The bar is that of the steps from here on, then that of an evaluation after them.
    void begin_steps(int64_t first, int64_t n);
    void end_steps();
    void step(const ql_train_progress & p);
    /// A step of a large model takes minutes: its micro-batches are shown, too, and those of evaluations.
    void batch(bool evaluates, int64_t done, int64_t n);
    void line(const std::string & text);
    /// The picture of what is known so far. It does not end a run that it cannot be written.
    void replot();

    History history;

  private:
    const Program & program_;
    Board * board_ = nullptr;
    const std::string & plot_;
    std::optional<Progress> bar_;
    int64_t step_ = 0, n_steps_ = 0;  // done, and of the run; 0: there are no steps
    std::string figures_;             // of the last step
};

}  // namespace ql::cli
