// Tokens that are found in the text as they stand, before any merging: user-defined ones always, control tokens where
// the caller parses them (templates do, a user's words do not).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/text/text_pattern.hpp"
#include "models/text/token_matcher.hpp"
#include "models/text/vocab.hpp"

namespace ql {

/// A stretch of the text: a special token, or plain text (id -1).
struct Fragment {
    int32_t id;
    size_t begin, end;
};

class SpecialTokens {
  public:
    explicit SpecialTokens(const Vocab & vocab);

    /// Cuts the text into fragments, in order, that cover it. Two orders are known where tokens overlap:
    ///   llama.cpp's       longer tokens take their places first, wherever they stand, then shorter ones, each from
    ///                     left to right
    ///   tokenizer.json's  from left to right, the longest that begins there; tokens that are found in normalized text
    ///                     come later
    std::vector<Fragment> split(std::string_view text, bool parse_special) const;
    /// The same for the text between those fragments, after the normalizer, with the tokens that are found only there.
    std::vector<Fragment> split_normalized(std::string_view text, bool parse_special) const;

    /// The token of that text, -1 for none.
    int32_t find(std::string_view text) const;
    /// The tokens that end a reply: eos, eot, and the well-known ones by their text.
    bool is_end_of_generation(int32_t id) const;
    /// The token that ends a turn; -1 for none.
    int32_t end_of_turn() const { return end_of_turn_; }

  private:
    struct Special {
        int32_t id;
        std::string text;  // as it is found
        bool control;      // only where special tokens are parsed
        bool strip_left, strip_right, single_word;
    };
    /// Tokens that are looked for together, the most urgent first.
    struct Group {
        explicit Group(std::vector<Special> specials);
        std::vector<Special> specials;
        TokenMatcher matcher;
    };
    std::vector<Fragment> place_longest_first(const Group & group, std::string_view text) const;
    std::vector<Fragment> place_leftmost(const Group & group, std::string_view text, bool parse_special) const;
    bool stands_alone(std::string_view text, size_t begin, size_t end) const;
    void find_ends(const Vocab & vocab);

    std::unordered_map<std::string, int32_t> ids_;  // of all, by their texts
    bool leftmost_ = false;                         // tokenizer.json's order
    Group all_, user_defined_, normalized_;
    std::optional<TextPattern> word_;         // a character of words; only where a token asks for it
    std::vector<int32_t> end_of_generation_;  // sorted
    int32_t end_of_turn_ = -1;
};

}  // namespace ql
