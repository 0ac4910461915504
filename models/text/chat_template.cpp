// Rendering, and finding the answers in what was rendered.
//
// The renderer's strings know which message their bytes come from (jinja_text.hpp), so an answer is found wherever the
// template puts it, trimmed or not. Where its training begins is a matter of inference: behind the generation prompt,
// which may hold more or less than the words before the content (Mistral's space, Qwen 3's empty thoughts). So the
// prompt is rendered too, and if the text starts with it, the span begins there.
#include "models/text/chat_template.hpp"

#include <algorithm>
#include <optional>

#include "models/text/jinja_eval.hpp"
#include "models/text/jinja_parser.hpp"

namespace ql {

using jinja::Run;
using jinja::Text;
using jinja::Value;

namespace {

constexpr size_t kMaxTemplate = 256 * 1024;

Status in_template(const Status & status) {
    if (status.ok()) return status;
    const bool refused = status.message().find("refuses these messages") != std::string::npos;
    return error(status.code(), "chat template, %s%s", status.message().c_str(),
                 refused ? "" : "; another one can be given with --chat-template");
}

/// The first of the end tokens in text[from, to), the longest where several begin.
std::optional<Span> find_end(const std::string & text, size_t from, size_t to,
                             std::span<const std::string> end_tokens) {
    std::optional<Span> best;
    for (const std::string & token : end_tokens) {
        const size_t at = token.empty() ? std::string::npos : text.find(token, from);
        if (at == std::string::npos || at + token.size() > to) continue;
        if (!best || at < best->begin || (at == best->begin && at + token.size() > best->end))
            best = Span{at, at + token.size()};
    }
    return best;
}

/// Where the bytes of message `source` lie, from the first to the last, and where another message's begin after them.
struct Place {
    bool found = false;
    Span content;
    size_t limit = 0;
};

Place find_content(const Text & text, int32_t source) {
    Place place;
    place.limit = text.size();
    for (const Run & run : text.runs()) {
        if (run.source == source) {
            if (!place.found) place.content.begin = run.begin;
            place.content.end = run.end;
            place.found = true;
        }
    }
    for (const Run & run : text.runs())
        if (run.source >= 0 && run.source != source && run.begin >= place.content.end) {
            place.limit = run.begin;
            break;
        }
    return place;
}

/// What {% generation %} blocks wrote: the template's author has said himself what is to be learnt. Of answers that the
/// sample leaves out nothing is.
Result<std::vector<Span>> generated_spans(const Text & text, std::span<const Message> messages) {
    struct Block {
        Span span;
        bool trained = false, left_out = false;
    };
    std::vector<Block> blocks;
    for (const Run & run : text.runs()) {
        if (!run.generated) continue;
        if (blocks.empty() || blocks.back().span.end != run.begin) blocks.push_back({{run.begin, run.begin}});
        blocks.back().span.end = run.end;
        if (run.source >= 0)
            (messages[static_cast<size_t>(run.source)].trained ? blocks.back().trained : blocks.back().left_out) = true;
    }
    const bool any_left_out =
        std::any_of(messages.begin(), messages.end(), [](const Message & m) { return !m.trained; });
    std::vector<Span> spans;
    for (const Block & block : blocks) {
        if (block.trained && block.left_out)
            return error(QL_UNSUPPORTED,
                         "chat template: an answer that is trained and one that is left out of the loss stand in one "
                         "{%% generation %%} block; another template can be given with --chat-template");
        if (block.trained || !any_left_out) spans.push_back(block.span);
    }
    return spans;
}

bool is_blank(const std::string & text) {
    return jinja::skip_space(text) == text.size();
}

}  // namespace

struct ChatTemplate::Impl {
    std::string source, date;
    TemplateTokens tokens;
    jinja::Block block;

    Result<Text> run(std::span<const Message> messages, bool add_generation_prompt) const;
    Result<Span> answer(const Text & text, std::span<const Message> messages, size_t index,
                        std::span<const std::string> end_tokens, bool * open) const;
};

Result<ChatTemplate> ChatTemplate::parse(std::string source, TemplateTokens tokens, std::string date) {
    if (source.size() > kMaxTemplate)
        return error(QL_UNSUPPORTED, "chat template: %zu bytes long, at most %zu are read", source.size(),
                     kMaxTemplate);
    if (source.find("{{") == std::string::npos && source.find("{%") == std::string::npos)
        return error(QL_UNSUPPORTED,
                     "chat template: '%.40s' is no Jinja template: it writes no message; another one can be given with "
                     "--chat-template",
                     source.c_str());
    if (!date.empty()) {
        QL_ASSIGN(const std::string checked, jinja::format_date(date, "%F"));
        (void)checked;
    }
    auto block = jinja::parse(source);
    if (!block.ok()) return in_template(block.status());
    ChatTemplate made;
    made.impl_ = std::make_shared<const Impl>(
        Impl{std::move(source), std::move(date), std::move(tokens), std::move(block).value()});
    return made;
}

const std::string & ChatTemplate::source() const {
    return impl_->source;
}

Result<Text> ChatTemplate::Impl::run(std::span<const Message> messages, bool add_generation_prompt) const {
    std::vector<Value> list;
    size_t bytes = 0;
    for (size_t i = 0; i < messages.size(); ++i) {
        jinja::Dict message;
        message.set("role", Value(messages[i].role));
        message.set("content", Value(Text::from_message(messages[i].content, static_cast<int32_t>(i))));
        if (!messages[i].name.empty()) message.set("name", Value(messages[i].name));
        bytes += messages[i].content.size() + messages[i].name.size() + 64;
        list.push_back(Value::dict(std::move(message)));
    }
    jinja::Dict variables;
    variables.set("messages", Value::list(std::move(list)));
    variables.set("add_generation_prompt", Value(add_generation_prompt));
    variables.set("tools", Value(jinja::None{}));  // as transformers passes them
    variables.set("documents", Value(jinja::None{}));
    for (const auto & [name, text] : {std::pair{"bos_token", &tokens.bos},
                                      {"eos_token", &tokens.eos},
                                      {"unk_token", &tokens.unknown},
                                      {"pad_token", &tokens.padding}})
        if (!text->empty()) variables.set(name, Value(*text));
    jinja::Meter meter;
    meter.bytes_left += static_cast<int64_t>(bytes) * 256;  // long messages may be copied more often
    auto text = jinja::render(block, std::move(variables), date, meter);
    if (!text.ok()) return in_template(text.status());
    return text;
}

Result<std::string> ChatTemplate::render(std::span<const Message> messages, bool add_generation_prompt) const {
    QL_ASSIGN(const Text text, impl_->run(messages, add_generation_prompt));
    return text.bytes();
}

Result<Span> ChatTemplate::Impl::answer(const Text & text, std::span<const Message> messages, size_t index,
                                        std::span<const std::string> end_tokens, bool * open) const {
    const Place place = find_content(text, static_cast<int32_t>(index));
    const auto prompt = run(messages.first(index), true);  // may fail: some templates want a first message
    const bool is_prefix = prompt.ok() && text.bytes().starts_with(prompt->bytes());
    Span span = place.content;
    size_t limit = place.limit;
    if (place.found) {
        if (is_prefix && prompt->size() <= span.begin) span.begin = prompt->size();
    } else {
        // An empty answer is where the prompt ends; another that left no byte has been dropped.
        if (!is_prefix || !is_blank(messages[index].content))
            return error(QL_UNSUPPORTED,
                         "chat template: the answer in message %zu cannot be found in the rendered text; another "
                         "template can be given with --chat-template",
                         index + 1);
        span = {prompt->size(), prompt->size()};
        limit = text.size();
        for (const Run & run : text.runs())
            if (run.source > static_cast<int32_t>(index)) limit = std::min(limit, run.begin);
    }
    for (const Run & run : text.runs())
        if (run.source >= 0 && run.source != static_cast<int32_t>(index) && run.begin < span.end &&
            run.end > span.begin)
            return error(QL_UNSUPPORTED,
                         "chat template: the answer in message %zu is mixed with other messages; another template can "
                         "be given with --chat-template",
                         index + 1);
    const auto end = find_end(text.bytes(), span.end, limit, end_tokens);
    *open = !end;
    if (end) span.end = end->end;
    return span;
}

Result<Rendered> ChatTemplate::render_for_training(std::span<const Message> messages,
                                                   std::span<const std::string> end_tokens) const {
    QL_ASSIGN(const Text text, impl_->run(messages, false));
    Rendered out;
    out.text = text.bytes();
    QL_ASSIGN(out.trained, generated_spans(text, messages));
    for (Span & span : out.trained) {  // the end of turn, where the author left it outside
        const auto end = find_end(out.text, span.end, out.text.size(), end_tokens);
        if (end && end->begin == span.end) span.end = end->end;
    }
    if (!out.trained.empty()) return out;
    for (size_t i = 0; i < messages.size(); ++i) {
        if (messages[i].role != "assistant" || !messages[i].trained) continue;
        QL_ASSIGN(const Span span, impl_->answer(text, messages, i, end_tokens, &out.open_end));
        if (!out.trained.empty() && span.begin < out.trained.back().end)
            return error(QL_UNSUPPORTED, "chat template: the answer in message %zu overlaps the one before", i + 1);
        if (span.begin < span.end) out.trained.push_back(span);
        out.open_end = out.open_end && i + 1 == messages.size();
    }
    return out;
}

}  // namespace ql
