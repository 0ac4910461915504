#include "examples/finetune/training.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "examples/finetune/plot.hpp"
#include "ql/os.h"
#include "tools/cli/places.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {

void Training::plan() {
    ql_train_options options = o_.train_options();
    const std::string checkpoints = o_.checkpoint_path(), best = o_.best_path();
    options.ctx = in_.ctx;
    options.memory = device_options_.memory(), options.spill = device_options_.spill();
    options.merge_type = merge_type();
    options.merge_rounding = o_.merge_rounding == "nearest"    ? QL_MERGE_NEAREST
                             : o_.merge_rounding == "dithered" ? QL_MERGE_DITHERED
                                                               : QL_MERGE_AUTO;
    if (o_.writes()) {
        options.checkpoint_dir = checkpoints.c_str();
        options.resume = o_.resume.empty() ? nullptr : o_.resume.c_str();
        options.best_path = in_.eval ? best.c_str() : nullptr;
        options.metrics_path = o_.metrics.empty() ? nullptr : o_.metrics.c_str();
    }
    options.user = this;
    options.on_progress = [](void * self, const ql_train_progress * p) {
        return static_cast<Training *>(self)->on_progress(*p);
    };
    options.on_log = [](void * self, const char * line) { static_cast<Training *>(self)->display_.line(line); };
    options.on_batch = [](void * self, int evaluates, int64_t done, int64_t n) {
        static_cast<Training *>(self)->display_.batch(evaluates != 0, done, n);
    };
    options.cancelled = [](void *) { return g_interrupt != 0 ? 1 : 0; };
    const double begin = ql_os_seconds();
    check_input(within_budget(ql_trainer_create(in_.model.get(), in_.device.get(), in_.adapter.get(), in_.data.get(),
                                                in_.eval.get(), &options, out(trainer_)),
                              options.memory));
    program_.detail(format("planned  in %.2f s", ql_os_seconds() - begin));
    plan_ = sized<ql_trainer_info>();
    check_run(ql_trainer_describe(trainer_.get(), &plan_));
    warn_of_schedule();
    const std::string places = describe_places(ql_trainer_plan(trainer_.get(), QL_TRAIN_PLAN_MICRO_BATCH));
    if (!places.empty()) program_.detail("places   " + places);
    resumed_from_ = plan_.resumed_from ? plan_.resumed_from : "";
    if (!resumed_from_.empty())
        program_.note(
            format("resumed  %s, after step %lld", resumed_from_.c_str(), static_cast<long long>(plan_.first_step)));
    else if (o_.writes() && !o_.resume.empty())
        begin_anew();
}

/// Where --resume auto finds nothing.
void Training::begin_anew() const {
    const std::string folder = o_.checkpoint_path();
    std::error_code ec;
    if (!o_.overwrite && std::filesystem::exists(o_.output, ec))
        bad_input(
            "--resume: %s holds no checkpoint to go on from, and a new run would replace %s; leave --resume out, "
            "choose another -o, or give --overwrite",
            folder.c_str(), o_.output.c_str());
    program_.note(format("note: --resume: %s holds no checkpoint to go on from; a new run begins", folder.c_str()));
}

/// Parts of the schedule that do not fit in the run.
void Training::warn_of_schedule() const {
    const int64_t n = plan_.n_steps - plan_.schedule_start;
    const auto steps_of = [&](double part) { return part < 1 ? std::ceil(part * static_cast<double>(n)) : part; };
    const auto run = static_cast<double>(n);
    const double warmup = steps_of(o_.warmup), decay = o_.schedule == "wsd" ? steps_of(o_.decay) : 0;
    if (o_.warmup >= 1 && warmup >= run)
        program_.note(format(
            "warning: --warmup: %g steps, the schedule has %s: the learning rate rises to the very last one; a part of "
            "them is a number below 1, such as 0.1",
            o_.warmup, print_count(n).c_str()));
    else if (warmup + decay > run)
        program_.note(
            format("warning: --decay: %g steps and %g of warm-up, the schedule has %s: the learning rate falls from "
                   "the end of the warm-up on",
                   decay, warmup, print_count(n).c_str()));
}

int64_t Training::merge_type() const {
    if (o_.merge_aware.empty()) return QL_MERGE_NONE;
    if (o_.merge_aware == "keep") return QL_BASE_KEEP;
    const std::string base = ModelOptions::describe(in_.model).base_type;
    const bool named = o_.merge_aware != "base";
    const int64_t type = parse_base_type("--merge-aware", named ? o_.merge_aware : base, false);
    if (!named && ql_dtype_block_length(static_cast<ql_dtype>(type)) == 1)
        bad_input("--merge-aware: the base is %s; name the type of the merge, such as --merge-aware=q4_0",
                  base.c_str());
    return type;
}

void Training::run() {
    program_.begin_work();
    say_plan();
    show_plan();
    say_old_best();
    const std::string evaluating = "stopping after this batch of the evaluation", at_once = "; again to quit at once";
    StopAnswers answers(evaluating, at_once, at_second_stop(), program_.quiet);
    answers_ = &answers;
    set_stage("evaluating before the first step");
    eval_before_ = plan_.first_step == 0 ? evaluate("before") : NAN;
    begin_history();
    sample(plan_.first_step);
    set_stage("training");
    answers.say_at_first("finishing this batch, then saving", "; again to quit without saving");
    run_steps();
    answers.say_at_first(evaluating, at_once);
    set_stage("evaluating after the last step");
    eval_after_ = evaluate("after");
    if (samples_ && samples_->has_any()) program_.detail(format("samples  %.1f s in all", samples_->seconds()));
    say_no_gain();
    say_early_end();
    check_saved(ql_adapter_save(in_.adapter.get(), o_.output.c_str()));
    if (!o_.plot.empty()) write_plot(o_.plot, display_.title, display_.history);
    // Without a step, or the end of one, they are a run's that is to stay as it is.
    if (has_progress_ && !o_.keep_checkpoints) {
        History::forget(o_.checkpoint_path());
        check_run(ql_trainer_remove_checkpoints(trainer_.get()));
    }
    answers_ = nullptr;
}

/// What the picture shows: the title, and the curve as far as an earlier part of the run left it.
void Training::begin_history() {
    auto adapter = sized<ql_adapter_info>();
    check_run(ql_adapter_describe(in_.adapter.get(), &adapter));
    const std::string more = o_.data.size() > 1 ? format(" + %zu", o_.data.size() - 1) : "";
    display_.title = {model_options_.path(), o_.data.front() + more, adapter.r_min, adapter.r_max, plan_.lr};
    History & history = display_.history;
    if (!o_.plot.empty() || page_.board()) history.keep_in(o_.checkpoint_path());
    if (!resumed_from_.empty())
        history.read(std::filesystem::path(resumed_from_).parent_path(), o_.metrics, plan_.first_step);
    if (std::isfinite(eval_before_)) history.add_eval(0, eval_before_);
    display_.show_history();
}

void Training::run_steps() {
    display_.begin_steps(plan_.first_step, plan_.n_steps);
    const Status status = ql_trainer_run(trainer_.get());
    display_.end_steps();
    if (!status.ok()) display_.stopped();
    check_not_stopped(status);
}

/// In this process.
int64_t Training::steps_done() const {
    auto summary = sized<ql_train_summary>();
    check_run(ql_trainer_summary(trainer_.get(), &summary));
    return summary.steps;
}

/// How it could go on: its checkpoints are gone by then, unless they are kept.
void Training::say_early_end() const {
    const int64_t done = steps_done();
    if (done == 0 || plan_.first_step + done >= plan_.n_steps) return;
    program_.note(o_.keep_checkpoints
                      ? "note: the run ended early; with a larger --early-stop, --resume auto goes on with it"
                      : "note: the run ended early; with --keep-checkpoints it could go on by --resume auto "
                        "with a larger --early-stop");
}

double Training::evaluate(const char * when) {
    if (!in_.eval) return NAN;
    double loss = 0;
    int64_t tokens = 0;
    display_.begin("eval");
    const Status status = ql_trainer_evaluate(trainer_.get(), &loss, &tokens);
    display_.end();
    check_not_stopped(status);
    program_.note(format("eval     %s: loss %.4f over %s tokens", when, loss, print_count(tokens).c_str()));
    return loss;
}

void Training::check_not_stopped(const Status & status) const {
    const Code code = status.code();
    if (code == QL_CANCELLED) throw Stop{kInterrupted, status.message() + (is_saved() ? go_on() : "")};
    const bool is_disk = code == QL_NO_SPACE || code == QL_IO || code == QL_NOT_FOUND;  // nothing is wrong with the run
    if (is_disk && is_saved()) throw Stop{kFailed, status.message() + go_on()};
    check_run(status);
}

int Training::on_progress(const ql_train_progress & p) {
    if (!has_progress_ && plan_.first_step == 0) History::forget(o_.checkpoint_path());  // another run's
    display_.step(p);
    has_progress_ = true;
    if (p.checkpointed && !has_saved_) has_saved_ = true, answers_->say_at_second(at_second_stop());
    if (p.has_eval) sample(p.step);
    return g_interrupt != 0;
}

/// What the run will take, before it takes it.
void Training::say_plan() {
    if (program_.quiet && !page_.board()) return;
    const int64_t n = plan_.n_steps - plan_.first_step;
    expected_ = n > 0 ? expect() : ExpectedStep();
    const std::string time =
        n > 0 ? ", about " + print_duration(static_cast<double>(n) * expected_->seconds) + " without evaluations" : "";
    program_.note(format("plan     %s of memory, %s step%s%s", print_size(plan_.planned_peak_bytes).c_str(),
                         print_count(n).c_str(), n == 1 ? "" : "s", time.c_str()));
}
void Training::show_plan() {
    if (!page_.board()) return;
    page_.show_plan(report(false), DeviceOptions::line(DeviceOptions::describe(in_.device)));
    display_.show_on(page_.board());
    samples_.emplace(in_, *page_.board());
    samples_->choose(device_options_.memory() > 0);
}

void Training::set_stage(const char * stage) {
    if (page_.board()) page_.board()->set_stage(stage);
}

/// With the parameters as they are after a step.
void Training::sample(int64_t step) {
    if (!samples_ || !samples_->has_any()) return;
    check_run(ql_trainer_read_adapter(trainer_.get()));
    samples_->answer(step);
}

/// Beside the new adapter it would look like its own.
void Training::say_old_best() const {
    std::error_code ec;
    if (!resumed_from_.empty() || !std::filesystem::exists(o_.best_path(), ec)) return;
    program_.note(
        format("note: %s is the best adapter of an earlier run; %s", o_.best_path().c_str(),
               in_.eval ? "the first evaluation of this one replaces it" : "it stays, as this one evaluates nothing"));
}

bool Training::has_no_gain() const {
    return std::isfinite(eval_before_) &&
           std::all_of(display_.history.evals().begin(), display_.history.evals().end(),
                       [&](const History::Eval & eval) { return eval.step == 0 || !(eval.loss < eval_before_); });
}
/// The evaluation before training is no adapter's: the best one may be worse than none.
void Training::say_no_gain() const {
    if (has_no_gain())
        program_.note(
            format("warning: no evaluation was below the one before training, %.4f: on this data the model is "
                   "better %s; try a lower --lr, fewer --epochs, or more data",
                   eval_before_, o_.init_adapter.empty() ? "without the adapter" : "with the adapter as it was"));
}

/// The steps are done and in the last checkpoint: if the adapter cannot be written, no second training is needed.
void Training::check_saved(const Status & status) const {
    if (!status.ok()) throw Stop{kFailed, status.message() + "; the training is not lost" + go_on()};
}

/// Whether a checkpoint is there to go on from.
bool Training::is_saved() const {
    auto summary = sized<ql_train_summary>();
    std::error_code ec;
    return ql_trainer_summary(trainer_.get(), &summary) == QL_OK && *summary.checkpoint &&
           std::filesystem::exists(summary.checkpoint, ec);
}
std::string Training::at_second_stop() const {
    return is_saved() ? "ended without saving" + go_on() : "ended; nothing was saved yet";
}

/// Where another folder's checkpoint is the last one, the run goes on from there again.
std::string Training::go_on() const {
    auto summary = sized<ql_train_summary>();
    const bool known = ql_trainer_summary(trainer_.get(), &summary) == QL_OK && *summary.checkpoint;
    const bool own = !known || std::filesystem::path(summary.checkpoint).parent_path() == o_.checkpoint_path();
    return "; go on with: " +
           program_.command_line({"--resume"}, {"--overwrite"}, "--resume " + (own ? "auto" : shell_word(o_.resume)));
}

ExpectedStep Training::expect() const {
    const double flops = measure_products(in_.device, ModelOptions::describe(in_.model), in_.ctx * plan_.batch);
    return expect_step(plan_, flops, plan_.read_bytes_per_step ? measure_reading(model_options_.path()) : 0);
}

RunReport Training::report_of_inputs() const {
    RunReport r;
    r.device = DeviceOptions::describe(in_.device), r.ctx = in_.ctx;
    r.has_spill = device_options_.spill() != nullptr;
    r.model = model_options_.path(), r.base_type = ModelOptions::describe(in_.model).base_type;
    r.plan = sized<ql_trainer_info>(), r.summary = sized<ql_train_summary>();
    r.plan.epochs = r.plan.lr = NAN;
    r.summary.loss_first = r.summary.loss_last = r.summary.tok_s = NAN;
    return r;
}

RunReport Training::report(bool ran) const {
    RunReport r = report_of_inputs();
    r.plan = plan_, r.ran = ran;
    r.resumed_from = resumed_from_, r.eval_before = eval_before_, r.eval_after = eval_after_;
    auto adapter = sized<ql_adapter_info>();
    check_run(ql_adapter_describe(in_.adapter.get(), &adapter));
    r.is_plain = std::string(adapter.kind) != "dora" && adapter.n_norms == 0 && adapter.n_row_weights == 0;
    if (!ran) {
        r.expected = expected_ ? *expected_ : expect();
        return r;
    }
    check_run(ql_trainer_summary(trainer_.get(), &r.summary));
    r.adapter = o_.output, r.best = in_.eval ? o_.best_path() : "", r.has_no_gain = has_no_gain();
    r.checkpoint = r.summary.checkpoint;
    for (const History::Eval & eval : display_.history.evals())
        if (eval.step > 0 && !(eval.loss >= r.eval_best)) r.eval_best = eval.loss;
    r.plot = o_.plot;
    return r;
}

}  // namespace ql::cli
