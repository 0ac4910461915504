// Rendering, and which bytes of it are trained: those that generation_blocks.hpp finds where the template has such
// blocks, else the answers that answer_finder.hpp finds.
#include "models/text/chat_template_impl.hpp"

#include <algorithm>

#include "models/base/date.hpp"
#include "models/text/answer_finder.hpp"
#include "models/text/answer_parts.hpp"
#include "models/text/generation_blocks.hpp"
#include "models/text/jinja/eval.hpp"
#include "models/text/jinja/parser.hpp"
#include "models/text/jinja/walk.hpp"
#include "models/text/template_kwargs.hpp"

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

Status not_written(size_t message, const char * what) {
    return error(QL_UNSUPPORTED,
                 "chat template: it writes no %s, and message %zu has some; another template can be given with "
                 "--chat-template",
                 what, message + 1);
}

/// A conversation that ends with a call of a tool.
std::vector<Message> with_call(bool has_content) {
    std::vector<Message> probe = {{"user", "x"}, {"assistant", ""}};
    probe[1].has_content = has_content;
    probe[1].tool_calls = R"([{"type": "function", "id": "call12345", "function": )"
                          R"({"name": "f", "arguments": {"ql_probe": "x"}}}])";
    return probe;
}

/// A template that writes an object of arguments as Python prints one, or cannot write it, is to get JSON text.
bool takes_text_arguments(const ChatTemplate::Impl & chat) {
    bool calls = false;
    jinja::for_each_expr(chat.block, [&](const jinja::Expr & e) {
        calls |= e.name == "tool_calls" || (e.kind == jinja::Expr::Kind::literal && e.value.is_string() &&
                                            e.value.text().bytes() == "tool_calls");
    });
    if (!calls) return false;
    const auto rendered = chat.run(with_call(chat.form.no_content != MessageForm::NoContent::none), false);
    return !rendered.ok() || rendered->view().find("{'ql_probe'") != std::string_view::npos;
}

/// The first form in which a call without content is written: a template may need the key, or ask whether it is none.
/// None is not to be written as a word.
void choose_forms_of_calls(ChatTemplate::Impl & chat) {
    using enum MessageForm::NoContent;
    const bool text_arguments = chat.form.text_arguments = takes_text_arguments(chat);
    const MessageForm usual = chat.form;
    for (const auto no_content : {missing, empty, none}) {
        chat.form.no_content = no_content;
        chat.form.text_arguments = no_content == none ? takes_text_arguments(chat) : text_arguments;
        const auto rendered = chat.run(with_call(false), false);
        if (!rendered.ok() || rendered->view().find("ql_probe") == std::string_view::npos) continue;
        if (no_content != none || rendered->view().find("None") == std::string_view::npos) return;
    }
    chat.form = usual;
}

/// A template that writes no calls may fail over the content that one lacks: that is not what is wrong.
Status why_not_rendered(const ChatTemplate::Impl & chat, std::span<const Message> messages, const Status & status) {
    const auto lacks = [](const Message & m) { return !m.has_content && !m.tool_calls.empty(); };
    const auto first = std::find_if(messages.begin(), messages.end(), lacks);
    if (first == messages.end()) return status;
    const auto rendered = chat.run(with_call(true), false);
    if (!rendered.ok() || rendered->view().find("ql_probe") != std::string_view::npos) return status;
    return not_written(static_cast<size_t>(first - messages.begin()), "calls of tools (tool_calls)");
}

/// By message, whether the text has bytes of that part of it.
std::vector<bool> written(const Text & text, size_t n_messages, jinja::MessagePart part) {
    std::vector<bool> has(n_messages);
    for (const jinja::Run & run : text.runs())
        if (run.source >= 0 && run.part == part && run.end > run.begin) has[static_cast<size_t>(run.source)] = true;
    return has;
}

/// Thoughts and calls that the template leaves out for good would be lost without a word. Thoughts that are not trained
/// are missed by nobody: each answer to look at is rendered once more.
Status check_written(const Text & text, std::span<const Message> messages, AnswerFinder & finder) {
    const std::vector<bool> calls = written(text, messages.size(), jinja::MessagePart::call);
    const std::vector<bool> thoughts = written(text, messages.size(), jinja::MessagePart::reasoning);
    for (size_t i = 0; i < messages.size(); ++i) {
        const Message & m = messages[i];
        if (!m.tool_calls.empty() && !calls[i]) return not_written(i, "calls of tools (tool_calls)");
        const bool thinks = m.trained && jinja::skip_space(m.reasoning) < m.reasoning.size();
        if (thinks && !thoughts[i] && !finder.is_shortened(i))
            return not_written(i, "thoughts kept apart from the answer (reasoning_content)");
    }
    return {};
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string source, TemplateTokens tokens, std::string date,
                                         std::string kwargs) {
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
    auto impl = std::make_shared<Impl>(
        Impl{std::move(source), std::move(date), std::move(tokens), std::move(block).value(), {}});
    QL_ASSIGN(impl->kwargs, read_template_kwargs(kwargs));
    QL_TRY(set_template_kwargs(impl->kwargs, impl->block, impl->own_variables));
    impl->form.reads_reasoning = reads_reasoning(impl->block);
    choose_forms_of_calls(*impl);
    ChatTemplate made;
    made.impl_ = std::move(impl);
    return made;
}

const std::string & ChatTemplate::source() const {
    return impl_->source;
}

const std::string & ChatTemplate::kwargs() const {
    return impl_->kwargs;
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
    size_t bytes = 0;
    for (const Message & m : messages)
        bytes += m.content.size() + m.reasoning.size() + m.tool_calls.size() + m.name.size() + 64;
    QL_ASSIGN(Value list, message_values(messages, form));
    jinja::Dict variables = own_variables;
    variables.set("messages", std::move(list));
    variables.set("add_generation_prompt", Value(add_generation_prompt));
    variables.set("tools", setting.tools);  // none where there are none, as transformers passes them
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

Result<std::string> ChatTemplate::render(std::span<const Message> messages, bool add_generation_prompt,
                                         const std::string & tools) const {
    Impl::Setting setting{impl_->date};
    QL_ASSIGN(setting.tools, tool_values(tools));
    QL_ASSIGN(const Text text, impl_->run(messages, add_generation_prompt, setting));
    return text.bytes();
}

namespace {

/// The answers as the template's generation blocks hold them, but those that it shortens.
void take_blocks(std::vector<Span> blocks, const AnswerFinder & finder, std::span<const std::string> end_tokens,
                 Rendered & out) {
    std::erase_if(blocks, [&](const Span & span) {
        return std::any_of(out.shortened.begin(), out.shortened.end(),
                           [&](size_t i) { return finder.touches(i, span); });
    });
    for (Span & span : blocks)  // the end of turn, where the author left it outside
        span.end += end_token_size(out.text, span.end, end_tokens);
    out.answers = std::move(blocks);
}

Status take_answers(const std::vector<size_t> & indices, size_t n_messages, const AnswerFinder & finder,
                    Rendered & out) {
    for (const size_t i : indices) {
        QL_ASSIGN(const Span span, finder.find(i, &out.open_end));
        if (!out.answers.empty() && span.begin < out.answers.back().end)
            return error(QL_UNSUPPORTED, "chat template: the answer in message %zu overlaps the one before", i + 1);
        if (span.begin < span.end) out.answers.push_back(span);
        out.open_end = out.open_end && i + 1 == n_messages;
    }
    return {};
}

/// The assistant's last message alone is to be trained.
std::vector<Message> with_last_answer(std::span<const Message> messages) {
    std::vector<Message> out(messages.begin(), messages.end());
    bool later = false;
    for (size_t i = out.size(); i-- > 0;) {
        if (out[i].role != "assistant") continue;
        out[i].trained = out[i].trained && !later;
        later = true;
    }
    return out;
}

}  // namespace

Result<Rendered> ChatTemplate::render_for_training(std::span<const Message> messages,
                                                   std::span<const std::string> end_tokens, const TrainedParts & parts,
                                                   const std::string & tools) const {
    if (parts.last_only) {
        TrainedParts rest = parts;
        rest.last_only = false;
        return render_for_training(with_last_answer(messages), end_tokens, rest, tools);
    }
    Impl::Setting setting{impl_->date};
    QL_ASSIGN(setting.tools, tool_values(tools));
    const auto rendered = impl_->run(messages, false, setting);
    if (!rendered.ok()) return why_not_rendered(*impl_, messages, rendered.status());
    const Text & text = *rendered;
    if (!setting.tools.is_none()) {
        const auto without = impl_->run(messages, false);
        if (without.ok() && without->bytes() == text.bytes())
            return error(QL_UNSUPPORTED,
                         "chat template: it writes no tools, and the sample has some; another template can be given "
                         "with --chat-template");
    }
    AnswerFinder finder(text, messages, end_tokens,
                        [&](std::span<const Message> some, bool prompt) { return impl_->run(some, prompt, setting); });
    QL_TRY(check_written(text, messages, finder));
    Rendered out;
    out.text = text.bytes();
    std::vector<size_t> answers;
    for (size_t i = 0; i < messages.size(); ++i)
        if (messages[i].role == "assistant" && messages[i].trained)
            (finder.is_shortened(i) ? out.shortened : answers).push_back(i);
    QL_ASSIGN(std::vector<Span> blocks, generated_spans(text, messages));
    if (!blocks.empty())
        take_blocks(std::move(blocks), finder, end_tokens, out);
    else
        QL_TRY(take_answers(answers, messages.size(), finder, out));
    out.trained = trained_spans(text, out.answers, parts);
    return out;
}

}  // namespace ql
