// Unigram tokenizers (Kudo 2018): every token has a log probability, and a text becomes the tokens of the largest sum.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/text/bpe.hpp"
#include "models/text/vocab.hpp"

namespace ql {

class UnigramEncoder {
  public:
    /// Of a vocabulary that check_vocab has passed. errors  those of PreTokenizer::create
    static Result<UnigramEncoder> create(const Vocab & vocab);

    /// Appends the tokens of a normalized text: of each word the best path (of equal ones the first found, by the
    /// beginnings of tokens and then by their lengths). A character that no token stands for alone costs what the
    /// least probable token does and 10 more; such characters side by side are one unknown token, or byte tokens.
    void encode(std::string_view text, std::vector<TokenEnd> & tokens) const;

  private:
    struct Piece {
        std::string text;
        int32_t id;
        double score;
    };
    struct Step;  // the best way to reach a byte
    explicit UnigramEncoder(PreTokenizer pre) : pre_(std::move(pre)) {}
    Status add_pieces(const Vocab & vocab);
    void walk(std::string_view word, size_t at, std::vector<Step> & steps) const;
    void encode_word(std::string_view word, size_t begin, std::vector<TokenEnd> & tokens) const;
    void emit_unknown(std::string_view text, size_t begin, std::vector<TokenEnd> & tokens) const;
    int32_t find(std::string_view text) const;

    PreTokenizer pre_;
    std::vector<Piece> pieces_;                               // sorted by text
    std::array<std::pair<uint32_t, uint32_t>, 256> first_{};  // the pieces that begin with a byte
    std::array<int32_t, 256> bytes_{};                        // "<0x00>" and so on; all -1 unless all are there
    int32_t unknown_ = -1;
    double unknown_score_ = 0;
};

}  // namespace ql
