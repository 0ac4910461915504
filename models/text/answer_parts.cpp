#include "models/text/answer_parts.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

namespace ql {

using jinja::MessagePart;
using jinja::Text;

namespace {

struct Marks {
    std::string_view open, close;
};
/// Around thoughts: Qwen, DeepSeek, SmolLM3, GLM and most others; Magistral and Ministral; Command A; Seed; Granite;
/// gpt-oss.
constexpr Marks kThoughts[] = {
    {"<think>", "</think>"},           {"[THINK]", "[/THINK]"},       {"<|START_THINKING|>", "<|END_THINKING|>"},
    {"<seed:think>", "</seed:think>"}, {"<thinking>", "</thinking>"}, {"<|channel|>analysis<|message|>", "<|end|>"},
};
/// Before calls: Hermes, Qwen and many others; Mistral; Llama 3; Granite and Phi; DeepSeek; Command.
constexpr std::string_view kCalls[] = {"<tool_call>",   "[TOOL_CALLS]",           "<|python_tag|>",
                                       "<|tool_call|>", "<｜tool▁calls▁begin｜>", "<|START_ACTION|>"};

std::optional<Span> bytes_of(const Text & text, Span answer, MessagePart part) {
    std::optional<Span> found;
    for (const jinja::Run & run : text.runs()) {
        if (run.source < 0 || run.part != part || run.begin >= answer.end || run.end <= answer.begin) continue;
        if (!found) found = Span{run.begin, run.end};
        found->end = run.end;
    }
    return found;
}

size_t behind_space(std::string_view text, size_t at, size_t end) {
    return std::min(jinja::skip_space(text, at), end);
}

/// Where the answer's thoughts begin behind their opening mark: the answer begins with it, or the prompt has ended with it.
std::optional<size_t> behind_open_mark(std::string_view whole, Span answer, std::string_view open) {
    const size_t first = behind_space(whole, answer.begin, answer.end);
    if (whole.substr(first).starts_with(open)) return first + open.size();
    const std::string_view before = whole.substr(0, answer.begin);
    if (before.substr(0, jinja::skip_space_back(before, 0)).ends_with(open)) return answer.begin;
    return {};
}

struct ThoughtsEnd {
    size_t byte = 0;
    bool empty = false;
};

/// The byte after the closing mark of thoughts that begin the answer, and after the space that follows it. Without an
/// opening mark, a closing one is a word like others.
std::optional<ThoughtsEnd> end_of_thoughts(const Text & text, Span answer) {
    const std::string_view whole = text.view().substr(0, answer.end);
    const auto own = bytes_of(text, answer, MessagePart::reasoning);
    for (const auto & [open, close] : kThoughts) {
        const auto at = own ? own->end : behind_open_mark(whole, answer, open);
        if (!at) continue;
        const size_t closed = whole.find(close, *at);
        if (closed == whole.npos) continue;
        const bool blank = jinja::skip_space(whole, *at) == closed;
        if (own && !blank) continue;  // not around these thoughts
        return ThoughtsEnd{behind_space(whole, closed + close.size(), answer.end), !own && blank};
    }
    if (own) return ThoughtsEnd{behind_space(whole, own->end, answer.end)};
    return {};
}

size_t begin_of_calls(const Text & text, Span answer, size_t from) {
    if (const auto own = bytes_of(text, answer, MessagePart::call)) {
        size_t begin = from;
        for (const jinja::Run & run : text.runs())
            if (run.source >= 0 && run.part == MessagePart::content && run.end <= own->begin)
                begin = std::max(begin, run.end);
        return begin;
    }
    size_t begin = answer.end;
    for (const std::string_view mark : kCalls)
        begin = std::min(begin, text.view().substr(0, answer.end).find(mark, from));
    return begin;
}

void add(std::vector<Span> & spans, Span span) {
    if (span.begin >= span.end) return;
    if (!spans.empty() && spans.back().end == span.begin)
        spans.back().end = span.end;
    else
        spans.push_back(span);
}

}  // namespace

AnswerCuts cut_answer(const Text & text, Span answer) {
    const ThoughtsEnd thoughts = end_of_thoughts(text, answer).value_or(ThoughtsEnd{answer.begin});
    return {thoughts.byte, begin_of_calls(text, answer, thoughts.byte), thoughts.empty};
}

std::vector<Span> trained_spans(const Text & text, const std::vector<Span> & answers, const TrainedParts & parts) {
    if (parts.all) return {{0, text.size()}};
    if (parts.whole_answers()) return answers;
    std::vector<Span> spans;
    for (const Span & answer : answers) {
        const AnswerCuts cuts = cut_answer(text, answer);
        const bool follows =
            (parts.words && cuts.reasoning < cuts.calls) || (parts.calls && cuts.calls < answer.end);
        if (parts.reasoning && (!cuts.no_thoughts || follows))
            add(spans, {answer.begin, cuts.reasoning});
        if (parts.words) add(spans, {cuts.reasoning, cuts.calls});
        if (parts.calls) add(spans, {cuts.calls, answer.end});
    }
    return spans;
}

}  // namespace ql
