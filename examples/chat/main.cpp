// ql-chat: talks to a model, or completes a text (-p), with or without adapters. Answers stream to stdout.
#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>

#include "examples/chat/answer_stream.hpp"
#include "examples/chat/chat_commands.hpp"
#include "examples/chat/conversation.hpp"
#include "examples/chat/line_reader.hpp"
#include "examples/chat/lora_command.hpp"
#include "examples/chat/prompt_answers.hpp"
#include "examples/chat/read_prompt.hpp"
#include "tools/cli/chat_options.hpp"
#include "tools/cli/device_options.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/memory_plan.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/tokens.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr const char * kExamples =
    "  ql-chat -m model.gguf --lora adapter.gguf\n"
    "  ql-chat -m model.gguf --system 'Answer in one word.' -p 'Capital of France?' --temp 0\n"
    "  ql-chat -m model.gguf --raw -p 'Once upon a time' -n 64\n"
    "  ql-chat -m model.gguf --raw -p 'The capital of France is' -n 1 --logprobs 5 --json\n"
    "  echo 'Two mugs to Rome, please.' | ql-chat -m model.gguf\n"
    "  ql-chat -m model.gguf -p - < letter.txt\n"
    "  ql-chat -m model.gguf --lora adapter.gguf --prompts questions.jsonl --temp 0 -o answers.jsonl\n"
    "  ql-chat -m model.gguf --memory 4GiB --dry-run";

constexpr const char * kHint = "Ctrl-C again, Ctrl-D or /exit ends the chat";

std::string without_blanks(const std::string & text) {
    const char * const blanks = " \t\r";
    const size_t first = text.find_first_not_of(blanks);
    return first == text.npos ? "" : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

class Chat {
  public:
    Chat()
        : program_(
              "ql-chat",
              "Talks to a model; with -p answers a message, or completes a text; with --prompts answers those of a "
              "file. /exit or the end of the input ends a "
              "chat, Ctrl-C an "
              "answer. From a file or a pipe each line is a message, which is answered before the next is read; -p - "
              "takes all lines as one text. Commands of a chat:\n" +
                  ChatCommands::help(),
              kExamples),
          device_options_(program_),
          model_options_(program_, true),
          chat_options_(program_, "Instead of the adapter's or the model's", "today"),
          prompt_answers_(program_) {
        program_
            .text("-p,--prompt", prompt_,
                  "Answers this message and ends; a model without a chat template completes it as a text; -: the whole "
                  "of "
                  "standard input, without the end of its last line")
            ->option_text("TEXT");
        program_.flag("--raw", raw_, "-p is a text to be completed, whether there is a chat template or not");
        program_.flag("--chat", chat_, "-p is a message, and a model without a chat template refused");
        program_.text("--system", system_, "Tells the model what it is, in a chat")->option_text("TEXT");
        program_.number("-n,--predict", n_predict_, 1, 1 << 20, "Most tokens of an answer (default: until it ends)")
            ->default_str("");
        program_
            .number("-c,--ctx", ctx_, 8, 1 << 20,
                    "Tokens that are remembered (default: 2048, or the model's if that is less)")
            ->default_str("");
        program_.number("--temp", sampling_.temperature, 0, 100, "Temperature; 0: always the most probable token");
        program_.number("--top-k", sampling_.top_k, 0, 1 << 24, "Only the k most probable tokens; 0: all");
        program_.number("--top-p", sampling_.top_p, 0.0001, 1,
                        "Only tokens that make up this much probability; 1: all");
        program_.number("--min-p", sampling_.min_p, 0, 1,
                        "Only tokens at least this fraction as probable as the best; 0: all");
        program_.number("--repeat-penalty", sampling_.repeat_penalty, 0.1, 10,
                        "Makes the last 64 tokens less likely; 1: off");
        program_.texts("--stop", stops_, "Ends an answer before this text; may be given several times")
            ->one_each_time()
            ->option_text("TEXT");
        program_.number("--logprobs", n_top_, 1, 100, "With -p: log-probabilities of the K best tokens at each place")
            ->default_str("")
            ->option_text("K");
        add_dry_run(program_, dry_run_);
        program_.seed(sampling_.seed);
    }

    int main(int argc, char ** argv) {
        return program_.run(argc, argv, [this] { return body(); });
    }

  private:
    int body() {
        complete_ = program_.count("--prompt") > 0;
        if (complete_ && prompt_ == "-") prompt_ = read_prompt();
        check_options();
        device_ = device_options_.open();
        model_ = model_options_.open(device_options_);
        loras_ = model_options_.open_loras(model_);
        template_ = chat_options_.given() ? chat_options_.read_template() : loras_.chat_template(model_);
        kwargs_ = chat_options_.kwargs(loras_.chat_kwargs());
        decide_chat();
        choose_ctx();
        if (prompt_answers_.given()) return answer_prompts();
        open_session();
        if (dry_run_) return print_plan();
        if (complete_) return complete();
        Conversation conversation = begin();
        return talk(conversation);
    }

    void check_options() const {
        prompt_answers_.check(model_options_.path());
        if (prompt_answers_.given()) {
            if (complete_) bad_input("-p and --prompts: give one of them");
            if (n_top_ > 0) bad_input("--logprobs needs -p: the lines of --prompts have no place for them");
            if (program_.json && !dry_run_) bad_input("--prompts writes lines of JSON in any case: leave --json out");
        } else if (!complete_ && ((program_.json && !dry_run_) || n_top_ > 0 || chat_ || raw_))
            bad_input("%s needs -p", chat_ ? "--chat" : raw_ ? "--raw" : n_top_ > 0 ? "--logprobs" : "--json");
        if (raw_ && chat_) bad_input("--raw and --chat contradict each other");
        if (raw_ && (!system_.empty() || chat_options_.any()))
            bad_input("--system, --chat-template, --chat-template-kwargs and --date need a chat: leave --raw out");
    }

    /// With -p and --prompts: whether they are messages.
    void decide_chat() {
        const bool can_chat = !template_.empty() || *ql_model_chat_template(model_.get()) != 0;
        if (prompt_answers_.given() && chat_ && !can_chat)
            bad_input("--chat needs a chat template, and the model has none: give --chat-template");
        if ((!complete_ && !prompt_answers_.given()) || raw_ || chat_) return;
        chat_ = can_chat;
        if (!chat_ && (!system_.empty() || chat_options_.any()))
            bad_input(
                "--system, --chat-template-kwargs and --date need a chat template, and the model has none: give "
                "--chat-template");
    }

    /// A conversation keeps the day that it began on: at midnight the text that the session has read stays the same.
    Conversation begin() const {
        check_kwargs();
        char date[QL_DATE_SIZE];
        check_run(ql_chat_date(chat_options_.date().empty() ? nullptr : chat_options_.date().c_str(), date));
        return {model_.get(), session_.get(), ctx_, {template_, date, kwargs_}, system_};
    }

    /// Before anything is asked: a template that cannot take them says so.
    void check_kwargs() const {
        if (kwargs_.empty()) return;
        auto options = defaults<ql_chat_options>();
        if (!template_.empty()) options.chat_template = template_.c_str();
        options.chat_template_kwargs = kwargs_.c_str();
        const char *roles[] = {"system", "user"}, *contents[] = {system_.c_str(), "x"};
        const int first = system_.empty() ? 1 : 0;
        CharsPtr text;
        check_input(ql_chat_render(model_.get(), &options, roles + first, contents + first, 2 - first, out(text)));
    }

    void choose_ctx() {
        const int64_t limit = ModelOptions::describe(model_).n_ctx;
        if (ctx_ == 0) ctx_ = std::min<int64_t>(2048, limit);
        if (ctx_ > limit)
            bad_input("--ctx: %lld is out of range; 8 to %lld are possible with this model",
                      static_cast<long long>(ctx_), static_cast<long long>(limit));
    }

    void open_session() {
        session_ = ql::cli::open_session(model_, device_, loras_,
                                         {ctx_, device_options_.cache_type(), device_options_.memory()});
        lora_command_.emplace(session_, loras_);
    }

    int answer_prompts() {
        if (chat_) check_kwargs();
        auto prompts = defaults<ql_prompt_options>();
        prompts.system = system_.c_str(), prompts.raw = raw_ ? 1 : 0;
        prompts.chat_template = template_.c_str(), prompts.chat_template_kwargs = kwargs_.c_str();
        prompts.date = chat_options_.date().c_str();
        auto answers = defaults<ql_answer_options>();
        answers.ctx = ctx_, answers.sampling = sampling_;
        answers.cache_type = device_options_.cache_type(), answers.memory = device_options_.memory();
        return prompt_answers_.run({model_, device_, loras_, prompts, answers, n_predict_, stops_, dry_run_});
    }

    int print_plan() const {
        auto info = sized<ql_inference_info>();
        check_run(ql_session_describe(session_.get(), &info));
        print_memory(program_, info);
        return kDone;
    }

    /// Completes one text, and prints its figures.
    int complete() {
        std::vector<int32_t> tokens;
        if (chat_) {
            const auto q = input_of(begin().ask(prompt_));
            if (!q.fits) throw Stop{kBadInput, too_long(q)};
            tokens = q.tokens;
        } else {
            tokens = tokenize_prompt(ql_model_tokenizer(model_.get()), prompt_);
        }
        program_.begin_work();
        const StopAnswers answers("", "", "interrupted", program_.quiet);
        const ql_generate_result result = generate(tokens, !program_.json && n_top_ == 0);
        if (program_.json)
            program_.print(as_json(result));
        else if (n_top_ > 0)
            stream_.logprobs().print();
        else
            std::printf("\n");
        if (!flush_results()) throw results_lost();
        if (chat_ && !program_.json) say_broken_off(result);
        print_speed(result);
        say_peak(program_);
        if (g_interrupt) throw Stop{kInterrupted, "interrupted"};
        return kDone;
    }

    int talk(Conversation & conversation) {
        program_.begin_work();
        const bool terminal = ql_os_is_terminal(1, nullptr) != 0;
        interactive_ = terminal && ql_os_is_terminal(0, nullptr) != 0;
        if (terminal) say_banner();
        ChatCommands commands(conversation, sampling_.temperature);
        LineReader reader(terminal ? "> " : "", interactive_);
        bool hinted = false;
        std::string line;
        for (;;) {
            const LineReader::Got got = g_interrupt ? LineReader::Got::stop : reader.read(line);
            const bool cleared = got == LineReader::Got::cleared;
            const bool first = cleared || (got == LineReader::Got::stop && !hinted);
            if (first && interactive_ && g_interrupt == SIGINT) {
                hinted = !cleared;  // Ctrl-C that took back what was typed is not the first of two
                g_interrupt = 0;
                std::printf("\n");
                if (hinted) program_.note(kHint);
                continue;
            }
            if (got != LineReader::Got::line) break;
            hinted = hinted_ = false;
            if (line.ends_with('\r')) line.pop_back();  // a file or a terminal may end lines this way
            const std::string word = without_blanks(line);
            const std::string command = ChatCommands::name_in(word);
            if (word.size() == command.size() && (command == "/exit" || command == "/quit")) break;
            if (command == LoraCommand::kName)
                adapt(conversation, word);
            else if (ChatCommands::is_in(word))
                obey(conversation, commands, word);
            else if (!word.empty())
                answer(conversation, line);
            if (!g_interrupt) continue;
            if (!terminal || g_interrupt != SIGINT) break;
            g_interrupt = 0;  // Ctrl-C ended the answer, not the chat
            hinted = hinted_;
        }
        if (terminal) std::printf("\n");
        check_interrupt();
        if (std::ferror(stdin)) throw Stop{kFailed, "stdin: cannot read"};
        return is_left_out_ && !interactive_ ? kBadInput : kDone;
    }

    void say_banner() const {
        program_.note("model    " + model_options_.path());
        for (size_t i = 0; i < loras_.paths.size(); ++i)
            program_.note(format("adapter  %s, scale %s", loras_.paths[i].c_str(),
                                 print_number(static_cast<double>(loras_.scales[i]), 2).c_str()));
        program_.note(format("context  %lld tokens; /help lists the commands, Ctrl-C ends an answer, Ctrl-D the chat",
                             static_cast<long long>(ctx_)));
    }

    void obey(Conversation & conversation, ChatCommands & commands, const std::string & line) {
        const ChatCommands::Reply reply = commands.run(line);
        if (!reply.text.empty())
            std::fprintf(reply.done ? stdout : stderr, "%s%s\n",
                         reply.done ? "" : "ql-chat: ", escape_text(reply.text).c_str());
        if (!flush_results()) throw results_lost();
        if (reply.ask) answer(conversation, *reply.ask);
    }

    /// Where other adapters apply from now on, the conversation so far is read again with the next message.
    void adapt(Conversation & conversation, const std::string & line) {
        const LoraCommand::Reply reply = lora_command_->run(line);
        std::fprintf(reply.done ? stdout : stderr, "%s%s\n",
                     reply.done ? "" : "ql-chat: ", escape_text(reply.text).c_str());
        if (!flush_results()) throw results_lost();
        if (reply.changed) conversation.forget_cache();
    }

    void answer(Conversation & conversation, const std::string & message) {
        const auto asked = conversation.ask(message);
        if (interactive_ && !asked.ok()) return say_unanswered("the message is not answered: " + asked.message());
        const Conversation::Question q = input_of(asked);  // a file or a pipe would go on without its answer
        is_left_out_ = is_left_out_ || !q.fits;
        if (!q.fits) return say_unanswered(too_long(q));
        if (q.forgotten)
            program_.note(format("note: the context of %lld tokens is full; turns that are forgotten, the oldest: %d",
                                 static_cast<long long>(ctx_), q.forgotten));
        std::optional<StopAnswers> answers;
        if (ql_os_is_terminal(1, nullptr)) answers.emplace(StopAnswers::Hint{kHint}, "interrupted", program_.quiet);
        const ql_generate_result result = generate(q.tokens, true);
        hinted_ = answers && answers->has_hinted();
        if (stream_.is_cancelled()) {
            conversation.withdraw();
            return program_.note("note: the message is taken back: it was not read to its end");
        }
        const bool whole = stream_.is_stopped() || result.ended != 0;
        conversation.answered({stream_.text(result), result.ended != 0, whole});
        if (stream_.is_stopped()) conversation.forget_cache();  // the session has read more than the answer
        std::printf("\n");
        if (!flush_results()) throw results_lost();
        say_broken_off(result);
        print_speed(result);
    }

    /// By what its end is, unless the model, a stop text or the user made it.
    void say_broken_off(const ql_generate_result & r) const {
        if (stream_.is_stopped() || r.ended != 0 || g_interrupt) return;
        if (ql_session_position(session_.get()) >= ctx_)
            program_.note(
                format("note: the answer is broken off: the context of %lld tokens is full; choose a larger one (-c)",
                       static_cast<long long>(ctx_)));
        else if (n_predict_ > 0 && r.n_generated >= n_predict_)
            program_.note(format("note: the answer is broken off: it has the %lld token%s of -n",
                                 static_cast<long long>(n_predict_), n_predict_ == 1 ? "" : "s"));
    }

    static void say_unanswered(const std::string & why) {
        std::fprintf(stderr, "ql-chat: %s\n", escape_text(why).c_str());
    }

    std::string too_long(const Conversation::Question & q) const {
        return format(
            "the message is not answered: it makes %zu tokens, the context holds %lld; choose a larger one (-c)",
            q.tokens.size(), static_cast<long long>(ctx_));
    }

    ql_generate_result generate(const std::vector<int32_t> & tokens, bool shows) {
        auto options = defaults<ql_generate_options>();
        options.n_predict = n_predict_ > 0 ? n_predict_ : -1;
        options.n_top = static_cast<int>(n_top_);
        options.sampling = sampling_;
        return stream_.generate(model_, session_, tokens, options, shows);
    }

    Json as_json(const ql_generate_result & r) const {
        return {{"text", stream_.text(r)},
                {"tokens", r.n_generated},
                {"prompt_tok_s", rate(r.n_prompt, r.prompt_seconds)},
                {"generation_tok_s", rate(r.n_generated, r.generation_seconds)},
                {"logprobs", stream_.logprobs().json()}};
    }

    void print_speed(const ql_generate_result & r) const {
        program_.detail(format("prompt %lld tokens, %.0f tok/s; generated %lld tokens, %.1f tok/s",
                               static_cast<long long>(r.n_prompt), rate(r.n_prompt, r.prompt_seconds),
                               static_cast<long long>(r.n_generated), rate(r.n_generated, r.generation_seconds)));
    }
    static double rate(int64_t n, double seconds) { return seconds > 0 ? static_cast<double>(n) / seconds : 0; }

    Program program_;
    DeviceOptions device_options_;
    ModelOptions model_options_;
    ChatOptions chat_options_;
    PromptAnswers prompt_answers_;
    std::string prompt_, system_, template_, kwargs_;
    bool chat_ = false, raw_ = false, complete_ = false, dry_run_ = false;
    bool interactive_ = false;  // a person types, and reads what is said
    bool is_left_out_ = false;  // a message that does not fit
    bool hinted_ = false;       // the last answer: Ctrl-C twice
    int64_t n_predict_ = 0, ctx_ = 0, n_top_ = 0;
    ql_sampling sampling_ = defaults<ql_sampling>();
    ModelPtr model_;
    ModelOptions::Loras loras_;
    DevicePtr device_;
    SessionPtr session_;
    std::optional<LoraCommand> lora_command_;
    std::vector<std::string> stops_;
    AnswerStream stream_{stops_};
};

}  // namespace
}  // namespace ql::cli

int main(int argc, char ** argv) {
    return ql::cli::Chat().main(argc, argv);
}
