// A vocabulary may have thousands of special tokens and a text few of them, so one pass finds which occur at all, and
// only those are then placed, one after the other.
#include "models/text/special_tokens.hpp"

#include <algorithm>

#include "models/text/known_tokens.hpp"

namespace ql {
namespace {

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool contains(const std::vector<int32_t> & ids, int32_t id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

SpecialTokens::SpecialTokens(const Vocab & vocab) {
    for (size_t i = 0; i < vocab.tokens.size(); i++) {
        const TokenType type = vocab.types[i];
        const bool control = type == TokenType::kControl || type == TokenType::kUnknown;
        if ((!control && type != TokenType::kUserDefined) || vocab.tokens[i].empty()) continue;
        const auto id = static_cast<int32_t>(i);
        specials_.push_back(
            {id, vocab.tokens[i], control, contains(vocab.strip_left, id), contains(vocab.strip_right, id)});
    }
    std::stable_sort(specials_.begin(), specials_.end(),
                     [](const Special & a, const Special & b) { return a.text.size() > b.text.size(); });
    for (size_t i = 0; i < specials_.size(); i++) {
        by_first_byte_[static_cast<unsigned char>(specials_[i].text[0])].push_back(static_cast<uint32_t>(i));
    }
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
    const auto found = std::find_if(specials_.begin(), specials_.end(), [&](const auto & s) { return s.text == text; });
    return found == specials_.end() ? -1 : found->id;
}

bool SpecialTokens::is_end_of_generation(int32_t id) const {
    return std::binary_search(end_of_generation_.begin(), end_of_generation_.end(), id);
}

std::vector<size_t> SpecialTokens::present(std::string_view text, bool parse_special) const {
    std::vector<size_t> found;
    std::vector<bool> seen(specials_.size());
    for (size_t at = 0; at < text.size(); at++) {
        for (const uint32_t i : by_first_byte_[static_cast<unsigned char>(text[at])]) {
            if (seen[i] || (specials_[i].control && !parse_special)) continue;
            if (text.compare(at, specials_[i].text.size(), specials_[i].text) != 0) continue;
            seen[i] = true;
            found.push_back(i);
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

void SpecialTokens::place(const Special & special, std::string_view text, std::vector<Fragment> & fragments) {
    std::vector<Fragment> placed;
    for (const Fragment & fragment : fragments) {
        if (fragment.id >= 0) {
            placed.push_back(fragment);
            continue;
        }
        const std::string_view plain = text.substr(0, fragment.end);
        size_t at = fragment.begin;
        for (;;) {
            const size_t match = plain.find(special.text, at);
            if (match == plain.npos) break;
            size_t begin = match, end = match + special.text.size();
            while (special.strip_left && begin > at && is_space(text[begin - 1])) begin--;
            while (special.strip_right && end < fragment.end && is_space(text[end])) end++;
            if (begin > at) placed.push_back({-1, at, begin});
            placed.push_back({special.id, begin, end});
            at = end;
        }
        if (at < fragment.end) placed.push_back({-1, at, fragment.end});
    }
    fragments.swap(placed);
}

std::vector<Fragment> SpecialTokens::split(std::string_view text, bool parse_special) const {
    std::vector<Fragment> fragments;
    if (!text.empty()) fragments.push_back({-1, 0, text.size()});
    for (const size_t i : present(text, parse_special)) place(specials_[i], text, fragments);
    return fragments;
}

}  // namespace ql
