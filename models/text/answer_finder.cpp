#include "models/text/answer_finder.hpp"

#include <algorithm>
#include <map>

namespace ql {

using jinja::Run;
using jinja::Text;

namespace {

bool is_blank(const std::string & text) {
    return jinja::skip_space(text) == text.size();
}

/// The first run that ends behind a byte.
std::vector<Run>::const_iterator run_behind(const std::vector<Run> & runs, size_t byte) {
    return std::partition_point(runs.begin(), runs.end(), [&](const Run & r) { return r.end <= byte; });
}

}  // namespace

std::optional<Span> find_end_token(const std::string & text, size_t from, size_t to,
                                   std::span<const std::string> end_tokens) {
    const std::string_view part = std::string_view(text).substr(0, to);
    size_t first = part.npos;
    for (const std::string & token : end_tokens)
        if (!token.empty()) first = std::min(first, part.find(token, from));
    if (first == part.npos) return {};
    return Span{first, first + end_token_size(part, first, end_tokens)};
}

size_t end_token_size(std::string_view text, size_t at, std::span<const std::string> end_tokens) {
    size_t size = 0;
    for (const std::string & token : end_tokens)
        if (text.substr(at).starts_with(token)) size = std::max(size, token.size());
    return size;
}

AnswerFinder::AnswerFinder(const Text & text, std::span<const Message> messages,
                           std::span<const std::string> end_tokens, Render render)
    : text_(text), messages_(messages), end_tokens_(end_tokens), render_(std::move(render)), places_(messages.size()) {
    find_places();
    find_prompts();
}

void AnswerFinder::find_places() {
    for (const Run & run : text_.runs()) {
        if (run.source < 0) continue;
        Place & place = places_[static_cast<size_t>(run.source)];
        if (!place.found) place.content.begin = run.begin;
        place.content.end = run.end;
        place.n_bytes += run.end - run.begin;
        place.found = true;
    }
    const std::vector<Run> & runs = text_.runs();
    for (Place & place : places_) {
        if (!place.found) continue;
        const auto is_message = [](const Run & run) { return run.source >= 0; };
        const auto first = run_behind(runs, place.content.begin);
        const auto previous = std::find_if(std::make_reverse_iterator(first), runs.rend(), is_message);
        place.before = previous == runs.rend() ? 0 : previous->end;
        const auto next = std::find_if(run_behind(runs, place.content.end), runs.end(), is_message);
        place.limit = next == runs.end() ? text_.size() : next->begin;
    }
}

void AnswerFinder::find_prompts() {
    std::map<std::pair<std::string, std::string>, std::vector<size_t>> alike;  // by role before, words between
    for (size_t i = 0; i < places_.size(); ++i) {
        const Place & place = places_[i];
        if (messages_[i].role != "assistant" || !place.found) continue;
        const std::string & role = i > 0 ? messages_[i - 1].role : messages_[i].role;
        alike[{role, text_.bytes().substr(place.before, place.content.begin - place.before)}].push_back(i);
    }
    for (const auto & [words, answers] : alike) {
        auto tail = prompt_tail(answers.back());
        if (!tail) tail = prompt_tail(answers.front());
        if (!tail) continue;
        for (const size_t i : answers) places_[i].prompt_end = places_[i].before + *tail;
    }
}

std::optional<size_t> AnswerFinder::prompt_tail(size_t index) const {
    const Place & place = places_[index];
    const auto prompt = render_(index, true);  // may fail: some templates want a first message
    if (!prompt.ok() || prompt->size() < place.before || prompt->size() > place.content.begin) return {};
    if (!text_.bytes().starts_with(prompt->bytes())) return {};
    return prompt->size() - place.before;
}

/// An empty answer is where the prompt ends; another that left no byte has been dropped.
Result<Span> AnswerFinder::find_empty(size_t index, size_t * limit) const {
    const auto prompt = render_(index, true);
    if (!prompt.ok() || !text_.bytes().starts_with(prompt->bytes()) || !is_blank(messages_[index].content))
        return error(QL_UNSUPPORTED,
                     "chat template: the answer in message %zu cannot be found in the rendered text; another template "
                     "can be given with --chat-template",
                     index + 1);
    *limit = text_.size();
    for (const Run & run : text_.runs())
        if (run.source > static_cast<int32_t>(index)) *limit = std::min(*limit, run.begin);
    return Span{prompt->size(), prompt->size()};
}

bool AnswerFinder::is_shortened(size_t index) const {
    const std::string & content = messages_[index].content;
    const size_t begin = jinja::skip_space(content);
    const bool whole = places_[index].n_bytes >= jinja::skip_space_back(content, begin) - begin;
    if (whole || index + 1 == messages_.size()) return false;
    const auto last = render_(index + 1, false);
    if (!last.ok()) return false;
    size_t n_bytes = 0;
    for (const Run & run : last->runs())
        if (run.source == static_cast<int32_t>(index)) n_bytes += run.end - run.begin;
    return n_bytes > places_[index].n_bytes;
}

bool AnswerFinder::touches(size_t index, Span span) const {
    const Place & place = places_[index];
    return place.found && place.content.begin < span.end && place.content.end > span.begin;
}

bool AnswerFinder::is_mixed(size_t index, Span span) const {
    const std::vector<Run> & runs = text_.runs();
    for (auto run = run_behind(runs, span.begin); run != runs.end() && run->begin < span.end; ++run)
        if (run->source >= 0 && run->source != static_cast<int32_t>(index)) return true;
    return false;
}

Result<Span> AnswerFinder::find(size_t index, bool * open) const {
    const Place & place = places_[index];
    Span span = place.content;
    size_t limit = place.limit;
    if (!place.found) {
        QL_ASSIGN(span, find_empty(index, &limit));
    } else if (place.prompt_end) {
        span.begin = *place.prompt_end;
    }
    if (is_mixed(index, span))
        return error(QL_UNSUPPORTED,
                     "chat template: the answer in message %zu is mixed with other messages; another template can be "
                     "given with --chat-template",
                     index + 1);
    const auto end = find_end_token(text_.bytes(), span.end, limit, end_tokens_);
    *open = !end;
    if (end) span.end = end->end;
    return span;
}

}  // namespace ql
