#include "models/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/train/adapter_record.hpp"

namespace ql {
namespace {

constexpr double kLearnt = 1e-3;  // nats: below it, probabilities near 1 round to gradients of 0

const char * reason_to_skip(double loss) {
    return std::isfinite(loss) ? "gradient is not finite" : "loss is not finite";
}

}  // namespace

void Trainer::log(const std::string & line) const {
    if (options_.on_log) options_.on_log(options_.user, line.c_str());
}

/// A plan that is only described touches none of the memory of what is trained.
Status Trainer::start_step() {
    if (is_started_) return {};
    QL_TRY(step_->start(adapter_));
    is_started_ = true;
    return {};
}

Status Trainer::run() {
    QL_TRY(start_step());
    start_ = ql_os_seconds();
    Status result = is_over() ? Status() : begin_files();  // a run without a step deletes nothing
    if (result.ok() && state_.unfinished.is) result = go_on_in_evaluation();
    while (result.ok() && !is_over()) {
        result = cancelled() ? stop_cancelled() : one_step();
        seconds_ = ql_os_seconds() - start_;
    }
    if (result.ok()) result = check_end();
    Status read = read_adapter();
    return result.ok() ? std::move(read) : std::move(result);
}

Status Trainer::read_adapter() {
    record_run();
    return is_started_ ? step_->read_adapter(adapter_) : Status();  // else it has these values
}

Status Trainer::stop_cancelled() {
    QL_TRY(save());
    const char * where = checkpoint_.empty()          ? ""
                         : saved_step_ == state_.step ? "; saved in "
                                                      : "; not saved; the last good checkpoint is ";
    return error(QL_CANCELLED, "stopped after step %lld of %lld%s%s", static_cast<long long>(state_.step),
                 static_cast<long long>(n_steps_), where, checkpoint_.c_str());
}

Status Trainer::one_step() {
    step_start_ = ql_os_seconds();
    ql_train_progress p{};
    p.size = sizeof(p);
    p.n_steps = n_steps_;
    double loss = 0;
    p.loss_scale = state_.loss_scale.scale;
    if (p.loss_scale > 0) QL_TRY(step_->set_loss_scale(p.loss_scale));
    QL_ASSIGN(p.tokens, forward_backward(loss));
    if (p.tokens < 0) return stop_cancelled();
    p.loss = loss;
    QL_TRY(optimizer_step(loss, p));
    QL_TRY(model_.check_files());  // before a checkpoint of the step is written
    return after_step(p);
}

/// Runs the step's micro-batches; -1 if it was cancelled on the way (then nothing was changed).
Result<int64_t> Trainer::forward_backward(double & loss) {
    const auto sequences = sampler_.step(state_.step);
    int64_t trained = 0, tokens = 0, offset = 0;
    for (const PackedSequence & s : sequences)
        trained += std::count_if(s.targets.begin(), s.targets.end(), [](int32_t t) { return t >= 0; });
    const float weight = 1.0f / static_cast<float>(std::max<int64_t>(trained, 1));
    const auto batch = static_cast<size_t>(options_.batch), side_by_side = static_cast<size_t>(step_->lanes());
    for (size_t i = 0; i < sequences.size();) {
        if (i > 0 && cancelled()) {
            QL_TRY(step_->discard());
            return int64_t{-1};
        }
        std::vector<MicroBatch> micros;
        for (; i < sequences.size() && micros.size() < side_by_side; i += batch) {
            const auto part = sequences.subspan(i, std::min(batch, sequences.size() - i));
            micros.push_back(MicroBatch::from_sequences(part, options_.batch, ctx_, weight));
            tokens += micros.back().n_tokens;
        }
        std::vector<float> losses(micros.size());
        QL_TRY(step_->accumulate(micros, options_.seed, state_.step, offset, losses));
        for (const float partial : losses) loss += partial;
        offset += static_cast<int64_t>(micros.size()) * options_.batch * ctx_;
        batch_done(false, static_cast<int64_t>(i), static_cast<int64_t>(sequences.size()));
    }
    return tokens;
}

Status Trainer::optimizer_step(double loss, ql_train_progress & p) {
    p.lr = learning_rate(schedule_, state_.step - state_.schedule_start);
    const auto t = static_cast<double>(state_.step - state_.skipped + 1);
    float hyper[QL_HYPER_N];
    hyper[QL_HYPER_LR] = static_cast<float>(p.lr);
    hyper[QL_HYPER_BETA1] = static_cast<float>(options_.beta1);
    hyper[QL_HYPER_BETA2] = static_cast<float>(options_.beta2);
    hyper[QL_HYPER_EPS] = static_cast<float>(options_.eps);
    hyper[QL_HYPER_DECAY] = static_cast<float>(options_.weight_decay);
    hyper[QL_HYPER_BIAS1] = static_cast<float>(1 - std::pow(options_.beta1, t));
    hyper[QL_HYPER_BIAS2] = static_cast<float>(1 - std::pow(options_.beta2, t));
    hyper[QL_HYPER_CLIP] = static_cast<float>(options_.clip);
    float norm = NAN;
    const bool learns = step_->has_trained_tokens();
    if (std::isfinite(loss)) {
        QL_TRY(step_->update(hyper, &norm));
    } else {
        QL_TRY(step_->discard());
    }
    p.grad_norm = norm;
    ++state_.step;
    const bool may_be_scale = state_.loss_scale.can_fall();
    state_.loss_scale.after_step(std::isfinite(norm), options_.loss_scale_steps);
    return std::isfinite(norm) ? watch_gradient(loss, norm, learns) : skip(p, may_be_scale);
}

/// A step without a finite gradient has changed nothing. It does not count towards the run's end where a smaller scale of the
/// loss may help.
Status Trainer::skip(ql_train_progress & p, bool may_be_scale) {
    p.skipped = reason_to_skip(p.loss);
    ++state_.skipped;
    ++run_skipped_;
    if (may_be_scale) return {};
    if (++state_.skipped_in_row < kMostSkipsInRow) return {};
    return diverged(p.skipped, state_.skipped_in_row);
}

/// Where the hidden state overflows, the head sees zeros: the loss is that of guessing, the gradient exactly 0. A step
/// from which nothing can be learnt says nothing.
Status Trainer::watch_gradient(double loss, float norm, bool learns) {
    state_.skipped_in_row = 0;
    if (!learns) return {};
    dead_in_row_ = norm == 0 && loss > kLearnt ? dead_in_row_ + 1 : 0;
    return dead_in_row_ < kMostSkipsInRow ? Status() : diverged("gradient is 0", dead_in_row_);
}

Status Trainer::diverged(const char * why, int64_t in_row) const {
    const char * weights = state_.step > in_row ? "" : ", or look for a weight that is not finite with ql-quantize";
    return error(QL_NON_FINITE, "the run has diverged: %s at step %lld%s; start anew with a lower --lr%s%s%s", why,
                 static_cast<long long>(state_.step),
                 in_row > 1 ? format(" (%lld in a row)", static_cast<long long>(in_row)).c_str() : "", weights,
                 checkpoint_.empty() ? "" : "; the last good checkpoint is ", checkpoint_.c_str());
}

/// Checks that the result of the run can be used. One skipped step at the end may be the fault of its samples.
Status Trainer::check_end() const {
    if (dead_in_row_ > 0) return diverged("gradient is 0", dead_in_row_);
    if (state_.skipped_in_row >= std::min<int64_t>(2, n_steps_))
        return diverged("loss or gradient is not finite", state_.skipped_in_row);
    if (state_.step > 0 && state_.skipped == state_.step)
        return diverged("loss or gradient is not finite", state_.step);
    return step_->parameters_are_finite() ? Status() : diverged("parameters are not finite", 1);
}

Status Trainer::after_step(ql_train_progress & p) {
    const double now = ql_os_seconds();
    if (state_.step == 1) state_.loss_first = p.loss;
    if (state_.step == first_step_ + 1) run_loss_first_ = p.loss;
    state_.loss_last = p.loss;
    state_.total_tokens += p.tokens;
    run_tokens_ += p.tokens;
    p.tok_s = static_cast<double>(p.tokens) / std::max(now - step_start_, 1e-9);
    return finish_step(p);
}

/// What a step is followed by. Where its evaluation is stopped, that is all to be done anew: it leaves no line of metrics.
Status Trainer::finish_step(ql_train_progress & p) {
    p.step = state_.step;
    p.epoch = static_cast<double>(state_.step) / static_cast<double>(sampler_.steps_per_epoch());
    p.total_tokens = run_tokens_;
    p.seconds = ql_os_seconds() - start_;
    p.rss_bytes = ql_os_rss();
    const Status evaluated = maybe_evaluate(p);
    if (evaluated.code() == QL_CANCELLED) {
        state_.unfinished = {true, p.tokens, p.loss, p.lr, p.grad_norm, p.tok_s, p.loss_scale};
        return stop_cancelled();
    }
    QL_TRY(evaluated);
    QL_TRY(metrics_.write(p));
    QL_TRY(maybe_save(p));
    if (options_.on_progress && options_.on_progress(options_.user, &p) != 0 && !is_over()) return stop_cancelled();
    return {};
}

/// Of a step that an earlier run, or an earlier call, made.
Status Trainer::go_on_in_evaluation() {
    const UnfinishedStep step = std::exchange(state_.unfinished, {});
    ql_train_progress p{};
    p.size = sizeof(p);
    p.n_steps = n_steps_;
    p.tokens = step.tokens;
    p.loss = step.loss, p.lr = step.lr, p.grad_norm = step.grad_norm, p.tok_s = step.tok_s,
    p.loss_scale = step.loss_scale;
    if (!std::isfinite(p.grad_norm)) p.skipped = reason_to_skip(p.loss);
    const int64_t saved = std::exchange(saved_step_, -1);  // a checkpoint there is of the unfinished step
    Status status = finish_step(p);
    if (state_.unfinished.is && saved == state_.step) saved_step_ = saved;
    return status;
}

Status Trainer::maybe_evaluate(ql_train_progress & p) {
    if (!eval_) return {};
    const bool due = options_.eval_every > 0 ? state_.step % options_.eval_every == 0 : epoch_ends();
    if (!due && state_.step != n_steps_) return {};
    QL_TRY(mean_loss(p.eval_loss, p.eval_tokens));
    p.has_eval = 1;
    if (!note_best(p.eval_loss) || best_path_.empty()) return {};
    QL_TRY(read_adapter());
    return save_adapter(adapter_, model_, best_path_);
}

/// Whether an evaluation is the best so far; of too many in a row that are not, the run ends.
bool Trainer::note_best(double loss) {
    if (best_path_.empty() && options_.early_stop == 0) return false;
    if (!std::isfinite(loss) || (state_.has_best && loss >= state_.best_eval)) {
        state_.ended = options_.early_stop > 0 && ++state_.evals_in_vain >= options_.early_stop;
        if (state_.ended && state_.step < n_steps_)
            log(format("ended    early: %lld evaluation%s without a lower loss than %.4f",
                       static_cast<long long>(state_.evals_in_vain), state_.evals_in_vain == 1 ? "" : "s",
                       state_.best_eval));
        return false;
    }
    state_.has_best = true;
    state_.best_eval = loss;
    state_.evals_in_vain = 0;
    return true;
}

void Trainer::batch_done(bool evaluates, int64_t done, int64_t n) const {
    if (options_.on_batch) options_.on_batch(options_.user, evaluates ? 1 : 0, done, n);
}

Status Trainer::maybe_save(ql_train_progress & p) {
    const bool due = options_.save_every > 0 && state_.step % options_.save_every == 0;
    if (checkpoint_dir_.empty() || (!due && !epoch_ends() && !is_over())) return {};
    if (state_.skipped_in_row > 0) return {};  // not a good state to keep
    QL_TRY(save());
    p.checkpointed = saved_step_ == state_.step;
    return {};
}

/// Saves only a state that can still learn: another would take the place of the last good checkpoint.
Status Trainer::save() {
    if (checkpoint_dir_.empty() || saved_step_ == state_.step) return {};
    if (dead_in_row_ > 0 || !step_->parameters_are_finite()) return {};
    if (const std::string other = point_.folder->in_the_way(state_.step); !other.empty()) {
        log(format("warning: %s: is no file, so there is no checkpoint of step %lld; move it away", other.c_str(),
                   static_cast<long long>(state_.step)));
        return {};  // one checkpoint less is better than a night's run that ends here
    }
    record_run();
    state_.adapter = adapter_record(adapter_);
    QL_ASSIGN(state_.metrics_bytes, metrics_.sync());
    QL_ASSIGN(checkpoint_, point_.folder->save(*step_, state_, options_.keep));
    saved_step_ = state_.step;
    return {};
}

Status Trainer::evaluate(double & loss, int64_t & tokens) {
    if (!eval_) return error(QL_INVALID_ARGUMENT, "evaluation: there is no evaluation data");
    QL_TRY(start_step());
    QL_TRY(mean_loss(loss, tokens));
    if (std::isfinite(loss)) return {};
    return error(QL_NON_FINITE,
                 "evaluation: the loss is not finite: the weights are damaged, or the run has diverged%s%s",
                 checkpoint_.empty() ? "" : "; the newest checkpoint is ", checkpoint_.c_str());
}

Status Trainer::remove_checkpoints() {
    if (!is_over())
        return error(QL_INVALID_ARGUMENT, "the run has not ended: step %lld of %lld",
                     static_cast<long long>(state_.step), static_cast<long long>(n_steps_));
    if (!point_.folder) return {};
    checkpoint_.clear();
    return point_.folder->clear_for_good();
}

Status Trainer::mean_loss(double & loss, int64_t & tokens) {
    double sum = 0;
    tokens = 0;
    const auto batch = static_cast<size_t>(options_.batch);
    std::vector<float> nll;
    for (size_t i = 0; i < eval_sequences_.size(); i += batch) {
        const auto part =
            std::span<const PackedSequence>(eval_sequences_).subspan(i, std::min(batch, eval_sequences_.size() - i));
        if (cancelled()) return error(QL_CANCELLED, "stopped in the evaluation");
        const MicroBatch micro = MicroBatch::from_sequences(part, options_.batch, ctx_, 1.0f);
        QL_TRY(step_->evaluate(micro, nll));
        for (const float v : nll) sum += v;
        tokens += micro.n_trained;
        batch_done(true, static_cast<int64_t>(i + part.size()), static_cast<int64_t>(eval_sequences_.size()));
    }
    loss = sum / static_cast<double>(tokens);
    return {};
}

ql_trainer_info Trainer::describe() const {
    const ql_memory_info memory = step_->memory();
    ql_trainer_info info{};
    info.size = sizeof(info);
    info.n_steps = n_steps_;
    info.steps_per_epoch = sampler_.steps_per_epoch();
    info.n_sequences = sampler_.n_sequences();
    info.n_tokens = data_.n_tokens();
    info.n_trained = data_.n_trained();
    info.n_parameters = step_->n_parameters();
    info.planned_peak_bytes = memory.total + step_->program_bytes();
    info.program_bytes = step_->program_bytes();
    info.arena_bytes = memory.results;
    info.leaf_bytes = memory.params + memory.states + memory.inputs;
    info.weight_bytes = memory.weights;
    const ql_plan_info micro = step_->micro();
    info.flops_per_step = micro.flops * static_cast<double>(options_.grad_accum);
    info.first_step = first_step_;
    info.resumed_from = resumed_from_.c_str();
    info.page_bytes = memory.pages;
    info.spill_bytes = micro.spill_bytes, info.lanes = micro.lanes, info.recomputed_layers = micro.recomputed;
    const int64_t lanes = std::max(micro.lanes, 1);
    info.groups = (options_.grad_accum + lanes - 1) / lanes;
    info.read_bytes_per_step = micro.read_bytes * static_cast<uint64_t>(info.groups);
    const auto all = static_cast<uint64_t>(options_.grad_accum), of = static_cast<uint64_t>(lanes);
    info.spill_read_bytes_per_step = micro.spill_read_bytes / of * all;
    info.spill_written_bytes_per_step = micro.spill_written_bytes / of * all;
    info.optimizer_bytes = step_->optimizer_bytes();
    info.optimizer_paged_bytes = step_->optimizer_paged_bytes();
    info.adapter_paged_bytes = step_->adapter_paged_bytes();
    info.batch = options_.batch, info.grad_accum = options_.grad_accum;
    info.epochs = static_cast<double>(n_steps_) / static_cast<double>(std::max<int64_t>(info.steps_per_epoch, 1));
    info.lr = options_.lr, info.schedule_start = state_.schedule_start;
    return info;
}

ql_train_summary Trainer::summary() const {
    ql_train_summary s{};
    s.size = sizeof(s);
    s.steps = state_.step - first_step_;
    s.tokens = run_tokens_;
    s.seconds = seconds_;
    s.tok_s = seconds_ > 0 ? static_cast<double>(run_tokens_) / seconds_ : 0;
    s.loss_first = run_loss_first_;
    s.loss_last = s.steps > 0 ? state_.loss_last : NAN;
    s.skipped = run_skipped_;
    s.checkpoint = checkpoint_.c_str();
    return s;
}

}  // namespace ql
