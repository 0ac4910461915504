// Byte-level byte-pair encoding: a word starts as single bytes, and the adjacent pair with the most urgent merge is
// joined until no pair has one (Sennrich et al. 2016; over bytes: Radford et al. 2019).
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/text/pre_tokenizer.hpp"
#include "models/text/vocab.hpp"

namespace ql {

/// A token and the offset in the encoded text where it ends (it begins where the one before it ends).
struct TokenEnd {
    int32_t id;
    size_t end;
};

class BytePairEncoder {
  public:
    /// errors  QL_BAD_FILE for a merge that is no pair, QL_UNSUPPORTED for an unknown pre-tokenizer
    static Result<BytePairEncoder> create(const Vocab & vocab);

    /// Appends the tokens of the text. A byte that no token stands for is passed over, as everywhere else.
    void encode(std::string_view text, std::vector<TokenEnd> & tokens) const;

  private:
    struct Merge {
        int32_t rank;
        int32_t result;
    };
    struct Workspace;

    explicit BytePairEncoder(PreTokenizer pre) : pre_(std::move(pre)) {}
    Status add_merge(std::string_view line, int32_t rank);
    int32_t symbol_of(const std::string & bytes);
    const Merge * find_merge(int32_t left, int32_t right) const;
    void encode_word(std::string_view word, Workspace & work) const;
    void merge_pairs(Workspace & work) const;
    void emit(int32_t symbol, size_t end, Workspace & work) const;

    PreTokenizer pre_;
    bool ignore_merges_ = false;
    int32_t n_tokens_ = 0;
    // Symbols: ids of tokens, and past them parts of merges that are no tokens themselves.
    std::unordered_map<std::string, int32_t> symbols_;  // by their bytes
    std::vector<std::string> extra_;                    // bytes of the symbols from n_tokens_ on
    std::array<int32_t, 256> bytes_{};                  // the symbols of single bytes
    std::unordered_map<uint64_t, Merge> merges_;        // by the two symbols
};

}  // namespace ql
