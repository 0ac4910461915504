#include "tools/scores/common_words.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <unordered_map>

namespace ql::cli {

WordList split_words(std::string_view text) {
    WordList words;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(' ', at), text.size());
        if (end > at) words.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

size_t n_common(const WordList & a, const WordList & b) {
    std::unordered_map<std::string_view, size_t> left;
    for (const std::string_view word : a) ++left[word];
    size_t n = 0;
    for (const std::string_view word : b)
        if (const auto it = left.find(word); it != left.end() && it->second > 0) --it->second, ++n;
    return n;
}

namespace {

/// Where a word stands in a list, as bits.
using Mask = std::vector<uint64_t>;

void set_places(Mask & mask, const std::vector<size_t> & places) {
    for (const size_t i : places) mask[i / 64] |= uint64_t{1} << i % 64;
}

struct WordPlaces {
    std::vector<size_t> places;
    Mask mask;  // of a word that stands more often than a mask has elements: there are at most 64 of them
};

}  // namespace

/// A row of the table of lengths as bits (Hyyro 2004, "Bit-parallel LCS-length computation revisited"): a bit that is 0 is
/// a place of `a` where the length grows by one. The masks of rare words are made anew each time: all of them together
/// would take n^2 bits.
size_t n_common_in_order(const WordList & a, const WordList & b) {
    std::unordered_map<std::string_view, WordPlaces> words;
    for (size_t i = 0; i < a.size(); ++i) words[a[i]].places.push_back(i);
    Mask row((a.size() + 63) / 64, ~uint64_t{0}), rare(row.size(), 0);
    for (const std::string_view name : b) {
        const auto found = words.find(name);
        if (found == words.end()) continue;
        auto & [places, own] = found->second;
        const bool often = places.size() > row.size();
        if (often && own.empty()) own.resize(row.size()), set_places(own, places);
        if (!often) set_places(rare, places);
        const Mask & mask = often ? own : rare;
        uint64_t carry = 0;
        for (size_t k = 0; k < row.size(); ++k) {
            const uint64_t old = row[k], met = old & mask[k], sum = old + met, whole = sum + carry;
            carry = sum < old || whole < sum ? 1 : 0;
            row[k] = whole | (old - met);
        }
        if (!often)
            for (const size_t i : places) rare[i / 64] = 0;
    }
    size_t n = 0;
    for (const uint64_t bits : row) n += static_cast<size_t>(std::popcount(~bits));
    return n;
}

}  // namespace ql::cli
