#include "models/train/trainer.hpp"

#include <algorithm>
#include <cmath>

#include "models/arch/gguf_keys.hpp"
#include "models/train/schedule.hpp"

namespace ql {
namespace {

constexpr int64_t kMostSkipsInRow = 10;

std::string text_of(const char * s) {
    return s ? s : "";
}

int64_t default_ctx(const ql_train_options & o, const Model & model) {
    return o.ctx > 0 ? o.ctx : std::min<int64_t>(512, model.hparams().n_ctx);
}

}  // namespace

Trainer::Trainer(const Model & model, Adapter & adapter, const Dataset & data, const Dataset * eval,
                 const ql_train_options & options)
    : model_(model),
      adapter_(adapter),
      data_(data),
      eval_(eval),
      options_(options),
      checkpoint_dir_(text_of(options.checkpoint_dir)),
      resume_(text_of(options.resume)),
      best_path_(text_of(options.best_path)),
      metrics_path_(text_of(options.metrics_path)),
      ctx_(default_ctx(options, model)),
      sampler_(data.samples,
               {ctx_, options.batch * options.grad_accum, options.packing != 0, options.shuffle != 0, options.seed}) {}

Result<std::unique_ptr<Trainer>> Trainer::create(const Model & model, ql_device * device, Adapter & adapter,
                                                 const Dataset & data, const Dataset * eval,
                                                 const ql_train_options & options) {
    if (data.samples.empty()) return error(QL_INVALID_ARGUMENT, "%s: no samples to train on", data.path.c_str());
    if (default_ctx(options, model) > model.hparams().n_ctx)
        return error(QL_INVALID_ARGUMENT, "ctx %lld is more than the model's context of %lld",
                     static_cast<long long>(options.ctx), static_cast<long long>(model.hparams().n_ctx));
    std::unique_ptr<Trainer> trainer(new Trainer(model, adapter, data, eval, options));
    QL_TRY(trainer->prepare(device));
    return trainer;
}

Status Trainer::prepare(ql_device * device) {
    if (eval_) {
        const auto order = sample_order(static_cast<int64_t>(eval_->samples.size()), false, 0, 0);
        eval_sequences_ = pack(eval_->samples, order, ctx_, options_.packing != 0);
    }
    n_steps_ = options_.steps > 0 ? options_.steps : options_.epochs * sampler_.steps_per_epoch();
    n_warmup_ = warmup_steps(options_.warmup, n_steps_);
    StepOptions step;
    step.n_tokens = ctx_ * options_.batch;
    step.recompute = options_.recompute;
    step.dropout = static_cast<float>(options_.lora_dropout);
    step.lora_plus_ratio = static_cast<float>(options_.lora_plus_ratio);
    QL_ASSIGN(step_, TrainStep::create(model_, device, adapter_, step));
    state_.fingerprint = fingerprint(device);
    QL_TRY(open_checkpoints());
    return metrics_.open(metrics_path_, state_.metrics_bytes);
}

std::string Trainer::fingerprint(ql_device * device) const {
    ql_device_info d{};
    d.size = sizeof(d);
    (void)ql_device_describe(device, &d);
    uint64_t shape = 0;  // of the adapter
    for (const LoraMatrix & l : adapter_.matrices)
        shape =
            shape * 1000003 + static_cast<uint64_t>(l.r * 31 + l.k * 7 + l.m) + static_cast<uint64_t>(l.scale * 4096);
    const ql_train_options & o = options_;
    std::string f =
        format("ctx=%lld;batch=%lld;grad-accum=%lld;steps=%lld;lr=%.17g;schedule=%d;warmup=%.17g;weight-decay=%.17g;",
               static_cast<long long>(ctx_), static_cast<long long>(o.batch), static_cast<long long>(o.grad_accum),
               static_cast<long long>(n_steps_), o.lr, static_cast<int>(o.schedule), o.warmup, o.weight_decay);
    f += format("beta1=%.17g;beta2=%.17g;eps=%.17g;clip=%.17g;lora-dropout=%.17g;lora-plus-ratio=%.17g;", o.beta1,
                o.beta2, o.eps, o.clip, o.lora_dropout, o.lora_plus_ratio);
    f += format("seed=%llu;shuffle=%d;packing=%d;data=%016llx;adapter-shape=%016llx;",
                static_cast<unsigned long long>(o.seed), o.shuffle, o.packing,
                static_cast<unsigned long long>(data_.fingerprint()), static_cast<unsigned long long>(shape));
    f += format("model=%016llx;base-type=%s;", static_cast<unsigned long long>(model_.fingerprint()),
                model_.base_type().c_str());
    return f + "device=" + d.backend + ";isa=" + d.isa + ";product=" + d.product + ";";
}

Status Trainer::open_checkpoints() {
    if (checkpoint_dir_.empty()) return {};
    QL_TRY(last_error(ql_os_make_directory(checkpoint_dir_.c_str())));
    ql_os_lock * lock = nullptr;
    QL_TRY(last_error(ql_os_lock_file((checkpoint_dir_ + "/lock").c_str(), &lock)));
    lock_.reset(lock);
    remove_unfinished(checkpoint_dir_);

    const std::string directory = resume_.empty() || resume_ == "auto" ? checkpoint_dir_ : resume_;
    std::string skipped;
    QL_ASSIGN(const std::string newest, newest_checkpoint(directory, &skipped));
    if (!skipped.empty()) log("passed over: " + skipped);
    if (resume_.empty()) {
        if (newest.empty()) return {};
        return error(
            QL_INVALID_ARGUMENT,
            "%s holds checkpoints of an earlier run: go on with --resume auto, or choose another --checkpoint-dir",
            checkpoint_dir_.c_str());
    }
    if (!newest.empty()) return resume(newest);
    if (resume_ == "auto") return {};
    return error(QL_NOT_FOUND, "%s: no checkpoint to resume from", directory.c_str());
}

Status Trainer::resume(const std::string & path) {
    const std::string expected = state_.fingerprint;
    QL_TRY(load_checkpoint(path, *step_, expected, state_));
    state_.fingerprint = expected;
    first_step_ = state_.step;
    saved_step_ = state_.step;
    resumed_from_ = checkpoint_ = path;
    return {};
}

void Trainer::log(const std::string & line) const {
    if (options_.on_log) options_.on_log(options_.user, line.c_str());
}

Status Trainer::run() {
    start_ = ql_os_seconds();
    Status result;
    while (result.ok() && state_.step < n_steps_) {
        result = cancelled() ? stop_cancelled() : one_step();
        seconds_ = ql_os_seconds() - start_;
    }
    Status read = step_->read_adapter(adapter_);
    return result.ok() ? std::move(read) : std::move(result);
}

Status Trainer::stop_cancelled() {
    QL_TRY(save());
    return error(QL_CANCELLED, "stopped after step %lld of %lld%s%s", static_cast<long long>(state_.step),
                 static_cast<long long>(n_steps_), checkpoint_.empty() ? "" : "; saved in ", checkpoint_.c_str());
}

Status Trainer::one_step() {
    step_start_ = ql_os_seconds();
    ql_train_progress p{};
    p.size = sizeof(p);
    p.n_steps = n_steps_;
    double loss = 0;
    QL_ASSIGN(p.tokens, forward_backward(loss));
    if (p.tokens < 0) return stop_cancelled();
    p.loss = loss;
    QL_TRY(optimizer_step(loss, p));
    return after_step(p);
}

/// Runs the step's micro-batches; -1 if it was cancelled on the way (then nothing was changed).
Result<int64_t> Trainer::forward_backward(double & loss) {
    const auto sequences = sampler_.step(state_.step);
    int64_t trained = 0, tokens = 0, offset = 0;
    for (const PackedSequence & s : sequences)
        trained += std::count_if(s.targets.begin(), s.targets.end(), [](int32_t t) { return t >= 0; });
    const float weight = 1.0f / static_cast<float>(std::max<int64_t>(trained, 1));
    const auto batch = static_cast<size_t>(options_.batch);
    for (size_t i = 0; i < sequences.size(); i += batch) {
        if (i > 0 && cancelled()) {
            QL_TRY(step_->discard());
            return int64_t{-1};
        }
        const auto part = sequences.subspan(i, std::min(batch, sequences.size() - i));
        const MicroBatch micro = MicroBatch::from_sequences(part, options_.batch, ctx_, weight);
        float partial = 0;
        QL_TRY(step_->accumulate(micro, options_.seed, state_.step, offset, &partial));
        loss += partial;
        tokens += micro.n_tokens;
        offset += options_.batch * ctx_;
    }
    return tokens;
}

Status Trainer::optimizer_step(double loss, ql_train_progress & p) {
    p.lr = learning_rate(options_.schedule, options_.lr, state_.step, n_steps_, n_warmup_);
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
    if (std::isfinite(loss)) {
        QL_TRY(step_->update(hyper, &norm));
    } else {
        QL_TRY(step_->discard());
    }
    p.grad_norm = norm;
    ++state_.step;
    if (std::isfinite(norm)) {
        state_.skipped_in_row = 0;
        return {};
    }
    p.skipped = std::isfinite(loss) ? "gradient is not finite" : "loss is not finite";
    ++state_.skipped;
    ++run_skipped_;
    if (++state_.skipped_in_row < kMostSkipsInRow) return {};
    return error(QL_NON_FINITE, "%s at step %lld, the %lldth in a row; the last good checkpoint is %s", p.skipped,
                 static_cast<long long>(state_.step), static_cast<long long>(kMostSkipsInRow),
                 checkpoint_.empty() ? "none" : checkpoint_.c_str());
}

Status Trainer::after_step(ql_train_progress & p) {
    const double now = ql_os_seconds();
    if (state_.step == 1) state_.loss_first = p.loss;
    state_.loss_last = p.loss;
    state_.total_tokens += p.tokens;
    run_tokens_ += p.tokens;
    p.step = state_.step;
    p.epoch = static_cast<double>(state_.step) / static_cast<double>(sampler_.steps_per_epoch());
    p.total_tokens = run_tokens_;
    p.tok_s = static_cast<double>(p.tokens) / std::max(now - step_start_, 1e-9);
    p.seconds = now - start_;
    p.rss_bytes = ql_os_rss();
    QL_TRY(maybe_evaluate(p));
    QL_TRY(metrics_.write(p));
    QL_TRY(maybe_save(p));
    if (options_.on_progress && options_.on_progress(options_.user, &p) != 0 && state_.step < n_steps_)
        return stop_cancelled();
    return {};
}

Status Trainer::maybe_evaluate(ql_train_progress & p) {
    if (!eval_) return {};
    const bool due = options_.eval_every > 0 ? state_.step % options_.eval_every == 0 : epoch_ends();
    if (!due && state_.step != n_steps_) return {};
    QL_TRY(evaluate(p.eval_loss, p.eval_tokens));
    p.has_eval = 1;
    if (best_path_.empty() || !std::isfinite(p.eval_loss) || (state_.has_best && p.eval_loss >= state_.best_eval))
        return {};
    state_.has_best = true;
    state_.best_eval = p.eval_loss;
    QL_TRY(step_->read_adapter(adapter_));
    return save_adapter(adapter_, model_, best_path_);
}

Status Trainer::maybe_save(ql_train_progress & p) {
    const bool due = options_.save_every > 0 && state_.step % options_.save_every == 0;
    if (checkpoint_dir_.empty() || (!due && !epoch_ends() && state_.step != n_steps_)) return {};
    if (state_.skipped_in_row > 0) return {};  // not a good one
    QL_TRY(save());
    p.checkpointed = 1;
    return {};
}

Status Trainer::save() {
    if (checkpoint_dir_.empty() || saved_step_ == state_.step) return {};
    QL_ASSIGN(state_.metrics_bytes, metrics_.sync());
    QL_TRY(save_checkpoint(checkpoint_dir_, options_.keep, *step_, state_, &checkpoint_));
    saved_step_ = state_.step;
    return {};
}

Status Trainer::evaluate(double & loss, int64_t & tokens) {
    if (!eval_) return error(QL_INVALID_ARGUMENT, "evaluation: there is no evaluation data");
    double sum = 0;
    tokens = 0;
    const auto batch = static_cast<size_t>(options_.batch);
    std::vector<float> nll;
    for (size_t i = 0; i < eval_sequences_.size(); i += batch) {
        const auto part =
            std::span<const PackedSequence>(eval_sequences_).subspan(i, std::min(batch, eval_sequences_.size() - i));
        const MicroBatch micro = MicroBatch::from_sequences(part, options_.batch, ctx_, 1.0f);
        QL_TRY(step_->evaluate(micro, nll));
        for (const float v : nll) sum += v;
        tokens += micro.n_trained;
    }
    loss = tokens ? sum / static_cast<double>(tokens) : 0;
    return {};
}

ql_trainer_info Trainer::describe() const {
    const ql_plan_info plan = step_->micro_info();
    ql_trainer_info info{};
    info.size = sizeof(info);
    info.n_steps = n_steps_;
    info.steps_per_epoch = sampler_.steps_per_epoch();
    info.n_sequences = sampler_.n_sequences();
    info.n_tokens = data_.n_tokens();
    info.n_trained = data_.n_trained();
    info.n_parameters = step_->n_parameters();
    info.planned_peak_bytes = step_->planned_bytes() + step_->program_bytes();
    info.program_bytes = step_->program_bytes();
    info.arena_bytes = plan.arena_bytes;
    info.leaf_bytes = step_->planned_bytes() - plan.arena_bytes - plan.weight_bytes;
    info.weight_bytes = plan.weight_bytes;
    info.flops_per_step = plan.flops * static_cast<double>(options_.grad_accum);
    info.first_step = first_step_;
    info.resumed_from = resumed_from_.c_str();
    return info;
}

ql_train_summary Trainer::summary() const {
    ql_train_summary s{};
    s.size = sizeof(s);
    s.steps = state_.step - first_step_;
    s.tokens = run_tokens_;
    s.seconds = seconds_;
    s.tok_s = seconds_ > 0 ? static_cast<double>(run_tokens_) / seconds_ : 0;
    s.loss_first = state_.loss_first;
    s.loss_last = state_.loss_last;
    s.skipped = run_skipped_;
    s.checkpoint = checkpoint_.c_str();
    return s;
}

}  // namespace ql
