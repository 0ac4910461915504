#include "examples/chat/prompt_answers.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "ql/os.h"
#include "tools/cli/data_options.hpp"
#include "tools/cli/memory_plan.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

/// By ql_answer_end.
constexpr const char * kEnds[] = {"end", "text", "length", "context"};

}  // namespace

PromptAnswers::PromptAnswers(Program & program) : program_(program) {
    program
        .text(
            "--prompts", path_,
            "Answers every prompt of a file, several side by side, and ends: of a .txt file each line is one, .jsonl, "
            ".json, .csv and .tsv hold samples as ql-finetune's, whose answers may be missing. Writes a line of JSON "
            "for each in their order: \"prompt\", \"text\", \"tokens\", and why it stops: \"end\", \"text\" (--stop), "
            "\"length\" (-n) or \"context\" (-c)")
        ->option_text("FILE");
    program.text("-o,--output", output_, "With --prompts: the lines in a file, once all are there")
        ->option_text("FILE.jsonl");
    add_columns(program, columns_, "the file of --prompts");
}

void PromptAnswers::check(const std::string & model_path) const {
    if (!given() && !output_.empty()) bad_input("-o needs --prompts: it takes their answers");
    check_columns(columns_, std::vector<std::string>(given() ? 1 : 0, path_), "--prompts");
    if (!given()) return;
    Outputs outputs;
    outputs.input("-m", model_path);
    outputs.input("--prompts", path_);
    outputs.file("-o", output_, OutputKind::other);
    outputs.check();
}

/// A prompt that does not fit is named with its line, before the first is answered.
void PromptAnswers::read(const Asking & asking) {
    ql_prompt_options options = asking.prompts;
    options.columns = columns_.c_str();
    check_input(ql_prompt_list_read(path_.c_str(), asking.model.get(), &options, out(list_)));
    for (int64_t i = 0; i < ql_prompt_list_count(list_.get()); ++i) {
        const char *text = nullptr, *place = nullptr;
        ql_prompt prompt{};
        check_run(ql_prompt_list_get(list_.get(), i, &prompt, &text, &place));
        if (prompt.n > asking.answers.ctx)
            bad_input("%s: the prompt makes %lld tokens, the context holds %lld; choose a larger one (-c)", place,
                      static_cast<long long>(prompt.n), static_cast<long long>(asking.answers.ctx));
        if (asking.n_predict > 0) prompt.n_predict = asking.n_predict;
        prompts_.push_back(prompt);
        texts_.push_back(text);
    }
    shown_.resize(prompts_.size());
    if (!asking.stops.empty()) stops_ = std::vector<StopTexts>(prompts_.size(), StopTexts(asking.stops));
}

bool PromptAnswers::take(int64_t prompt, const ql_generated & token) {
    const auto i = static_cast<size_t>(prompt);
    ++n_generated_;
    if (stops_.empty()) return false;
    shown_[i] += stops_[i].feed(token.piece);
    return stops_[i].stopped();
}

/// False: nobody reads the lines.
bool PromptAnswers::take(const ql_answer & answer) {
    const auto i = static_cast<size_t>(answer.prompt);
    const bool is_cut = answer.end == QL_ANSWER_STOPPED;
    const std::string line = json_text(Json{{"prompt", texts_[i]},
                                            {"text", is_cut ? shown_[i].c_str() : answer.text},
                                            {"tokens", answer.n_generated},
                                            {"stop", kEnds[answer.end]}}) +
                             "\n";
    shown_[i] = {};
    if (output_.empty()) {
        progress_->clear();
        std::fputs(line.c_str(), stdout);
        is_lost_ = !flush_results();
    } else {
        lines_ += line;
    }
    progress_->update(static_cast<double>(answer.prompt + 1), static_cast<double>(prompts_.size()),
                      print_count(n_generated_) + " tokens");
    return !is_lost_;
}

int PromptAnswers::run(const Asking & asking) {
    read(asking);
    program_.begin_work();
    const StopAnswers answers("", "", "interrupted", program_.quiet);
    const int code = answer(asking);
    if (!asking.dry_run) say_peak(program_);
    return code;
}

ql_answer_options PromptAnswers::callbacks(const Asking & asking) {
    ql_answer_options options = asking.answers;
    options.user = this;
    options.on_answer = [](void * self, const ql_answer * a) {
        return static_cast<PromptAnswers *>(self)->take(*a) ? 0 : 1;
    };
    options.on_token = [](void * self, int64_t prompt, const ql_generated * t) {
        return static_cast<PromptAnswers *>(self)->take(prompt, *t) ? 1 : 0;
    };
    options.cancelled = [](void *) { return g_interrupt != 0 ? 1 : 0; };
    if (asking.dry_run)
        options.on_plan = [](void * self, const ql_inference_info * info) {
            static_cast<PromptAnswers *>(self)->plan_ = *info;
            return 1;
        };
    return options;
}

int PromptAnswers::answer(const Asking & asking) {
    std::optional<Progress> bar(std::in_place, "answer", program_.quiet || asking.dry_run);
    progress_ = &*bar;
    const ql_answer_options options = callbacks(asking);
    const double start = ql_os_seconds();
    const Status status =
        within_budget(ql_prompts_answer(asking.model.get(), asking.device.get(), asking.loras.adapters.data(),
                                        asking.loras.scales.data(), asking.loras.n(), prompts_.data(),
                                        static_cast<int64_t>(prompts_.size()), &options),
                      options.memory);
    bar.reset();
    if (is_lost_) throw results_lost();
    if (asking.dry_run && status.code() == QL_CANCELLED) return print_memory(program_, plan_), kDone;
    if (status.code() == QL_CANCELLED) throw Stop{kInterrupted, "interrupted"};
    check_run(status);
    if (!output_.empty()) check_run(ql_os_write_file(output_.c_str(), lines_.data(), lines_.size()));
    const double seconds = ql_os_seconds() - start;
    program_.detail(format("%zu answers, %lld tokens, %.1f tok/s", prompts_.size(),
                           static_cast<long long>(n_generated_),
                           seconds > 0 ? static_cast<double>(n_generated_) / seconds : 0));
    return kDone;
}

}  // namespace ql::cli
