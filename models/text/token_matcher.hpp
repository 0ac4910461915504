// Finds a set of fixed texts in a text, all at once: the automaton of Aho and Corasick (1975). A vocabulary may have
// tens of thousands of special tokens; one pass costs the text's length, however many there are.
//
// The automaton reads texts from their end, over patterns written backwards. What it knows at a place is then which
// patterns *begin* there, the longest first: the order in which both users of it (special_tokens.cpp) need them.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ql {

class TokenMatcher {
  public:
    static constexpr uint32_t kNone = UINT32_MAX;

    /// A place where patterns begin; `state` says which.
    struct Start {
        size_t begin;
        uint32_t state;
    };

    /// A pattern is called by its index here. Of equal ones the first counts; empty ones are never found.
    explicit TokenMatcher(const std::vector<std::string_view> & patterns);

    /// The places where patterns begin, from left to right.
    std::vector<Start> find(std::string_view text) const;
    /// The longest pattern of a state.
    uint32_t pattern(uint32_t state) const { return states_[state].pattern; }
    /// The state of the next shorter pattern at the same place, kNone after the last.
    uint32_t shorter(uint32_t state) const;

  private:
    struct State {
        uint32_t pattern = kNone;  // that ends here, read backwards
        uint32_t fallback = 0;     // the state of the longest proper suffix of what was read
        uint32_t longest = kNone;  // the nearest state with a pattern: this one, or one along the fallbacks
    };
    uint32_t child(uint32_t state, unsigned char byte) const;
    uint32_t step(uint32_t state, unsigned char byte) const;
    void add(std::string_view pattern, uint32_t index, std::vector<std::vector<uint32_t>> & by_depth);

    std::vector<State> states_{1};                   // the first has read nothing
    std::array<uint32_t, 256> first_{};              // its children, 0 for none: most bytes of a text end no pattern
    std::unordered_map<uint64_t, uint32_t> deeper_;  // the others' children, by state and byte
    std::vector<uint64_t> edges_;                    // of each state: its parent and byte, as a key of `deeper_`
};

}  // namespace ql
