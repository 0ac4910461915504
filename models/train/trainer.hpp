// The training loop: steps, learning rate, evaluation, checkpoints, metrics. Policy; the arithmetic is in TrainStep.
// trainer_start.cpp: how a run begins or goes on.
#pragma once
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/adapter/handle.hpp"
#include "models/data/dataset.hpp"
#include "models/train/metrics.hpp"
#include "models/train/resume.hpp"
#include "models/train/sampler.hpp"
#include "models/train/schedule.hpp"
#include "models/train/step.hpp"
#include "ql/train.h"

namespace ql {

inline constexpr int64_t kMostSkipsInRow = 10;  // steps without a finite gradient end a run

class Trainer {
  public:
    static Result<std::unique_ptr<Trainer>> create(const Model & model, ql_device * device, Adapter & adapter,
                                                   const Dataset & data, const Dataset * eval,
                                                   const ql_train_options & options);
    Status run();
    Status evaluate(double & loss, int64_t & tokens);
    /// The adapter that it was made for gets the parameters as they are now, and what is known of the run.
    Status read_adapter();
    Status remove_checkpoints();
    const TrainStep & step() const { return *step_; }
    ql_trainer_info describe() const;
    ql_train_summary summary() const;
    ql_plan * plan(ql_train_plan which) const {
        return which == QL_TRAIN_PLAN_UPDATE ? step_->update_plan() : step_->micro_plan();
    }

  private:
    /// What is found, chosen and packed before the trainer is made.
    struct Beginning {
        ql_train_options options;
        ResumePoint resume;
        std::vector<PackedSequence> first_epoch;
    };
    Trainer(const Model & model, Adapter & adapter, const Dataset & data, const Dataset * eval, Beginning beginning);

    using MakeStep = std::function<Result<std::unique_ptr<TrainStep>>(int64_t batch, uint64_t memory)>;

    Status prepare(ql_device * device, const std::string & advice);
    Status count_invoked();
    void say_rounding(const std::vector<MergeTarget> & merged);
    StepOptions step_options(int64_t batch, uint64_t memory) const;
    Status choose_batch(const MakeStep & make);
    /// Of the checkpoint that the run goes on from; 0: there is none, or it is another run's.
    int64_t batch_of_checkpoint() const;
    void take_batch(int64_t batch, const std::string & why);
    Status open_checkpoints();
    Status take_folder();
    Status resume();
    void take_patience();
    void begin_schedule(const CheckpointState & before);
    bool is_over() const { return !state_.unfinished.is && (state_.ended || state_.step >= n_steps_); }
    void check_evaluations(const CheckpointState & before);
    void check_best();
    Status open_metrics();
    Status begin_files();
    int64_t next_save() const;

    Status start_step();
    Status one_step();
    Result<int64_t> forward_backward(double & loss);  // the step's tokens
    Status optimizer_step(double loss, ql_train_progress & p);
    Status skip(ql_train_progress & p, bool may_be_scale);
    Status watch_gradient(double loss, float norm, bool learns);
    Status diverged(const char * why, int64_t in_row) const;
    Status check_end() const;
    Status after_step(ql_train_progress & p);
    Status finish_step(ql_train_progress & p);
    Status go_on_in_evaluation();
    Status maybe_evaluate(ql_train_progress & p);
    Status maybe_save(ql_train_progress & p);
    bool note_best(double loss);
    Status mean_loss(double & loss, int64_t & tokens);  // over the evaluation data; may be NaN
    void batch_done(bool evaluates, int64_t done, int64_t n) const;
    Status save();
    bool cancelled() const { return options_.cancelled && options_.cancelled(options_.user); }
    Status stop_cancelled();
    void record_run();
    void log(const std::string & line) const;
    bool epoch_ends() const { return state_.step % sampler_.steps_per_epoch() == 0; }

    const Model & model_;
    Adapter & adapter_;
    const Dataset & data_;
    const Dataset * eval_;
    ql_train_options options_;
    const bool resumes_;  // --resume was asked for, whether or not there is a checkpoint
    std::string checkpoint_dir_, best_path_, metrics_path_, spill_;  // copies: the caller's strings may go
    int64_t ctx_;
    const int64_t sequences_;  // of a step
    Sampler sampler_;
    std::vector<PackedSequence> eval_sequences_;
    std::vector<int32_t> tokens_;  // that occur, where no budget is given: for the plans of all steps that are tried
    std::unique_ptr<TrainStep> step_;
    bool is_started_ = false;            // the step's parameters have values
    ResumePoint point_;                  // its checkpoint is closed once the run goes on from it
    bool replaces_checkpoints_ = false;  // of an earlier run, when the first step comes
    MetricsFile metrics_;
    CheckpointState state_;
    std::vector<TrainingRun> runs_before_;  // that the adapter went through until this one
    Schedule schedule_;
    int64_t n_steps_ = 0, first_step_ = 0, saved_step_ = -1;
    std::string resumed_from_, checkpoint_;
    double start_ = 0, step_start_ = 0, seconds_ = 0;
    int64_t run_tokens_ = 0, run_skipped_ = 0;
    double run_loss_first_ = NAN;  // since first_step_
    int64_t dead_in_row_ = 0;      // steps whose gradient was exactly 0, though there is a loss
};

}  // namespace ql

/// The C API's handle.
struct ql_trainer {
    std::unique_ptr<ql::Trainer> trainer;
};
