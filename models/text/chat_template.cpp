// Rendering, and which bytes of it are trained: those that generation_blocks.hpp finds where the template has such
// blocks, else the answers that answer_finder.hpp finds.
#include "models/text/chat_template_impl.hpp"

#include <algorithm>

#include "models/base/date.hpp"
#include "models/text/answer_finder.hpp"
#include "models/text/generation_blocks.hpp"
#include "models/text/jinja/eval.hpp"
#include "models/text/jinja/parser.hpp"
#include "models/text/jinja/walk.hpp"

namespace ql {

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

}  // namespace

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
        QL_ASSIGN(const Date checked, read_date(date));
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

std::string ChatTemplate::told_date() const {
    bool asks = false;
    jinja::for_each_expr(impl_->block, [&](const jinja::Expr & e) {
        asks |= e.kind == jinja::Expr::Kind::name && e.name == "strftime_now";
    });
    return asks ? impl_->date : "";
}

Result<Text> ChatTemplate::Impl::run(std::span<const Message> messages, bool add_generation_prompt,
                                     const Setting & setting) const {
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
    // Long conversations may be read and copied as often as short ones.
    const auto n = static_cast<int64_t>(messages.size()), size = static_cast<int64_t>(bytes);
    const jinja::Meter meter(4'000'000 + 2000 * n + size, (int64_t{256} << 20) + 64 * size);
    if (setting.change) setting.change(variables);
    auto text = jinja::render(block, std::move(variables), setting.date, meter, setting.watch);
    if (!text.ok()) return in_template(text.status());
    return text;
}

Result<std::string> ChatTemplate::render(std::span<const Message> messages, bool add_generation_prompt) const {
    QL_ASSIGN(const Text text, impl_->run(messages, add_generation_prompt));
    return text.bytes();
}

Result<Rendered> ChatTemplate::render_for_training(std::span<const Message> messages,
                                                   std::span<const std::string> end_tokens) const {
    QL_ASSIGN(const Text text, impl_->run(messages, false));
    const AnswerFinder finder(text, messages, end_tokens,
                              [&](std::span<const Message> some, bool prompt) { return impl_->run(some, prompt); });
    Rendered out;
    out.text = text.bytes();
    std::vector<size_t> answers;
    for (size_t i = 0; i < messages.size(); ++i)
        if (messages[i].role == "assistant" && messages[i].trained)
            (finder.is_shortened(i) ? out.shortened : answers).push_back(i);
    QL_ASSIGN(out.trained, generated_spans(text, messages));
    if (!out.trained.empty()) {
        std::erase_if(out.trained, [&](const Span & span) {
            return std::any_of(out.shortened.begin(), out.shortened.end(),
                               [&](size_t i) { return finder.touches(i, span); });
        });
        for (Span & span : out.trained)  // the end of turn, where the author left it outside
            span.end += end_token_size(out.text, span.end, end_tokens);
        return out;
    }
    for (const size_t i : answers) {
        QL_ASSIGN(const Span span, finder.find(i, &out.open_end));
        if (!out.trained.empty() && span.begin < out.trained.back().end)
            return error(QL_UNSUPPORTED, "chat template: the answer in message %zu overlaps the one before", i + 1);
        if (span.begin < span.end) out.trained.push_back(span);
        out.open_end = out.open_end && i + 1 == messages.size();
    }
    return out;
}

}  // namespace ql
