// How a run begins: what it is planned for, where it goes on, which files it may write.
#include <algorithm>
#include <cmath>

#include "models/adapter/invocation.hpp"
#include "models/base/c_text.hpp"
#include "models/base/hash.hpp"
#include "models/train/adapter_record.hpp"
#include "models/train/fingerprint.hpp"
#include "models/train/choose_options.hpp"
#include "models/train/trainer.hpp"

namespace ql {
namespace {

int64_t default_ctx(const ql_train_options & o, const Model & model) {
    return o.ctx > 0 ? o.ctx : std::min<int64_t>(512, model.hparams().n_ctx);
}

bool have_same_shapes(const Adapter & a, const Adapter & b) {
    return std::equal(a.matrices.begin(), a.matrices.end(), b.matrices.begin(), b.matrices.end(),
                      [](const LoraMatrix & x, const LoraMatrix & y) {
                          return x.weight == y.weight && x.k == y.k && x.m == y.m && x.r == y.r;
                      }) &&
           a.norms.size() == b.norms.size() && a.invocation == b.invocation &&
           std::equal(a.rows.begin(), a.rows.end(), b.rows.begin(), b.rows.end(),
                      [](const TokenRows & x, const TokenRows & y) { return x.weight == y.weight && x.ids == y.ids; });
}

SamplerOptions sampler_options(const ql_train_options & o, int64_t ctx) {
    return {ctx, std::max<int64_t>(o.batch, 1) * o.grad_accum, o.packing != 0, o.shuffle != 0, o.seed};
}

/// Every token of the data once, and that of padding.
std::vector<int32_t> tokens_in(const Dataset & data, const Dataset * eval, int64_t n_vocab) {
    std::vector<bool> occurs(static_cast<size_t>(n_vocab));
    occurs[0] = true;
    const auto add = [&](const Dataset & d) {
        for (const TokenSample & s : d.samples)
            for (const int32_t t : s.tokens)
                if (static_cast<size_t>(t) < occurs.size()) occurs[static_cast<size_t>(t)] = true;
    };
    add(data);
    if (eval) add(*eval);
    std::vector<int32_t> tokens;
    for (size_t t = 0; t < occurs.size(); ++t)
        if (occurs[t]) tokens.push_back(static_cast<int32_t>(t));
    return tokens;
}

Result<ChosenOptions> choose(const ql_train_options & o, const RunSize & run, const Checkpoint & before) {
    if (o.grad_accum > 0 && (o.epochs > 0 || o.steps > 0) && o.lr > 0) return ChosenOptions{o, ""};
    return choose_options(o, run, {before.path, before.state.fingerprint});
}

}  // namespace

Trainer::Trainer(const Model & model, Adapter & adapter, const Dataset & data, const Dataset * eval,
                 Beginning beginning)
    : model_(model),
      adapter_(adapter),
      data_(data),
      eval_(eval),
      options_(with_betas(beginning.options)),
      resumes_(!text_or_empty(options_.resume).empty()),
      checkpoint_dir_(text_or_empty(options_.checkpoint_dir)),
      best_path_(text_or_empty(options_.best_path)),
      metrics_path_(text_or_empty(options_.metrics_path)),
      spill_(text_or_empty(options_.spill)),
      ctx_(default_ctx(options_, model)),
      sequences_(std::max<int64_t>(options_.batch, 1) * options_.grad_accum),
      sampler_(data.samples, sampler_options(options_, ctx_), std::move(beginning.first_epoch)),
      point_(std::move(beginning.resume)),
      runs_before_(adapter.origin.runs) {}

Result<std::unique_ptr<Trainer>> Trainer::create(const Model & model, ql_device * device, Adapter & adapter,
                                                 const Dataset & data, const Dataset * eval,
                                                 const ql_train_options & options) {
    if (data.samples.empty()) return error(QL_INVALID_ARGUMENT, "%s: no samples to train on", data.path.c_str());
    if (default_ctx(options, model) > model.hparams().n_ctx)
        return error(QL_INVALID_ARGUMENT, "ctx %lld is more than the model's context of %lld",
                     static_cast<long long>(options.ctx), static_cast<long long>(model.hparams().n_ctx));
    QL_TRY(data.check_fits(default_ctx(options, model)));
    if (eval) QL_TRY(eval->check_fits(default_ctx(options, model)));
    QL_ASSIGN(ResumePoint resume, find_resume_point(options));
    auto first = pack_epoch(data.samples, sampler_options(options, default_ctx(options, model)), 0);
    const RunSize run{static_cast<int64_t>(first.size()), data.n_trained(), model.hparams().n_embd};
    QL_ASSIGN(const ChosenOptions chosen, choose(options, run, resume.checkpoint));
    std::unique_ptr<Trainer> trainer(
        new Trainer(model, adapter, data, eval, {chosen.options, std::move(resume), std::move(first)}));
    if (!chosen.note.empty()) trainer->log(chosen.note);
    QL_TRY(trainer->prepare(device, advice_for_more_steps(options, chosen.options)));
    QL_TRY(note_merge(adapter, model, options));
    if (data.has_conversations()) {  // they travel with what is learned
        adapter.chat_date = data.told_date();
        adapter.chat_kwargs = data.told_kwargs();
    }
    adapter.base_name = model.name();
    adapter.origin.base = model.identity();
    adapter.origin.base_type = model.base_type();
    return trainer;
}

/// What is learned so far, as the adapter's file tells it: this run after those before it.
void Trainer::record_run() {
    adapter_.origin.runs = runs_before_;
    if (state_.step == 0) return;
    TrainingRun run;
    run.data = Hash64::hash_text(data_.fingerprint());
    run.options = run_options(options_, ctx_, n_steps_, data_);
    run.library = ql_version();
    run.steps = state_.step, run.tokens = state_.total_tokens;
    if (std::isfinite(state_.loss_first)) run.loss_first = state_.loss_first;
    if (std::isfinite(state_.loss_last)) run.loss_last = state_.loss_last;
    if (state_.has_best) run.eval_best = state_.best_eval;
    add_runs(adapter_.origin, {std::move(run)});
}

/// An activated adapter is off, and learns nothing, in samples without its invocation.
Status Trainer::count_invoked() {
    const auto n_samples = static_cast<long long>(data_.samples.size());
    const auto n =
        static_cast<long long>(std::count_if(data_.samples.begin(), data_.samples.end(), [&](const TokenSample & s) {
            return last_invocation(s.tokens, adapter_.invocation) != kNever;
        }));
    if (n == n_samples) return {};
    if (n == 0)
        return error(QL_INVALID_ARGUMENT,
                     "%s: none of its %lld samples holds the adapter's invocation: there is nothing to train",
                     data_.path.c_str(), n_samples);
    log(format("%lld of %lld samples do not hold the invocation: the adapter is off in them", n_samples - n,
               n_samples));
    return {};
}

/// Rounding by thresholds is chosen where --merge-rounding is left open.
void Trainer::say_rounding(const std::vector<MergeTarget> & merged) {
    const auto n = std::count_if(merged.begin(), merged.end(), [](const MergeTarget & t) { return t.is_dithered; });
    if (n == 0) return;
    log(format("merge    %lld of %zu linears are rounded by thresholds%s", static_cast<long long>(n), merged.size(),
               options_.merge_rounding == QL_MERGE_AUTO ? ": their base has the type of the merge already" : ""));
}

Status Trainer::prepare(ql_device * device, const std::string & advice) {
    QL_TRY(check_trained(sampler_.sequences(), data_.path, ctx_));
    QL_TRY(count_invoked());
    if (eval_) {
        const auto order = sample_order(static_cast<int64_t>(eval_->samples.size()), false, 0, 0);
        eval_sequences_ = pack(eval_->samples, order, ctx_, options_.packing != 0);
        QL_TRY(check_trained(eval_sequences_, eval_->path, ctx_));
    }
    n_steps_ = steps_of(options_, sampler_.steps_per_epoch());
    begin_schedule({});
    state_.loss_scale.scale = options_.loss_scale;
    QL_ASSIGN(const std::vector<MergeTarget> merged, prepare_merge(model_, adapter_, options_));
    say_rounding(merged);
    const auto make_step = [&](int64_t batch, uint64_t memory) {
        StepOptions step = step_options(batch, memory);
        step.merged = merged;
        return TrainStep::planned(model_, device, adapter_, step);
    };
    if (!options_.memory) tokens_ = tokens_in(data_, eval_, model_.hparams().n_vocab);
    if (options_.batch == QL_BATCH_AUTO) QL_TRY(choose_batch(make_step));
    QL_ASSIGN(step_, make_step(options_.batch, options_.memory));
    if (const int layers = step_->micro().recomputed;
        layers && !options_.memory && options_.recompute != QL_RECOMPUTE_ALL)
        log(format("memory   the device has too little for what is kept: %d layers are computed again", layers));
    state_.fingerprint = run_fingerprint({options_, ctx_, n_steps_, model_, adapter_, data_, eval_, device});
    QL_TRY(open_checkpoints());
    if (resumed_from_.empty() && n_steps_ < kFewSteps)
        log(format("warning: only %lld step%s: this will learn little; %s", static_cast<long long>(n_steps_),
                   n_steps_ == 1 ? "" : "s", advice.c_str()));
    return open_metrics();
}

/// Of a step whose micro-batches have `batch` sequences.
StepOptions Trainer::step_options(int64_t batch, uint64_t memory) const {
    StepOptions step;
    step.n_tokens = ctx_ * batch;
    step.recompute = options_.recompute;
    step.memory = memory;
    step.spill = spill_;
    step.scales_loss = options_.loss_scale > 0;
    step.n_batches = sequences_ / batch;
    step.dropout = static_cast<float>(options_.lora_dropout);
    step.neftune_alpha = static_cast<float>(options_.neftune_alpha);
    step.optimizer = options_.optimizer;
    step.lora_plus_ratio = static_cast<float>(options_.lora_plus_ratio);
    step.tokens = tokens_;
    return step;
}

Status Trainer::open_checkpoints() {
    if (!point_.folder) return {};
    if (!point_.is_new_run()) QL_TRY(resume());
    if (point_.is_own)
        point_.folder->go_on_after(state_.step);
    else
        QL_TRY(take_folder());
    if (state_.adapter.empty()) state_.adapter = adapter_record(adapter_);
    return point_.folder->check_space(checkpoint_bytes(*step_, state_), options_.keep);
}

/// The run begins in a folder where it has no checkpoint: those of another run must not be mixed with its own.
Status Trainer::take_folder() {
    replaces_checkpoints_ = !point_.folder->files().empty();
    if (!replaces_checkpoints_ || options_.overwrite == QL_OVERWRITE_ALL) return {};
    if (options_.overwrite == QL_OVERWRITE_FINISHED) {
        std::string skipped;
        QL_ASSIGN(const Checkpoint newest, newest_checkpoint(point_.folder->files(), &skipped));
        if (!newest.path.empty() && skipped.empty() && has_ended(newest.state)) {
            log(checkpoint_dir_ + ": its run has ended; this one starts anew, and those checkpoints go");
            return {};
        }
    }
    return error(
        QL_INVALID_ARGUMENT,
        "%s holds checkpoints of an earlier run: go on with --resume auto, choose another --checkpoint-dir, or "
        "delete them with --overwrite",
        checkpoint_dir_.c_str());
}

/// Goes on from the checkpoint that was found.
Status Trainer::resume() {
    if (!point_.skipped.empty()) log("passed over: " + point_.skipped);
    const Checkpoint newest = std::move(point_.checkpoint);
    const std::string expected = state_.fingerprint;
    QL_TRY(start_step());
    QL_TRY(load_checkpoint(newest, *step_, expected, n_steps_));
    QL_TRY(step_->merge());
    const CheckpointState before = newest.state;
    state_ = before;
    state_.fingerprint = eval_ ? expected : with_evaluations_of(expected, before.fingerprint);
    check_evaluations(before);
    first_step_ = saved_step_ = state_.step;
    begin_schedule(before);
    take_patience();
    resumed_from_ = checkpoint_ = newest.path;
    check_best();
    if (is_over())
        log(format("the run has ended%s after step %lld: it goes on for more --epochs or --steps%s",
                   state_.ended ? " early," : "", static_cast<long long>(state_.step),
                   state_.ended ? ", or with a larger --early-stop" : ""));
    return {};
}

/// A run that has ended early waits for longer.
void Trainer::take_patience() {
    if (!state_.ended || (options_.early_stop > 0 && state_.evals_in_vain >= options_.early_stop)) return;
    state_.ended = false;
    saved_step_ = -1;
    log(format("goes on  after its early end: evaluations without a lower loss so far: %lld",
               static_cast<long long>(state_.evals_in_vain)));
}

/// A new run's schedule, or that of the checkpoint it goes on from. Where that run had ended and this one is longer, one
/// that fell to the end starts again over what was added.
void Trainer::begin_schedule(const CheckpointState & before) {
    if (before.fingerprint.empty()) state_.schedule_steps = n_steps_;
    if (!before.fingerprint.empty() && is_extended(before, n_steps_)) {
        state_.ended = false, state_.evals_in_vain = 0;
        saved_step_ = -1;
        const int64_t added = n_steps_ - before.step;
        const bool anew = depends_on_end(options_.schedule);
        if (anew) state_.schedule_start = before.step, state_.schedule_steps = added;
        log(format("extended by %lld steps: the learning rate %s", static_cast<long long>(added),
                   anew ? "starts again, warm-up included, and falls over them" : "goes on"));
    }
    schedule_ = schedule_of(options_, state_.schedule_steps);
}

/// Losses over other evaluation data are not compared with these.
void Trainer::check_evaluations(const CheckpointState & before) {
    if (!state_.has_best || is_evaluated_alike(before.fingerprint, state_.fingerprint)) return;
    log("the evaluation data is another than before: the best adapter is that of the steps from here on");
    state_.has_best = false;
}

/// The best adapter lies apart from the checkpoints: by now it may be gone, or another run's. The best one is then
/// lost, and a summary that names it would lie: the best of the coming steps takes its place.
void Trainer::check_best() {
    if (!state_.has_best || best_path_.empty()) return;
    const auto best = load_adapter(best_path_, model_);
    if (best.ok() && have_same_shapes(*best, adapter_)) return;
    log(
        format("warning: the best adapter of the first %lld steps is not at hand: %s; the best of the steps from here "
               "on is kept",
               static_cast<long long>(state_.step),
               best.ok() ? (best_path_ + ": is another run's").c_str() : best.message().c_str()));
    state_.has_best = false;
}

Status Trainer::open_metrics() {
    MetricsStart start;
    start.step = state_.step - (state_.unfinished.is ? 1 : 0), start.bytes = state_.metrics_bytes;
    // Where the run has made its folder just now, no earlier part of it can have written a line.
    start.resume = !resumed_from_.empty() || (resumes_ && point_.folder && !point_.folder->is_new());
    start.overwrite = options_.overwrite == QL_OVERWRITE_ALL;
    start.reach = next_save() + kMostSkipsInRow;  // skipped steps put a checkpoint off
    return metrics_.open(metrics_path_, start);
}

/// The step after which the next checkpoint is due.
int64_t Trainer::next_save() const {
    const auto next_multiple = [&](int64_t of) { return of > 0 ? (state_.step / of + 1) * of : n_steps_; };
    return std::min({next_multiple(options_.save_every), next_multiple(sampler_.steps_per_epoch()), n_steps_});
}

/// Deletes what an earlier run left, only after all that can be wrong before the first step has been checked.
Status Trainer::begin_files() {
    if (replaces_checkpoints_) QL_TRY(point_.folder->clear());
    replaces_checkpoints_ = false;
    if (point_.is_named && point_.is_own) point_.folder->delete_later();
    return metrics_.begin();
}

}  // namespace ql
