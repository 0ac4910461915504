// The training itself: planned, run with what is seen of it, evaluated, saved.
#pragma once
#include <cmath>
#include <optional>
#include <string>

#include "examples/finetune/live_page.hpp"
#include "examples/finetune/report.hpp"
#include "examples/finetune/run_display.hpp"
#include "examples/finetune/run_inputs.hpp"
#include "examples/finetune/samples.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/speed.hpp"

namespace ql::cli {

class Training {
  public:
    /// All must outlive it.
    Training(const Program & program, const DeviceOptions & device_options, const ModelOptions & model_options,
             const FinetuneOptions & options, RunInputs & inputs, LivePage & page)
        : program_(program),
          device_options_(device_options),
          model_options_(model_options),
          o_(options),
          in_(inputs),
          page_(page),
          display_(program, options.plot) {}

    /// Checks all that can be wrong before the first step.
    void plan();
    void run();
    /// ran: of a run that has ended; else of its plan.
    RunReport report(bool ran) const;
    /// Of a run that is not planned yet: no step was made.
    RunReport report_of_inputs() const;
    /// Null before it is planned.
    ql_trainer * trainer() const { return trainer_.get(); }

  private:
    void warn_of_schedule() const;
    void begin_anew() const;
    int64_t merge_type() const;
    void begin_history();
    void run_steps();
    double evaluate(const char * when);
    void check_not_stopped(const Status & status) const;
    int on_progress(const ql_train_progress & p);
    void say_plan();
    void show_plan();
    void set_stage(const char * stage);
    void sample(int64_t step);
    void say_old_best() const;
    bool has_no_gain() const;
    void say_no_gain() const;
    int64_t steps_done() const;
    void say_early_end() const;
    void check_saved(const Status & status) const;
    bool is_saved() const;
    std::string at_second_stop() const;
    std::string go_on() const;
    ExpectedStep expect() const;

    const Program & program_;
    const DeviceOptions & device_options_;
    const ModelOptions & model_options_;
    const FinetuneOptions & o_;
    RunInputs & in_;
    LivePage & page_;
    TrainerPtr trainer_;
    ql_trainer_info plan_{};
    std::string resumed_from_;
    RunDisplay display_;
    std::optional<Samples> samples_;  // where there is a page
    std::optional<ExpectedStep> expected_;
    StopAnswers * answers_ = nullptr;  // while the training runs
    bool has_saved_ = false;           // a checkpoint, in this process
    bool has_progress_ = false;        // a step ended
    double eval_before_ = NAN, eval_after_ = NAN;
};

}  // namespace ql::cli
