// What two lists of words have in common: in any order, and in order.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

namespace ql::cli {

using WordList = std::vector<std::string_view>;

/// The parts between single blanks; none of an empty text.
WordList split_words(std::string_view text);
/// How many words of `a` find one of their own in `b`, wherever it stands.
size_t n_common(const WordList & a, const WordList & b);
/// The length of the longest list that is left of both when words are taken out of them.
/// 64 words of `a` go at once through each word of `b`: two answers of 10,000 words take 2 million such steps.
size_t n_common_in_order(const WordList & a, const WordList & b);

}  // namespace ql::cli
