// ql-finetune: trains a LoRA adapter on a quantised model, over the public API alone.
//
// Order: everything that can be wrong is checked first (options, outputs, model, data, plan), then the long work
// starts; the adapter is written at the very end, checkpoints keep what was learned until then.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "examples/finetune/history.hpp"
#include "examples/finetune/memory_plot.hpp"
#include "examples/finetune/options.hpp"
#include "examples/finetune/plot.hpp"
#include "examples/finetune/report.hpp"
#include "examples/finetune/train_on.hpp"
#include "tools/cli/data_options.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/places.hpp"
#include "tools/cli/progress.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr const char * kExamples =
    "  ql-finetune -m model.gguf -d chats.jsonl -o adapter.gguf\n"
    "  ql-finetune -m model.gguf -d chats.jsonl -o adapter.gguf --dry-run --plot memory.png\n"
    "  ql-finetune -m model.gguf -d chats.jsonl -o adapter.gguf --eval-split 0.05 --plot loss.png\n"
    "  ql-finetune -m model.gguf -d chats.jsonl -o adapter.gguf --resume auto\n"
    "  ql-finetune --export-from adapter.gguf.ckpt -o so-far.gguf\n"
    "  ql-finetune -m model.gguf -d chats.jsonl --show-data 3";

class Finetune {
  public:
    Finetune()
        : program_("ql-finetune", "Trains a LoRA adapter on the quantised weights of a language model.", kExamples),
          device_options_(program_),
          model_options_(program_, false, nullptr, false),
          o_(program_) {}

    int main(int argc, char ** argv) {
        return program_.run(argc, argv, [this] { return body(); });
    }

  private:
    int body() {
        if (!o_.export_from.empty()) return export_adapter();
        o_.check(model_options_.path(), device_options_.spill() != nullptr);
        if (o_.has_paged_optimizer()) device_options_.let_spill_alone();
        o_.check_outputs(model_options_.path());
        template_ = o_.chat.read_template();
        device_ = device_options_.open();
        say_header();
        const StopAnswers answers("stopping as soon as what is being prepared is ready", "; again to quit at once",
                                  "ended before the training began", program_.quiet);
        open_model();
        check_interrupt();
        if (o_.show_data == 0 || !o_.init_adapter.empty()) make_adapter();
        open_datasets();
        check_interrupt();
        if (o_.lora_init == "eva" && o_.show_data == 0) start_eva();
        if (o_.show_data > 0) return show_data();
        if (!o_.output.empty()) check_space();
        make_trainer();
        check_interrupt();
        if (o_.dry_run && !o_.plot.empty()) write_memory_plot(o_.plot, trainer_.get(), device_options_.memory());
        if (o_.dry_run) return report(false);
        return train();
    }

    /// What is there to be said before the model is read, which may take a while.
    void say_header() {
        if (o_.show_data > 0 || !ql_os_is_terminal(2, nullptr)) return;
        program_.begin_work();  // somebody watches: lines come as they are known
        std::error_code ec;
        const auto bytes = std::filesystem::file_size(model_options_.path(), ec);
        program_.note(format("ql-finetune %s", ql_version()));
        program_.note(format("model    %s%s%s", model_options_.path().c_str(), ec ? "" : ", ",
                             ec ? "" : print_size(bytes).c_str()));
        program_.note(DeviceOptions::line(DeviceOptions::describe(device_)));
    }

    /// The adapter of the newest checkpoint, as the run would have saved it.
    int export_adapter() {
        o_.check_export(model_options_.path());
        if (!model_options_.path().empty()) model_ = model_options_.open(nullptr);
        adapter_ = open_adapter(program_, o_.export_from, model_, o_.force);
        check_run(ql_adapter_save(adapter_.get(), o_.output.c_str()));
        if (program_.json)
            program_.print({{"adapter", o_.output}});
        else
            std::printf("adapter  %s\n", escape_line(o_.output).c_str());
        return kDone;
    }

    void open_model() {
        auto options = defaults<ql_model_options>();
        options.base_type = parse_base_type("--base-type", o_.base_type, true);
        if (device_options_.memory()) options.spill = device_options_.spill();
        options.embedding_type = parse_base_type("--embeddings", o_.embeddings, true);
        options.search = o_.search;
        if (o_.show_data > 0) {  // only its tokenizer is needed
            options.base_type = options.embedding_type = QL_BASE_KEEP;
            options.search = 0;
        }
        model_ = model_options_.open(&options);
        const ql_model_info info = ModelOptions::describe(model_);
        ctx_ = o_.ctx > 0 ? o_.ctx : std::min<int64_t>(512, info.n_ctx);
        if (ctx_ > info.n_ctx)
            bad_input("--ctx: %lld is out of range; 8 to %lld are possible with this model",
                      static_cast<long long>(ctx_), static_cast<long long>(info.n_ctx));
    }

    void open_datasets() {
        data_ = read_data(o_.data);
        warn_of_missing_ends();
        tell_date();
        for (int64_t i = 0; const char * note = ql_dataset_note(data_.get(), i); ++i)
            program_.note(std::string("note: ") + note);
        if (!o_.eval_data.empty()) eval_ = read_data(o_.eval_data);
        if (o_.eval_split <= 0) return;
        check_input(ql_dataset_split(data_.get(), o_.eval_split, o_.seed, out(eval_)));
        auto rest = sized<ql_dataset_info>(), held_out = sized<ql_dataset_info>();
        check_input(ql_dataset_describe(data_.get(), &rest));
        check_input(ql_dataset_describe(eval_.get(), &held_out));
        program_.note(format("split    %s samples to train on, %s held out", print_count(rest.n_samples).c_str(),
                             print_count(held_out.n_samples).c_str()));
    }

    DatasetPtr read_data(const std::vector<std::string> & paths) {
        ql_dataset_options options = o_.dataset_options(ctx_);
        const char * learned = ql_adapter_chat_template(adapter_.get());  // the template of --init-adapter stays in use
        if (o_.chat.given())
            options.chat_template = template_.c_str();
        else if (learned && *learned)
            options.chat_template = learned;
        const std::string date = o_.chat.date().empty() ? ql_adapter_chat_date(adapter_.get()) : o_.chat.date();
        options.date = date.empty() ? nullptr : date.c_str();
        DatasetPtr data = open_data(paths, model_, options);
        auto info = sized<ql_dataset_info>();
        check_input(ql_dataset_describe(data.get(), &info));
        std::string line = format("data     %s: %s samples, %s tokens, %s of them trained, longest %s",
                                  name_files(paths, info).c_str(), print_count(info.n_samples).c_str(),
                                  print_count(info.n_tokens).c_str(), print_count(info.n_trained).c_str(),
                                  print_count(info.longest).c_str());
        if (info.n_cut) line += "; " + print_count(info.n_cut) + " cut to --ctx";
        if (info.n_dropped) line += "; " + print_count(info.n_dropped) + " dropped";
        program_.note(line);
        note_bad_lines(program_, data, info);
        return data;
    }

    void warn_of_missing_ends() {
        auto info = sized<ql_dataset_info>();
        check_input(ql_dataset_describe(data_.get(), &info));
        if (info.n_ended > 0) return;
        if (info.n_cut < info.n_samples && trains_parts(read_train_on(o_.train_on)))
            return program_.note("note: no end of turn is among what --train-on " + o_.train_on +
                                 " trains: the model will stop as it did before");
        const char * why = info.n_cut == info.n_samples
                               ? "all are cut; use a larger --ctx"
                               : "neither the chat template nor the model names one; use another --chat-template, or "
                                 "name eos_token in the model's tokenizer_config.json";
        program_.note(
            format("warning: no sample has an end token that is trained, so the model will not learn to "
                   "stop: %s",
                   why));
    }

    void tell_date() {
        auto info = sized<ql_dataset_info>();
        check_input(ql_dataset_describe(data_.get(), &info));
        if (*info.date)
            program_.note(format("date     %s, for the chat template asks for the day (--date)", info.date));
    }

    int show_data() {
        auto info = sized<ql_dataset_info>();
        check_input(ql_dataset_describe(data_.get(), &info));
        Json samples = Json::array();
        for (int64_t i = 0; i < std::min(o_.show_data, info.n_samples); ++i) {
            const char * text = nullptr;
            check_input(ql_dataset_show(data_.get(), i, "[[", "]]", &text));
            if (program_.json)
                samples.push_back(text);
            else
                std::printf("--- sample %lld\n%s\n", static_cast<long long>(i + 1), escape_text(text).c_str());
        }
        if (program_.json) program_.print({{"samples", samples}});
        return kDone;
    }

    void make_adapter() {
        if (!o_.init_adapter.empty()) {
            adapter_ = open_adapter(program_, o_.init_adapter, model_, o_.force);
        } else {
            auto options = defaults<ql_lora_options>();
            options.r = o_.lora_r, options.alpha = o_.lora_alpha, options.rslora = o_.rslora;
            options.kind = o_.lora_type.c_str(), options.norms = o_.train_norms;
            options.tokens = o_.train_tokens.c_str(), options.invocation = o_.alora_invocation.c_str();
            options.targets = o_.targets.c_str(), options.seed = o_.seed;
            options.layers = o_.layers.c_str();
            options.rank_pattern = o_.rank_pattern.c_str(), options.alpha_pattern = o_.alpha_pattern.c_str();
            options.init = o_.lora_init == "eva" ? "default" : o_.lora_init.c_str();
            options.threads = DeviceOptions::describe(device_).threads;
            const double begin = ql_os_seconds();
            check_input(ql_adapter_create(model_.get(), &options, out(adapter_)));
            if (o_.lora_init == "pissa" || o_.lora_init == "loftq")
                program_.note(format("start    %s, %.1f s", o_.lora_init.c_str(), ql_os_seconds() - begin));
        }
        if (o_.chat.given())
            check_input(ql_adapter_set_chat_template(adapter_.get(), template_.c_str()));  // the file will carry it
    }

    /// Looks at the batches that training begins with.
    void start_eva() {
        auto options = defaults<ql_eva_options>();
        options.ctx = ctx_, options.batch = std::max<int64_t>(o_.batch(), 1), options.seed = o_.seed;
        options.shuffle = o_.shuffle, options.packing = o_.packing;
        const double begin = ql_os_seconds();
        check_input(ql_adapter_start_eva(adapter_.get(), model_.get(), device_.get(), data_.get(), &options));
        program_.note(format("start    eva, %.1f s", ql_os_seconds() - begin));
    }

    /// An adapter takes 4 bytes a value. The trainer checks the space of checkpoints itself.
    void check_space() {
        auto info = sized<ql_adapter_info>();
        check_run(ql_adapter_describe(adapter_.get(), &info));
        uint64_t values = static_cast<uint64_t>(info.n_parameters);
        for (int64_t i = 0; i < info.n_matrices; ++i) {  // a file also holds what of a matrix is not trained
            auto m = sized<ql_adapter_matrix_info>();
            check_run(ql_adapter_matrix(adapter_.get(), i, &m));
            values += static_cast<uint64_t>(m.k * m.r);
        }
        const auto bytes = 4 * values + (1 << 16);
        check_free_space(o_.output, bytes * (o_.has_eval() ? 2 : 1), "the adapter");
    }

    void make_trainer() {
        ql_train_options options = o_.train_options();
        const std::string checkpoints = o_.checkpoint_path(), best = o_.best_path();
        options.ctx = ctx_;
        options.memory = device_options_.memory(), options.spill = device_options_.spill();
        options.merge_type = merge_type();
        if (o_.writes()) {
            options.checkpoint_dir = checkpoints.c_str();
            options.resume = o_.resume.empty() ? nullptr : o_.resume.c_str();
            options.best_path = eval_ ? best.c_str() : nullptr;
            options.metrics_path = o_.metrics.empty() ? nullptr : o_.metrics.c_str();
        }
        options.user = this;
        options.on_progress = [](void * self, const ql_train_progress * p) {
            return static_cast<Finetune *>(self)->on_progress(*p);
        };
        options.on_log = [](void * self, const char * line) { static_cast<Finetune *>(self)->progress_line(line); };
        options.on_batch = [](void * self, int evaluates, int64_t done, int64_t n) {
            static_cast<Finetune *>(self)->on_batch(evaluates != 0, done, n);
        };
        options.cancelled = [](void *) { return g_interrupt != 0 ? 1 : 0; };
        const double begin = ql_os_seconds();
        check_input(ql_trainer_create(model_.get(), device_.get(), adapter_.get(), data_.get(), eval_.get(), &options,
                                      out(trainer_)));
        program_.detail(format("planned  in %.2f s", ql_os_seconds() - begin));
        plan_ = sized<ql_trainer_info>();
        check_run(ql_trainer_describe(trainer_.get(), &plan_));
        const std::string places = describe_places(ql_trainer_plan(trainer_.get(), QL_TRAIN_PLAN_MICRO_BATCH));
        if (!places.empty()) program_.detail("places   " + places);
        resumed_from_ = plan_.resumed_from ? plan_.resumed_from : "";
        if (!resumed_from_.empty())
            program_.note(format("resumed  %s, after step %lld", resumed_from_.c_str(),
                                 static_cast<long long>(plan_.first_step)));
        else if (std::error_code ec; o_.writes() && !o_.resume.empty() && std::filesystem::exists(o_.output, ec))
            program_.note(
                format("note: %s holds no checkpoint to go on from: the run starts anew, and its adapter will "
                       "replace %s",
                       checkpoints.c_str(), o_.output.c_str()));
    }

    int64_t merge_type() const {
        if (o_.merge_aware.empty()) return QL_MERGE_NONE;
        const std::string base = ModelOptions::describe(model_).base_type;
        const bool named = o_.merge_aware != "base";
        const int64_t type = parse_base_type("--merge-aware", named ? o_.merge_aware : base, false);
        if (!named && ql_dtype_block_length(static_cast<ql_dtype>(type)) == 1)
            bad_input("--merge-aware: the base is %s; name the type of the merge, such as --merge-aware=q4_0",
                      base.c_str());
        return type;
    }

    int train() {
        program_.begin_work();
        say_plan();
        say_old_best();
        StopAnswers answers("finishing this batch, then saving", "; again to quit without saving", at_second_stop(),
                            program_.quiet);
        answers_ = &answers;
        eval_before_ = plan_.first_step == 0 ? evaluate("before") : NAN;
        history_.read(o_.resume.empty() ? "" : o_.metrics, plan_.first_step);
        if (std::isfinite(eval_before_)) history_.evals.push_back({0.0, eval_before_});
        {
            Progress progress("train", program_.quiet);
            progress_ = &progress;
            step_ = plan_.first_step, n_steps_ = plan_.n_steps;
            const Status status = ql_trainer_run(trainer_.get());
            progress_ = nullptr;
            progress.clear();
            over_ = true;
            if (!status.ok()) replot();
            if (status.code() == QL_CANCELLED) throw Stop{kInterrupted, status.message() + (is_saved() ? go_on() : "")};
            check_run(status);
        }
        eval_after_ = evaluate("after");
        say_no_gain();
        check_saved(ql_adapter_save(adapter_.get(), o_.output.c_str()));
        if (!o_.plot.empty()) write_plot(o_.plot, history_);
        const bool trained = plan_.first_step < plan_.n_steps;  // else they are a run's that is to stay as it is
        if (trained && !o_.keep_checkpoints) check_run(ql_trainer_remove_checkpoints(trainer_.get()));
        return report(true);
    }

    /// What the run will take, before it takes it.
    void say_plan() const {
        if (program_.quiet) return;
        const int64_t n = plan_.n_steps - plan_.first_step;
        const std::string time =
            n > 0 ? ", about " + print_time(static_cast<double>(n) * expect().seconds) + " without evaluations" : "";
        program_.note(format("plan     %s of memory, %s step%s%s", print_size(plan_.planned_peak_bytes).c_str(),
                             print_count(n).c_str(), n == 1 ? "" : "s", time.c_str()));
    }
    /// Beside the new adapter it would look like its own.
    void say_old_best() const {
        std::error_code ec;
        if (!resumed_from_.empty() || !std::filesystem::exists(o_.best_path(), ec)) return;
        program_.note(format("note: %s is the best adapter of an earlier run; %s", o_.best_path().c_str(),
                             eval_ ? "the first evaluation of this one replaces it"
                                   : "it stays, as this one evaluates nothing"));
    }

    bool has_no_gain() const {
        return std::isfinite(eval_before_) &&
               std::all_of(history_.evals.begin(), history_.evals.end(), [&](const History::Point & eval) {
                   return eval.step == 0 || !(eval.loss < eval_before_);
               });
    }
    /// The evaluation before training is no adapter's: the best one may be worse than none.
    void say_no_gain() const {
        if (has_no_gain())
            program_.note(format("warning: no evaluation was below the one before training, %.4f: on this data the model is "
                                 "better without the adapter; try a lower --lr, fewer --epochs, or more data",
                                 eval_before_));
    }

    double evaluate(const char * when) {
        if (!eval_) return NAN;
        double loss = 0;
        int64_t tokens = 0;
        {
            Progress progress("eval", program_.quiet);
            progress_ = &progress;
            const Status status = ql_trainer_evaluate(trainer_.get(), &loss, &tokens);
            progress_ = nullptr;
            progress.clear();
            if (status.code() == QL_CANCELLED) throw Stop{kInterrupted, status.message() + (is_saved() ? go_on() : "")};
            check_run(status);
        }
        program_.note(format("eval     %s: loss %.4f over %s tokens", when, loss, print_count(tokens).c_str()));
        return loss;
    }

    int on_progress(const ql_train_progress & p) {
        const auto step = static_cast<double>(p.step);
        if (!p.skipped) history_.losses.push_back({step, p.loss});
        if (p.has_eval) history_.evals.push_back({step, p.eval_loss});
        if (p.skipped) progress_line(format("step %lld skipped: %s", static_cast<long long>(p.step), p.skipped));
        if (p.has_eval)
            progress_line(format("eval     step %lld: loss %.4f", static_cast<long long>(p.step), p.eval_loss));
        const std::string figures = format("step %lld/%lld  loss %s  %.0f tok/s  %s", static_cast<long long>(p.step),
                                           static_cast<long long>(p.n_steps), print_number(p.loss, 4).c_str(), p.tok_s,
                                           print_size(p.rss_bytes).c_str());
        step_ = p.step, n_steps_ = p.n_steps, figures_ = figures;
        if (progress_) progress_->update(step, static_cast<double>(p.n_steps), figures, p.step == p.n_steps);
        if (p.checkpointed && !has_saved_) has_saved_ = true, answers_->say_at_second(at_second_stop());
        if (p.checkpointed) replot();
        return g_interrupt != 0;
    }

    /// A step of a large model takes minutes: its micro-batches are shown, too, and those of evaluations.
    void on_batch(bool evaluates, int64_t done, int64_t n) {
        if (!progress_) return;
        const std::string part = format("%lld/%lld", static_cast<long long>(done), static_cast<long long>(n));
        const double of_step = static_cast<double>(done) / static_cast<double>(std::max<int64_t>(n, 1));
        if (n_steps_ == 0 || over_)
            progress_->update(static_cast<double>(done), static_cast<double>(n), "sequence " + part);
        else if (evaluates)
            progress_->update(static_cast<double>(step_ + 1), static_cast<double>(n_steps_), "evaluating " + part);
        else if (done < n)
            progress_->update(static_cast<double>(step_) + of_step, static_cast<double>(n_steps_),
                              figures_.empty() ? "step 1, sequence " + part : figures_ + "  sequence " + part);
    }

    /// The picture of what is known so far. It does not end a run that it cannot be written.
    void replot() {
        if (o_.plot.empty()) return;
        try {
            write_plot(o_.plot, history_);
        } catch (const Stop & stop) {
            progress_line("warning: " + stop.message);
        }
    }

    void progress_line(const std::string & line) {
        if (progress_)
            progress_->line(line);
        else
            program_.note(line);
    }

    /// The steps are done and in the last checkpoint: if the adapter cannot be written, no second training is needed.
    void check_saved(const Status & status) const {
        if (!status.ok()) throw Stop{kFailed, status.message() + "; the training is not lost" + go_on()};
    }

    /// Whether a checkpoint is there to go on from.
    bool is_saved() const {
        auto summary = sized<ql_train_summary>();
        return ql_trainer_summary(trainer_.get(), &summary) == QL_OK && *summary.checkpoint;
    }
    std::string at_second_stop() const {
        return is_saved() ? "ended without saving" + go_on() : "ended; nothing was saved yet";
    }

    std::string go_on() const {
        return "; go on with: " + program_.command_line({"--resume"}, {"--overwrite"}, "--resume auto");
    }

    int report(bool ran) {
        RunReport r;
        r.plan = plan_, r.device = DeviceOptions::describe(device_), r.ctx = ctx_, r.ran = ran;
        r.model = model_options_.path(), r.base_type = ModelOptions::describe(model_).base_type;
        r.resumed_from = resumed_from_, r.eval_before = eval_before_, r.eval_after = eval_after_;
        auto adapter = sized<ql_adapter_info>();
        check_run(ql_adapter_describe(adapter_.get(), &adapter));
        r.is_plain = std::string(adapter.kind) != "dora" && adapter.n_norms == 0 && adapter.n_row_weights == 0;
        r.summary = sized<ql_train_summary>();
        if (!ran) r.expected = expect();
        if (ran) {
            check_run(ql_trainer_summary(trainer_.get(), &r.summary));
            r.adapter = o_.output, r.best = eval_ ? o_.best_path() : "", r.has_no_gain = has_no_gain(), r.plot = o_.plot;
        }
        if (program_.json)
            program_.print(report_json(r));
        else if (ran)
            print_summary(r);
        else
            print_plan(r);
        return kDone;
    }

    ExpectedStep expect() const {
        const double flops = measure_products(device_, ModelOptions::describe(model_), ctx_ * plan_.batch);
        return expect_step(plan_, flops, plan_.read_bytes_per_step ? measure_reading(model_options_.path()) : 0);
    }

    Program program_;
    DeviceOptions device_options_;
    ModelOptions model_options_;
    FinetuneOptions o_;
    int64_t ctx_ = 0;
    std::string template_;  // of --chat-template
    ModelPtr model_;
    DatasetPtr data_, eval_;
    DevicePtr device_;
    AdapterPtr adapter_;
    TrainerPtr trainer_;
    ql_trainer_info plan_{};
    std::string resumed_from_;
    double eval_before_ = NAN, eval_after_ = NAN;
    History history_;
    Progress * progress_ = nullptr;
    StopAnswers * answers_ = nullptr;  // while the training runs
    bool has_saved_ = false;           // a checkpoint, in this process
    int64_t step_ = 0, n_steps_ = 0;  // done, and of the run
    bool over_ = false;               // the steps are
    std::string figures_;             // of the last step
};

}  // namespace
}  // namespace ql::cli

int main(int argc, char ** argv) {
    return ql::cli::Finetune().main(argc, argv);
}
