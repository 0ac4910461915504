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

size_t trimmed_size(const std::string & text) {
    const size_t begin = jinja::skip_space(text);
    return jinja::skip_space_back(text, begin) - begin;
}

/// The first run that ends after a byte.
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
    find_empty();
}

/// True for the name of a call that stands behind the end of its turn: templates write it once more beside the tool's
/// answer.
bool AnswerFinder::is_repeated(const Run & run, Place & place) const {
    if (run.part != jinja::MessagePart::call || !place.found) return false;
    place.ended = place.ended || find_end_token(text_.bytes(), place.content.end, run.begin, end_tokens_);
    return place.ended;
}

void AnswerFinder::find_places() {
    for (const Run & run : text_.runs()) {
        if (run.source < 0) continue;
        Place & place = places_[static_cast<size_t>(run.source)];
        if (is_repeated(run, place)) continue;
        if (!place.found) place.content.begin = run.begin;
        place.content.end = run.end;
        if (run.part != jinja::MessagePart::call) place.n_bytes += run.end - run.begin;
        place.found = true;
    }
    const std::vector<Run> & runs = text_.runs();
    for (Place & place : places_) {
        if (!place.found) continue;
        const auto is_message = [](const Run & run) { return run.source >= 0; };
        const auto first = run_behind(runs, place.content.begin);
        const auto previous = std::find_if(std::make_reverse_iterator(first), runs.rend(), is_message);
        place.before = previous == runs.rend() ? 0 : previous->end;
        place.limit = next_message(place.content.end);
    }
}

/// The first byte that a message wrote, from `byte` on.
size_t AnswerFinder::next_message(size_t byte) const {
    const std::vector<Run> & runs = text_.runs();
    const auto next = std::find_if(run_behind(runs, byte), runs.end(), [](const Run & run) { return run.source >= 0; });
    return next == runs.end() ? text_.size() : next->begin;
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
        size_t like = answers.back();
        auto tail = prompt_tail(like);
        if (!tail) tail = prompt_tail(like = answers.front());
        if (!tail) continue;
        const std::string_view prompt = text_.view().substr(places_[like].before, *tail);
        for (const size_t i : answers)  // a prompt may write the beginning of an answer, such as the mark of thoughts
            if (text_.view().substr(places_[i].before).starts_with(prompt))
                places_[i].prompt_end = places_[i].before + *tail;
    }
}

std::optional<size_t> AnswerFinder::prompt_tail(size_t index) const {
    const Place & place = places_[index];
    const auto prompt = render_(messages_.first(index), true);  // may fail: some templates want a first message
    if (!prompt.ok() || prompt->size() < place.before || prompt->size() > place.content.end) return {};
    if (!text_.bytes().starts_with(prompt->bytes())) return {};
    return prompt->size() - place.before;
}

/// The words that a prompt puts after the message before it are rendered once for each role of that message. An empty
/// answer stands where these words follow the message before the answer. The others are looked for one by one when they
/// are asked for.
void AnswerFinder::find_empty() {
    std::map<std::string, std::string> words;  // by role before; "" where they are not known
    for (size_t i = 1; i < places_.size(); ++i) {
        Place & place = places_[i];
        const Place & previous = places_[i - 1];
        if (messages_[i].role != "assistant" || place.found || !previous.found || !is_blank(messages_[i].content))
            continue;
        const auto [known, is_new] = words.try_emplace(messages_[i - 1].role);
        if (is_new) {
            const Result<size_t> end = empty_place(i);
            if (end.ok() && *end > previous.content.end)
                known->second = text_.bytes().substr(previous.content.end, *end - previous.content.end);
        }
        const std::string & expected = known->second;
        if (!expected.empty() && text_.view().substr(previous.content.end).starts_with(expected))
            place.prompt_end = previous.content.end + expected.size();
    }
}

/// An empty answer stands where its prompt ends; any other answer that left no byte has been dropped.
Result<size_t> AnswerFinder::empty_place(size_t index) const {
    if (is_blank(messages_[index].content)) {
        const auto prompt = render_(messages_.first(index), true);
        if (prompt.ok() && text_.bytes().starts_with(prompt->bytes())) return prompt->size();
    }
    return error(QL_UNSUPPORTED,
                 "chat template: the answer in message %zu cannot be found in the rendered text; another template can "
                 "be given with --chat-template",
                 index + 1);
}

bool AnswerFinder::is_shortened(size_t index) {
    Place & place = places_[index];
    if (!place.shortened) place.shortened = is_longer_at_end(index);
    return *place.shortened;
}

bool AnswerFinder::is_longer_at_end(size_t index) const {
    const bool whole =
        places_[index].n_bytes >= trimmed_size(messages_[index].content) + trimmed_size(messages_[index].reasoning);
    if (whole || index + 1 == messages_.size()) return false;
    const std::vector<Message> turn = turn_of(index);
    auto last = render_(turn, false);
    size_t source = turn.size() - 1;
    if (!last.ok()) last = render_(messages_.first(index + 1), false), source = index;
    if (!last.ok()) return false;
    size_t n_bytes = 0;
    for (const Run & run : last->runs())
        if (run.source == static_cast<int32_t>(source) && run.part != jinja::MessagePart::call)
            n_bytes += run.end - run.begin;
    return n_bytes > places_[index].n_bytes;
}

/// A conversation that ends with an answer: what the system says, the question, and what followed it.
std::vector<Message> AnswerFinder::turn_of(size_t index) const {
    size_t first = index;
    while (first > 0 && messages_[first].role != "user") --first;
    std::vector<Message> turn;
    if (first > 0 && messages_[0].role == "system") turn.push_back(messages_[0]);
    turn.insert(turn.end(), messages_.begin() + static_cast<std::ptrdiff_t>(first),
                messages_.begin() + static_cast<std::ptrdiff_t>(index) + 1);
    return turn;
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
        size_t at = place.prompt_end.value_or(0);
        if (!place.prompt_end) {
            QL_ASSIGN(at, empty_place(index));
        }
        span = {at, at};
        limit = next_message(at);
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
