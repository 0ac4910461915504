// Tokens that are found in the text as they stand, before any merging: user-defined ones always, control tokens where
// the caller parses them (templates do, a user's words do not).
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

    /// Cuts the text into fragments that cover it. Longer tokens take their places first, wherever they stand, then
    /// shorter ones from left to right: llama.cpp's order.
    std::vector<Fragment> split(std::string_view text, bool parse_special) const;

    /// The token of that text, -1 for none.
    int32_t find(std::string_view text) const;
    /// The tokens that end a reply: eos, eot, and the well-known ones by their text.
    bool is_end_of_generation(int32_t id) const;
    /// The token that ends a turn; -1 for none.
    int32_t end_of_turn() const { return end_of_turn_; }

  private:
    struct Special {
        int32_t id;
        std::string text;
        bool control;  // only where special tokens are parsed
        bool strip_left, strip_right;
    };
    std::vector<size_t> present(std::string_view text, bool parse_special) const;
    static void place(const Special & special, std::string_view text, std::vector<Fragment> & fragments);

    std::vector<Special> specials_;                         // the longest first
    std::array<std::vector<uint32_t>, 256> by_first_byte_;  // indices into specials_
    std::vector<int32_t> end_of_generation_;                // sorted
    int32_t end_of_turn_ = -1;
};

}  // namespace ql
