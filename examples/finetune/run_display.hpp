// What a person sees of a run while it goes on: a bar, lines that stay, the picture of the loss.
#pragma once
#include <optional>
#include <string>

#include "examples/finetune/history.hpp"
#include "examples/finetune/plot.hpp"
#include "ql/train.h"
#include "tools/cli/board/board.hpp"
#include "tools/cli/program.hpp"
#include "tools/cli/progress.hpp"

namespace ql::cli {

class RunDisplay {
  public:
    /// plot: where the picture goes, "" for none.
    RunDisplay(const Program & program, const std::string & plot) : program_(program), plot_(plot) {}

    /// All of it is shown there, too; null: nowhere.
    void show_on(Board * board) { board_ = board; }
    /// What the history holds from before the first step.
    void show_history();
    /// From here to end() there is a bar, with this word in front.
    void begin(const char * what);
    void end();
    /// The bar is that of the steps from here on, then that of an evaluation after them.
    void begin_steps(int64_t first, int64_t n);
    void end_steps();
    void step(const ql_train_progress & p);
    /// A step of a large model takes minutes: its micro-batches are shown, too, and those of evaluations.
    void batch(bool evaluates, int64_t done, int64_t n);
    void line(const std::string & text);
    /// Of a run that ends before its last step: keeps its figures, and draws what is known. It does not end a run that a
    /// picture cannot be written.
    void stopped();

    History history;
    PlotTitle title;

  private:
    void keep();
    void replot();
    const Program & program_;
    Board * board_ = nullptr;
    const std::string & plot_;
    std::optional<Progress> bar_;
    int64_t step_ = 0, n_steps_ = 0;         // done, and of the run; 0: there are no steps
    std::string figures_;                    // of the last step
    double plotted_at_ = 0, plot_took_ = 0;  // seconds
};

}  // namespace ql::cli
