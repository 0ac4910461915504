// SentencePiece's BPE as llama models use it: no words, spaces written as U+2581; the adjacent pair whose joined text
// is the token of the highest score is joined until no pair is a token; what is no token then becomes byte tokens.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/text/bpe.hpp"
#include "models/text/vocab.hpp"

namespace ql {

class SentencePieceEncoder {
  public:
    /// Of a vocabulary that check_vocab has passed.
    explicit SentencePieceEncoder(const Vocab & vocab);
    SentencePieceEncoder(const SentencePieceEncoder &) = delete;  // the index points into this object

    /// Appends the tokens of the text; of an added space and the text if space_prefix is set. Ends are offsets in the
    /// text as given, so a token of the added space alone ends at 0.
    void encode(std::string_view text, bool space_prefix, std::vector<TokenEnd> & tokens) const;

  private:
    struct Workspace;
    const int32_t * find(std::string_view text) const;
    int32_t byte_token(char byte) const { return bytes_[static_cast<unsigned char>(byte)]; }
    void encode_word(std::string_view word, bool space_prefix, Workspace & work, std::vector<TokenEnd> & tokens) const;
    void start(std::string_view text, bool space_prefix, Workspace & work) const;
    void merge_pairs(Workspace & work) const;

    std::vector<std::string> texts_;                       // of all tokens; the index below points into them
    std::unordered_map<std::string_view, int32_t> index_;  // of the tokens that text may become
    std::vector<float> scores_;
    std::array<int32_t, 256> bytes_{};  // byte tokens, -1 where there is none
    int32_t unknown_ = -1;
    bool words_stand_alone_ = true;  // no token has a space after another character
};

}  // namespace ql
