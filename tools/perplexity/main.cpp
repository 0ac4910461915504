// ql-perplexity: how well a model predicts a text, or the answers of a dataset; how near the answers are that it gives; and
// how many questions with several choices it gets right.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "ql/os.h"
#include "tools/cli/chat_options.hpp"
#include "tools/cli/data_options.hpp"
#include "tools/cli/device_options.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/memory_plan.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/progress.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/tokens.hpp"
#include "tools/cli/units.hpp"
#include "tools/perplexity/answer_tally.hpp"

namespace ql::cli {
namespace {

constexpr const char * kExamples =
    "  ql-perplexity -m model.gguf -f text.txt\n"
    "  ql-perplexity -m model.gguf --lora adapter.gguf -d held-out.jsonl --exact\n"
    "  ql-perplexity -m model.gguf -d held-out.jsonl --score normalized,f1 --predictions answers.jsonl\n"
    "  ql-perplexity -m model.gguf --choices questions.jsonl\n"
    "  ql-perplexity -m model.gguf -f text.txt -c 1024 --stride 512 --json\n"
    "  ql-perplexity -m model.gguf -f text.txt --memory 300MiB --dry-run";
constexpr size_t kLargestText = size_t{1} << 30;

class Perplexity {
  public:
    Perplexity()
        : program_("ql-perplexity", "Mean negative log-likelihood and perplexity of a text, or of a dataset's answers.",
                   kExamples),
          device_options_(program_),
          model_options_(program_, true),
          chat_(program_, "Instead of the adapter's or the model's", "the adapter's, or " QL_TRAINING_DATE) {
        program_.text("-f,--file", file_, "A text")->option_text("FILE");
        program_
            .texts("-d,--data", data_,
                   "A dataset: only its trained tokens count; files, folders or patterns, as ql-finetune's")
            ->option_text("FILE|FOLDER|GLOB");
        program_
            .text("--choices", choices_file_,
                  "Questions with several answers, {\"question\", \"choices\": [...], \"answer\": number from 0, or "
                  "text}: counts "
                  "those whose right choice is the most probable")
            ->option_text("FILE.jsonl");
        program_.flag(
            "--exact", exact_,
            "With -d: also generates each answer greedily, counts those that are exactly right, and shows the "
            "five of the others that the model finds the least probable");
        program_
            .list("--score", scores_,
                  "Generates answers as --exact does, and scores each against the wanted one: exact (the same bytes; "
                  "always among them), normalized (the same but for case, punctuation, a, an, the and white space: "
                  "SQuAD's exact match), f1 (of words in any order: SQuAD's), rouge_l (of the longest list of words "
                  "that both have in order), final (the same answer behind --marker, or the same last number: GSM8K's)")
            ->option_text("exact|normalized|f1|rouge_l|final|NAME,...")
            ->check([](const std::string & names) {
                std::string wrong;
                parse_answer_scores(names, wrong);
                return wrong;
            });
        program_.text("--marker", marker_, "With --score final: what stands before the final answer")
            ->option_text("TEXT");
        program_
            .text(
                "--predictions", predictions_,
                "With --exact or --score: each sample's input, wanted and generated answer, its NLL and scores, a line "
                "of JSON each")
            ->option_text("FILE.jsonl");
        add_columns(program_, columns_, "the data of -d");
        program_
            .number("-c,--ctx", ctx_, 8, 1 << 20,
                    "Tokens of a window, or of the longest sample (default: 512, or the model's if that is less)")
            ->default_str("");
        program_
            .number("--stride", stride_, 1, 1 << 20,
                    "With -f: how far windows advance (default: --ctx); less gives tokens more context")
            ->default_str("");
        program_.choice(
            "--count", count_, {"each", "llama.cpp"}, {},
            "With -f: which tokens count: each one once, or as llama-perplexity does it, of windows side by "
            "side the second half");
        program_.flag("--skip-bad-lines", skip_bad_lines_,
                      "Counts lines that cannot be read instead of stopping at them");
        add_dry_run(program_, dry_run_);
        program_.seed(seed_)->description("Accepted for uniformity: nothing here is random");
    }

    int main(int argc, char ** argv) {
        return program_.run(argc, argv, [this] { return body(); });
    }
    void take_sample(int64_t i, double nll, int64_t tokens) {
        nll_.resize(std::max(nll_.size(), static_cast<size_t>(i) + 1), NAN);
        nll_[static_cast<size_t>(i)] = tokens > 0 ? nll / static_cast<double>(tokens) : NAN;
    }

  private:
    int body() {
        check_options();
        device_ = device_options_.open();
        if (!file_.empty()) read_text();
        model_ = model_options_.open(device_options_);
        const ql_model_info info = ModelOptions::describe(model_);
        if (ctx_ == 0) ctx_ = std::min<int64_t>(512, info.n_ctx);
        if (ctx_ > info.n_ctx)
            bad_input("--ctx: %lld is out of range; 8 to %lld are possible with this model",
                      static_cast<long long>(ctx_), static_cast<long long>(info.n_ctx));
        if (stride_ > ctx_)
            bad_input("--stride: %lld is more than --ctx, %lld", static_cast<long long>(stride_),
                      static_cast<long long>(ctx_));
        loras_ = model_options_.open_loras(model_);
        template_ = chat_.given() ? chat_.read_template() : loras_.chat_template(model_);
        if (!data_.empty()) read_data();
        end_at_interrupt();  // nothing to save
        check_interrupt();
        program_.begin_work();
        if (!measure()) return kDone;
        if (generates()) generate_answers();
        choices_file_.empty() ? print_result() : print_choices();
        if (!predictions_.empty())  // in one piece, at the end: figures that were printed are not lost with it
            check_run(ql_os_write_file(predictions_.c_str(), answers_.lines().data(), answers_.lines().size()));
        say_peak(program_);
        return kDone;
    }

    bool counts_as_llama_cpp() const { return count_ == "llama.cpp"; }
    bool generates() const { return exact_ || !scores_.empty(); }
    const char * asked_by() const { return exact_ ? "--exact" : "--score"; }
    std::vector<AnswerScore> scores() const {
        std::string wrong;
        return scores_.empty() ? std::vector<AnswerScore>() : parse_answer_scores(scores_, wrong);
    }
    bool wants(AnswerScore score) const {
        const std::vector<AnswerScore> all = scores();
        return std::find(all.begin(), all.end(), score) != all.end();
    }

    void check_options() const {
        if (!file_.empty() + !data_.empty() + !choices_file_.empty() != 1)
            bad_input("give one of -f TEXT, -d DATA and --choices FILE (see --help)");
        if (generates() && dry_run_) bad_input("--dry-run plans the evaluation alone: leave %s out", asked_by());
        if (generates() && data_.empty()) bad_input("%s needs -d: it generates the answers of a dataset", asked_by());
        if (!predictions_.empty() && !generates()) bad_input("--predictions needs --exact or --score, which make them");
        if (program_.count("--marker") > 0 && !wants(AnswerScore::final)) bad_input("--marker needs --score final");
        check_columns(columns_, data_, "-d");
        Outputs outputs;
        outputs.input("-m", model_options_.path());
        for (const std::string & path : data_) outputs.input("-d", path);
        outputs.file("--predictions", predictions_, OutputKind::other);
        outputs.check();
        if (stride_ > 0 && file_.empty()) bad_input("--stride needs -f: samples are read whole");
        if (counts_as_llama_cpp() && file_.empty()) bad_input("--count needs -f: samples are read whole");
        if (counts_as_llama_cpp() && stride_ > 0) bad_input("--count llama.cpp: leave --stride out");
        if (data_.empty() && (chat_.any() || skip_bad_lines_))
            bad_input("--chat-template, --chat-template-kwargs, --date and --skip-bad-lines need -d");
    }

    void read_text() {
        text_ = input_of(read_file(file_, kLargestText));
        if (text_->view().empty()) bad_input("%s: the file is empty", file_.c_str());
        if (!is_utf8(text_->view()))
            bad_input("%s: the file is no text in UTF-8; save it as UTF-8, or convert it with iconv", file_.c_str());
    }

    void read_data() {
        auto options = defaults<ql_dataset_options>();
        options.ctx = ctx_;
        options.skip_bad_lines = skip_bad_lines_;
        options.columns = columns_.c_str();
        options.chat_template = template_.empty() ? nullptr : template_.c_str();
        const std::string date = chat_.date().empty() ? loras_.chat_date() : chat_.date();
        options.date = date.empty() ? nullptr : date.c_str();
        const std::string kwargs = chat_.kwargs(loras_.chat_kwargs());
        options.chat_template_kwargs = kwargs.c_str();
        dataset_ = open_data(data_, model_, options);
        info_ = sized<ql_dataset_info>();
        check_input(ql_dataset_describe(dataset_.get(), &info_));
        if (info_.n_cut)
            program_.note(format("note: %lld samples were cut to --ctx", static_cast<long long>(info_.n_cut)));
        if (info_.n_dropped)
            program_.note(format("note: %lld samples are left out: none of their answers fits in --ctx",
                                 static_cast<long long>(info_.n_dropped)));
        note_bad_lines(program_, dataset_, info_);
        if (generates()) read_questions();
        if (wants(AnswerScore::final)) check_finals();
    }

    void read_questions() {
        for (int64_t i = 0; i < info_.n_samples; ++i) {
            const char *prompt = nullptr, *answer = nullptr;
            const int32_t * tokens = nullptr;
            int64_t n = 0;
            check_run(ql_dataset_prompt(dataset_.get(), i, &prompt, &answer));
            check_run(ql_dataset_prompt_tokens(dataset_.get(), i, &tokens, &n));
            questions_.push_back({prompt, answer, {tokens, tokens + n}});
        }
    }

    /// A wanted answer without a final one counts as wrong, whatever the model says.
    void check_finals() {
        const AnswerScorer scorer(marker_);
        const int64_t n_without = std::count_if(questions_.begin(), questions_.end(),
                                                [&](const Question & q) { return !scorer.has_final(q.wanted); });
        if (n_without == 0) return;
        if (n_without == info_.n_samples)
            bad_input(
                "--score final: no answer of the data has '%s' or a number; name with --marker what stands before "
                "the final answer",
                marker_.c_str());
        program_.note(
            format("note: %lld of %lld samples have neither '%s' nor a number in their answer: their `final` is 0",
                   static_cast<long long>(n_without), static_cast<long long>(info_.n_samples), marker_.c_str()));
    }

    /// False: a dry run has printed its plan.
    bool measure() {
        result_ = sized<ql_nll>();
        Progress progress("evaluate", program_.quiet);
        auto options = defaults<ql_evaluate_options>();
        struct Watch {
            Progress * bar;
            Perplexity * self;
        } watch{&progress, this};
        options.ctx = ctx_, options.stride = stride_, options.user = &watch;
        options.count = counts_as_llama_cpp() ? QL_COUNT_LLAMA_CPP : QL_COUNT_EACH;
        options.on_sample = [](void * to, int64_t i, double nll, int64_t tokens) {
            static_cast<Watch *>(to)->self->take_sample(i, nll, tokens);
        };
        options.on_window = [](void * to, const ql_evaluated * e) {
            static_cast<Watch *>(to)->bar->update(static_cast<double>(e->done), static_cast<double>(e->n),
                                                  format("nll %.4f", e->nll));
            return g_interrupt != 0 ? 1 : 0;
        };
        options.memory = device_options_.memory();
        auto plan = sized<ql_inference_info>();
        if (dry_run_) {
            options.user = &plan;
            options.on_plan = [](void * to, const ql_inference_info * info) {
                *static_cast<ql_inference_info *>(to) = *info;
                return 1;
            };
        }
        const Status status = within_budget(evaluate(options), options.memory);
        if (dry_run_ && status.code() == QL_CANCELLED) return print_memory(program_, plan), false;
        if (choices_file_.empty() || status.code() == QL_NON_FINITE)
            check_run(status);
        else
            check_input(status);  // the file is read there
        return true;
    }

    Status evaluate(const ql_evaluate_options & options) {
        const auto * adapters = loras_.adapters.data();
        const float * scales = loras_.scales.data();
        if (!choices_file_.empty()) {
            choices_ = sized<ql_choices>();
            return ql_evaluate_choices(model_.get(), device_.get(), adapters, scales, loras_.n(), choices_file_.c_str(),
                                       &options, &choices_);
        }
        if (!text_)
            return ql_evaluate_dataset(model_.get(), device_.get(), adapters, scales, loras_.n(), dataset_.get(),
                                       &options, &result_);
        const std::string_view text = text_->view();
        return ql_evaluate_text(model_.get(), device_.get(), adapters, scales, loras_.n(), text.data(), text.size(),
                                &options, &result_);
    }

    /// The samples' prompts. An answer written another way may take more tokens than the wanted text; one that is far longer
    /// is wrong.
    std::vector<ql_prompt> make_prompts(int64_t ctx) const {
        const ql_tokenizer * tokenizer = ql_model_tokenizer(model_.get());
        std::vector<ql_prompt> prompts;
        for (const Question & q : questions_) {
            const auto n = static_cast<int64_t>(q.tokens.size());
            if (n > ctx)
                bad_input("sample %zu: its prompt makes %lld tokens, the context holds %lld; choose a larger one (-c)",
                          prompts.size() + 1, static_cast<long long>(n), static_cast<long long>(ctx));
            prompts.push_back(
                {q.tokens.data(), n, 2 * static_cast<int64_t>(tokenize(tokenizer, q.wanted).size()) + 16});
        }
        return prompts;
    }

    void generate_answers() {
        const int64_t ctx = std::min<int64_t>(2 * ctx_, ModelOptions::describe(model_).n_ctx);
        const std::vector<ql_prompt> prompts = make_prompts(ctx);
        answers_.score_by(scores(), marker_);
        Progress progress("exact", program_.quiet);
        progress_ = &progress;
        auto options = defaults<ql_answer_options>();
        options.ctx = ctx, options.cache_type = device_options_.cache_type(), options.memory = device_options_.memory();
        options.sampling.temperature = 0;
        options.user = this;
        options.on_answer = [](void * self, const ql_answer * a) {
            static_cast<Perplexity *>(self)->take_answer(*a);
            return 0;
        };
        check_run(
            within_budget(ql_prompts_answer(model_.get(), device_.get(), loras_.adapters.data(), loras_.scales.data(),
                                            loras_.n(), prompts.data(), static_cast<int64_t>(prompts.size()), &options),
                          options.memory));
    }

    void take_answer(const ql_answer & a) {
        const auto i = static_cast<size_t>(a.prompt);
        const Question & q = questions_[i];
        answers_.add({a.prompt + 1, q.asked, q.wanted, a.text, i < nll_.size() ? nll_[i] : NAN, a.n_generated,
                      a.end == QL_ANSWER_TURN},
                     !predictions_.empty());
        progress_->update(static_cast<double>(a.prompt + 1), static_cast<double>(info_.n_samples),
                          format("%lld of %lld right", static_cast<long long>(answers_.n_exact()),
                                 static_cast<long long>(a.prompt + 1)));
    }

    void print_choices() const {
        const auto part = [&](int64_t right) {
            return static_cast<double>(right) / static_cast<double>(choices_.questions);
        };
        if (program_.json)
            return program_.print({{"questions", choices_.questions},
                                   {"right", choices_.right},
                                   {"accuracy", part(choices_.right)},
                                   {"right_by_length", choices_.right_by_length},
                                   {"accuracy_by_length", part(choices_.right_by_length)},
                                   {"nll", number_or_null(choices_.nll)},
                                   {"tokens", choices_.tokens},
                                   {"seconds", choices_.seconds}});
        const auto row = [&](const char * name, int64_t right) -> std::vector<std::string> {
            return {name, format("%lld of %lld, %.1f %%", static_cast<long long>(right),
                                 static_cast<long long>(choices_.questions), 100 * part(right))};
        };
        Table table;
        table.left({1});
        table.add(row("right", choices_.right));
        table.add(row("right by length", choices_.right_by_length));
        table.add({"nll", print_number(choices_.nll, 4) + " nats a token of the right choices"});
        table.print(stdout);
    }

    void print_result() const {
        answers_.show_worst();
        const double tok_s = result_.seconds > 0 ? static_cast<double>(result_.tokens) / result_.seconds : 0;
        if (program_.json) {
            Json json = {{"nll", number_or_null(result_.nll)},
                         {"ppl", number_or_null(result_.ppl)},
                         {"tokens", result_.tokens},
                         {"tok_s", tok_s},
                         {"exact", nullptr}};
            if (generates())
                for (const auto & [name, mean] : answers_.means()) json[name] = mean;
            return program_.print(json);
        }
        Table table;
        table.left({1});
        table.add({"nll", print_number(result_.nll, 4) + " nats a token"});
        table.add({"perplexity", print_number(result_.ppl, 3)});
        table.add({"tokens", print_count(result_.tokens)});
        table.add({"speed", print_number(tok_s, 0) + " tok/s"});
        if (generates())
            for (std::vector<std::string> & row : answers_.rows()) table.add(std::move(row));
        table.print(stdout);
    }

    Program program_;
    DeviceOptions device_options_;
    ModelOptions model_options_;
    ChatOptions chat_;
    std::vector<std::string> data_;
    std::string file_, choices_file_, template_;
    std::string scores_, marker_ = kFinalMarker, predictions_, columns_, count_ = "each";
    AnswerTally answers_{program_};
    std::vector<double> nll_;  // of each sample, a token
    struct Question {
        std::string asked, wanted;
        std::vector<int32_t> tokens;  // of what is asked
    };
    std::vector<Question> questions_;  // the samples', where answers are generated
    Progress * progress_ = nullptr;
    bool exact_ = false, skip_bad_lines_ = false, dry_run_ = false;
    int64_t ctx_ = 0, stride_ = 0;
    uint64_t seed_ = 42;
    std::optional<FileBytes> text_;  // of -f
    ModelPtr model_;
    DatasetPtr dataset_;
    ql_dataset_info info_{};
    ModelOptions::Loras loras_;
    DevicePtr device_;
    ql_nll result_{};
    ql_choices choices_{};
};

}  // namespace
}  // namespace ql::cli

int main(int argc, char ** argv) {
    return ql::cli::Perplexity().main(argc, argv);
}
