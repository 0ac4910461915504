#include "models/data/prompts.hpp"

#include <optional>

#include "models/base/date.hpp"
#include "models/base/utf8.hpp"
#include "models/data/each_record.hpp"
#include "models/data/render.hpp"
#include "models/data/source.hpp"
#include "models/json/blanks.hpp"

namespace ql {
namespace {

class PromptReader {
  public:
    PromptReader(const std::string & path, const Tokenizer & tokenizer, const ChatTemplate * chat,
                 const PromptOptions & options, Columns columns)
        : path_(path),
          tokenizer_(tokenizer),
          chat_(chat),
          renderer_(tokenizer, chat),
          options_(options),
          columns_(std::move(columns)) {}

    Result<std::vector<AskedPrompt>> run() {
        QL_ASSIGN(const std::string text, read_data_file(path_));
        QL_TRY(is_plain_text(path_) ? read_lines(text) : read_records(text));
        if (prompts_.empty()) return error(QL_BAD_FILE, "%s: no prompt is in this file", path_.c_str());
        return std::move(prompts_);
    }

  private:
    Status read_lines(const std::string & text) {
        int64_t number = 1;
        for (size_t at = 0; at < text.size(); ++number) {
            const size_t end = std::min(text.find('\n', at), text.size());
            std::string line = text.substr(at, end - at);
            if (line.ends_with('\r')) line.pop_back();
            at = end + 1;
            if (is_blank(line)) continue;
            const Status added =
                is_well_formed_utf8(line)
                    ? add(sample_of(std::move(line), number))
                    : error(QL_BAD_FILE, "the text is not UTF-8; save it as UTF-8, or convert it with iconv");
            if (!added.ok()) return at_line(added, path_, number);
        }
        return {};
    }

    Sample sample_of(std::string line, int64_t number) const {
        if (chat_ && !options_.raw) return prompt_of(std::move(line), number, options_.system);
        Sample sample;
        sample.line = number;
        sample.kind = Sample::Kind::completion;
        sample.prompt = std::move(line);
        return sample;
    }

    Status read_records(const std::string & text) {
        return for_each_record(text, path_, [&](std::string_view json, int64_t line, const std::string & fault) {
            const Status read = fault.empty() ? read_record(json, line) : error(QL_BAD_FILE, "%s", fault.c_str());
            return read.ok() ? read : at_line(read, path_, line);
        });
    }

    Status read_record(std::string_view json, int64_t line) {
        QL_ASSIGN(Sample sample, parse_prompt(json, line, columns_, options_.system));
        if (options_.raw && sample.kind == Sample::Kind::chat)
            return error(QL_UNSUPPORTED, "a conversation is no raw text: leave --raw out");
        return add(std::move(sample));
    }

    Status add(Sample sample) {
        QL_ASSIGN(const Rendered rendered, render(sample));
        const bool is_chat = sample.kind == Sample::Kind::chat;
        AskedPrompt prompt{std::move(is_chat ? sample.messages.back().content : sample.prompt),
                           path_ + ":" + std::to_string(sample.line), renderer_.tokenize(rendered, sample.line).tokens};
        if (prompt.tokens.empty()) return error(QL_BAD_FILE, "the prompt makes no token");
        prompts_.push_back(std::move(prompt));
        return {};
    }

    Result<Rendered> render(const Sample & sample) const {
        Rendered rendered;
        if (sample.kind != Sample::Kind::chat) return rendered.text = sample.prompt, rendered;
        if (!chat_)
            return error(QL_NOT_FOUND,
                         "a conversation needs a chat template, and the model has none; give one with --chat-template "
                         "NAME|FILE");
        QL_ASSIGN(rendered.text, chat_->render(sample.messages, true, sample.tools));
        find_answers(sample, rendered);
        return rendered;
    }

    /// Earlier answers are tokenised apart, as in training, where the text is the one that training has.
    void find_answers(const Sample & sample, Rendered & rendered) const {
        const auto is_answer = [](const Message & m) { return m.role == "assistant"; };
        if (std::none_of(sample.messages.begin(), sample.messages.end(), is_answer)) return;
        std::vector<Message> answered = sample.messages;
        answered.push_back({"assistant", "x"});
        const auto trained = chat_->render_for_training(answered, end_token_texts(tokenizer_), {}, sample.tools);
        if (!trained.ok() || trained->answers.empty()) return;
        const size_t end = trained->answers.back().begin;
        if (trained->text.compare(0, end, rendered.text) != 0) return;
        rendered.answers.assign(trained->answers.begin(), trained->answers.end() - 1);
    }

    const std::string & path_;
    const Tokenizer & tokenizer_;
    const ChatTemplate * chat_;
    SampleRenderer renderer_;
    const PromptOptions & options_;
    Columns columns_;
    std::vector<AskedPrompt> prompts_;
};

}  // namespace

Result<std::vector<AskedPrompt>> read_prompts(const std::string & path, const Model & model,
                                              const PromptOptions & options) {
    const Tokenizer * tokenizer = model.tokenizer();
    if (!tokenizer) return error(QL_INVALID_ARGUMENT, "%s: the model has no tokenizer", model.path().c_str());
    QL_ASSIGN(const Date day, options.date.empty() ? today() : read_date(options.date));
    const std::string & source = options.chat_template.empty() ? model.chat_template() : options.chat_template;
    std::optional<ChatTemplate> chat;
    if (!source.empty()) {
        QL_ASSIGN(chat, open_chat_template(source, *tokenizer, date_text(day), options.kwargs));
    } else if (!options.kwargs.empty()) {
        return error(QL_INVALID_ARGUMENT, "chat_template_kwargs: the model has no chat template");
    }
    Columns columns;
    if (!options.columns.empty()) {
        QL_ASSIGN(columns, parse_columns(options.columns));
    }
    return PromptReader(path, *tokenizer, chat ? &*chat : nullptr, options, std::move(columns)).run();
}

}  // namespace ql
