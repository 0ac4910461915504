// Byte-pair encoding: a word starts as single bytes or characters, and the adjacent pair with the most urgent merge is
// joined until no pair has one (Sennrich et al. 2016; over bytes: Radford et al. 2019).
#pragma once
#include <array>
#include <cstdint>
#include <optional>
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
    /// errors  QL_BAD_FILE for a merge that is not a pair, QL_UNSUPPORTED for an unknown pre-tokenizer
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
    void add_tokens(const Vocab & vocab);
    Status add_merge(std::string_view line, int32_t rank);
    std::optional<std::string> bytes_of(std::string_view symbol) const;
    int32_t symbol_of(const std::string & bytes);
    int32_t find_token(std::string_view bytes) const;
    const Merge * find_merge(int32_t left, int32_t right) const;
    void encode_word(std::string_view word, Workspace & work) const;
    void start_bytes(std::string_view word, Workspace & work) const;
    void start_characters(std::string_view word, Workspace & work) const;
    bool start_byte_tokens(std::string_view character, size_t dropped, Workspace & work) const;
    void merge_pairs(Workspace & work) const;
    void emit(int32_t symbol, size_t end, Workspace & work) const;

    PreTokenizer pre_;
    TokenizerKind kind_ = TokenizerKind::kByteLevelBpe;
    bool ignore_merges_ = false;
    std::vector<bool> whole_words_;  // by token: what ignore_merges may take a word for
    int32_t n_tokens_ = 0;
    // As a tokenizer.json has it: symbols are tokens, and characters that are none are replaced or dropped before
    // merging.
    bool hugging_face_ = false;
    int32_t fallback_ = -1;
    bool fuse_fallback_ = false, byte_fallback_ = false;
    std::array<int32_t, 256> byte_tokens_{};  // "<0x00>" and so on, -1 where there is none
    // Symbols: ids of tokens, and after them parts of merges that are not tokens themselves.
    std::unordered_map<std::string, int32_t> symbols_;  // by their bytes
    std::vector<std::string> extra_;                    // bytes of the symbols from n_tokens_ on
    std::array<int32_t, 256> bytes_{};                  // the symbols of single bytes, -1 where there is none
    std::unordered_map<uint64_t, Merge> merges_;        // by the two symbols
};

}  // namespace ql
