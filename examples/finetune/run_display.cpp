#include "examples/finetune/run_display.hpp"

#include <algorithm>
#include <cmath>

#include "ql/os.h"
#include "ql/status.hpp"
#include "tools/cli/stop.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {

// A picture takes a tenth of a second, which may be as long as many steps of a small model: between two there is so many
// times as long, so that they cost a run a twentieth of its time.
constexpr double kPlotsApart = 20;

void RunDisplay::show_history() {
    if (!board_) return;
    const RunFigures & run = history.figures();
    for (size_t i = 0; i < run.size(); ++i) {
        if (!std::isfinite(run.at(kLr, i))) continue;  // an evaluation alone
        board_->add_earlier_step(run.at(kStep, i), run.is_skipped(i) ? NAN : run.at(kLoss, i), run.at(kLr, i),
                                 run.at(kGradNorm, i));
    }
    for (const History::Eval & e : history.evals()) board_->add_evaluation({static_cast<int64_t>(e.step), e.loss});
}

void RunDisplay::begin(const char * what) {
    bar_.emplace(what, program_.quiet);
}

void RunDisplay::end() {
    bar_.reset();
}

void RunDisplay::begin_steps(int64_t first, int64_t n) {
    begin("train");
    step_ = first, n_steps_ = n;
}

void RunDisplay::end_steps() {
    end();
    n_steps_ = 0;
}

void RunDisplay::step(const ql_train_progress & p) {
    const auto step = static_cast<double>(p.step);
    if (board_) {
        board_->add_step({.step = p.step,
                          .epoch = p.epoch,
                          .loss = p.skipped ? NAN : p.loss,
                          .lr = p.lr,
                          .grad_norm = p.grad_norm,
                          .tok_s = p.tok_s,
                          .seconds = p.seconds,
                          .rss_bytes = p.rss_bytes,
                          .is_skipped = p.skipped != nullptr});
        if (p.has_eval) board_->add_evaluation({p.step, p.eval_loss});
    }
    history.add(p);
    if (p.skipped) line(format("step %lld skipped: %s", static_cast<long long>(p.step), p.skipped));
    if (p.has_eval) line(format("eval     step %lld: loss %.4f", static_cast<long long>(p.step), p.eval_loss));
    figures_ = format("step %lld/%lld  loss %s  %.0f tok/s  %s", static_cast<long long>(p.step),
                      static_cast<long long>(p.n_steps), print_number(p.loss, 4).c_str(), p.tok_s,
                      print_size(p.rss_bytes).c_str());
    step_ = p.step, n_steps_ = p.n_steps;
    if (bar_) bar_->update(step, static_cast<double>(p.n_steps), figures_, p.step == p.n_steps);
    if (!p.checkpointed) return;
    keep();
    if (ql_os_seconds() - plotted_at_ > kPlotsApart * plot_took_) replot();
}

void RunDisplay::batch(bool evaluates, int64_t done, int64_t n) {
    const std::string part = format("%lld/%lld", static_cast<long long>(done), static_cast<long long>(n));
    if (board_) board_->set_part((evaluates ? "evaluating " : "sequence ") + part);
    if (!bar_) return;
    const double of_step = static_cast<double>(done) / static_cast<double>(std::max<int64_t>(n, 1));
    if (n_steps_ == 0)
        bar_->update(static_cast<double>(done), static_cast<double>(n), "sequence " + part);
    else if (evaluates)
        bar_->update(static_cast<double>(step_ + 1), static_cast<double>(n_steps_), "evaluating " + part);
    else if (done < n)
        bar_->update(static_cast<double>(step_) + of_step, static_cast<double>(n_steps_),
                     figures_.empty() ? "step 1, sequence " + part : figures_ + "  sequence " + part);
}

void RunDisplay::line(const std::string & text) {
    if (!bar_) return program_.note(text);
    if (board_) board_->log(text);
    bar_->line(text);
}

void RunDisplay::keep() {
    if (const Status kept = history.keep(); !kept.ok()) line("warning: " + kept.message());
}

void RunDisplay::stopped() {
    keep();
    replot();
}

void RunDisplay::replot() {
    if (plot_.empty()) return;
    const double begin = ql_os_seconds();
    try {
        write_plot(plot_, title, history);
        plotted_at_ = ql_os_seconds(), plot_took_ = plotted_at_ - begin;
    } catch (const Stop & stop) {
        line("warning: " + stop.message);
    }
}

}  // namespace ql::cli
