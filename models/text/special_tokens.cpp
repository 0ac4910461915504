#include "models/text/special_tokens.hpp"

#include <algorithm>
#include <queue>
#include <unordered_set>

#include "models/base/utf8.hpp"
#include "models/text/known_tokens.hpp"
#include "models/text/normalizer.hpp"

namespace ql {
namespace {

using Ids = std::unordered_set<int32_t>;

Ids set_of(const std::vector<int32_t> & ids) {
    return {ids.begin(), ids.end()};
}

bool is_ascii_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_control_type(TokenType type) {
    return type == TokenType::kControl || type == TokenType::kUnknown;
}

/// Places still to be decided on in place_longest_first: those of the first token come first, from left to right.
struct Candidate {
    uint32_t special;
    size_t begin;
    uint32_t state;
    bool operator<(const Candidate & other) const {  // of a max-heap
        return special != other.special ? special > other.special : begin > other.begin;
    }
};

std::vector<Fragment> with_plain_text_between(const std::vector<Fragment> & placed, size_t size) {
    std::vector<Fragment> fragments;
    size_t at = 0;
    for (const Fragment & fragment : placed) {
        if (fragment.begin > at) fragments.push_back({-1, at, fragment.begin});
        fragments.push_back(fragment);
        at = fragment.end;
    }
    if (at < size) fragments.push_back({-1, at, size});
    return fragments;
}

}  // namespace

SpecialTokens::Group::Group(std::vector<Special> s)
    : specials(std::move(s)), matcher([&] {
          std::vector<std::string_view> texts;
          for (const Special & special : specials) texts.push_back(special.text);
          return TokenMatcher(texts);
      }()) {}

SpecialTokens::SpecialTokens(const Vocab & vocab)
    : leftmost_(vocab.hugging_face), all_({}), user_defined_({}), normalized_({}) {
    const Ids left = set_of(vocab.strip_left), right = set_of(vocab.strip_right), words = set_of(vocab.single_words);
    const Ids normalized = set_of(vocab.normalized);
    std::vector<Special> all, user_defined, later;
    for (size_t i = 0; i < vocab.tokens.size(); i++) {
        const bool control = is_control_type(vocab.types[i]);
        if ((!control && vocab.types[i] != TokenType::kUserDefined) || vocab.tokens[i].empty()) continue;
        const auto id = static_cast<int32_t>(i);
        ids_.try_emplace(vocab.tokens[i], id);
        Special special{id, vocab.tokens[i], control, left.contains(id), right.contains(id), words.contains(id)};
        if (normalized.contains(id)) {
            special.text = normalize(vocab.normalizer, special.text).text;
            later.push_back(special);
        } else {
            if (!control) user_defined.push_back(special);
            all.push_back(std::move(special));
        }
    }
    for (auto * specials : {&all, &user_defined, &later}) {
        std::stable_sort(specials->begin(), specials->end(),
                         [](const Special & a, const Special & b) { return a.text.size() > b.text.size(); });
    }
    all_ = Group(std::move(all));
    if (!leftmost_) user_defined_ = Group(std::move(user_defined));
    normalized_ = Group(std::move(later));
    if (!words.empty()) {
        word_.emplace(TextPattern::compile(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])").value());
    }
    find_ends(vocab);
}

void SpecialTokens::find_ends(const Vocab & vocab) {
    end_of_turn_ = vocab.eot;
    for (const std::string_view text : end_of_turn_names()) {
        const int32_t id = find(text);
        if (end_of_turn_ < 0) end_of_turn_ = id;
        end_of_generation_.push_back(id);
    }
    for (const std::string_view text : end_of_text_names()) end_of_generation_.push_back(find(text));
    end_of_generation_.insert(end_of_generation_.end(), {vocab.eos, vocab.eot});
    end_of_generation_.insert(end_of_generation_.end(), vocab.ends.begin(), vocab.ends.end());
    std::erase(end_of_generation_, -1);
    std::sort(end_of_generation_.begin(), end_of_generation_.end());
}

int32_t SpecialTokens::find(std::string_view text) const {
    const auto found = ids_.find(std::string(text));
    return found == ids_.end() ? -1 : found->second;
}

bool SpecialTokens::is_end_of_generation(int32_t id) const {
    return std::binary_search(end_of_generation_.begin(), end_of_generation_.end(), id);
}

/// A place is free if its first and its last byte are: what was placed earlier is no shorter, so it does not fit
/// in between. Where the longest token of a place is not free, the next shorter one may be.
std::vector<Fragment> SpecialTokens::place_longest_first(const Group & group, std::string_view text) const {
    std::priority_queue<Candidate> candidates;
    const auto add = [&](size_t begin, uint32_t state) {
        if (state != TokenMatcher::kNone) candidates.push({group.matcher.pattern(state), begin, state});
    };
    for (const TokenMatcher::Start & start : group.matcher.find(text)) add(start.begin, start.state);
    std::vector<Fragment> placed;
    std::vector<bool> taken(candidates.empty() ? 0 : text.size());
    while (!candidates.empty()) {
        const Candidate candidate = candidates.top();
        candidates.pop();
        const Special & special = group.specials[candidate.special];
        size_t begin = candidate.begin, end = begin + special.text.size();
        if (taken[begin]) continue;
        if (taken[end - 1]) {
            add(begin, group.matcher.shorter(candidate.state));
            continue;
        }
        while (special.strip_left && begin > 0 && !taken[begin - 1] && is_ascii_space(text[begin - 1])) begin--;
        while (special.strip_right && end < text.size() && !taken[end] && is_ascii_space(text[end])) end++;
        std::fill(taken.begin() + static_cast<ptrdiff_t>(begin), taken.begin() + static_cast<ptrdiff_t>(end), true);
        placed.push_back({special.id, begin, end});
    }
    std::sort(placed.begin(), placed.end(), [](const Fragment & a, const Fragment & b) { return a.begin < b.begin; });
    return with_plain_text_between(placed, text.size());
}

bool SpecialTokens::stands_alone(std::string_view text, size_t begin, size_t end) const {
    TextPattern::State state;
    const auto is_word = [&](std::string_view side, Utf8Unit (*edge)(std::string_view), bool at_end) {
        if (side.empty()) return false;
        const Utf8Unit unit = edge(side);
        if (unit.kind != Utf8Unit::kComplete) return false;
        TextPattern::Match match{};
        return word_->find(side.substr(at_end ? side.size() - unit.size : 0, unit.size), 0, state, match);
    };
    return !is_word(text.substr(0, begin), last_utf8, true) && !is_word(text.substr(end), next_utf8, false);
}

/// A token that is passed over, because it is a control token or stands inside a word, still hides what it overlaps.
/// White space that one token swallowed may hold another, which then takes its own place back: what follows it is text
/// again. Fragments may overlap there, as they do in the library.
std::vector<Fragment> SpecialTokens::place_leftmost(const Group & group, std::string_view text,
                                                    bool parse_special) const {
    std::vector<Fragment> placed;
    size_t found_end = 0, at = 0;
    for (const TokenMatcher::Start & start : group.matcher.find(text)) {
        if (start.begin < found_end) continue;
        const Special & special = group.specials[group.matcher.pattern(start.state)];
        size_t begin = start.begin, end = begin + special.text.size();
        found_end = end;
        if (special.control && !parse_special) continue;
        if (special.single_word && !stands_alone(text, begin, end)) continue;
        if (special.strip_left) begin = std::max(at, begin - white_space_at_end(text.substr(0, begin)));
        if (special.strip_right) end += white_space_at_begin(text.substr(end));
        if (end <= begin) continue;  // all of it was swallowed
        placed.push_back({special.id, begin, end});
        at = end;
    }
    return with_plain_text_between(placed, text.size());
}

std::vector<Fragment> SpecialTokens::split(std::string_view text, bool parse_special) const {
    if (leftmost_) return place_leftmost(all_, text, parse_special);
    return place_longest_first(parse_special ? all_ : user_defined_, text);
}

std::vector<Fragment> SpecialTokens::split_normalized(std::string_view text, bool parse_special) const {
    return place_leftmost(normalized_, text, parse_special);
}

}  // namespace ql
