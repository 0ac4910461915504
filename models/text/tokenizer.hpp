// Text to tokens and back, for every kind of vocabulary. One tokenizer serves any number of threads.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/text/vocab.hpp"
#include "ql/gguf.h"
#include "ql/status.hpp"

namespace ql {

struct TokenSpan {
    size_t begin, end;  // bytes of the text
};

/// Tokens with the bytes of the text that each stands for. Spans are in order and cover the text without gaps; what
/// the text does not hold (an added BOS, EOS, or space) has an empty span.
struct Encoding {
    std::vector<int32_t> tokens;
    std::vector<TokenSpan> spans;  // one for each token
};

/// Where an encoded text stands. It tells where vocabularies with add_space_prefix get their space: before a text and
/// after each special token in it. (Other vocabularies never get one.)
enum class TextPlace {
    kBegin,   // at the very beginning, or after a special token: a space before it
    kMiddle,  // after plain text that it continues: no space before it
    kAnswer,  // what a model writes itself: no space anywhere, so that its tokens' pieces are the text, byte for byte
};

class Tokenizer {
  public:
    static Result<Tokenizer> from_gguf(const ql_gguf * file);
    static Result<Tokenizer> from_hf(const std::string & directory);
    static Result<Tokenizer> from_vocab(Vocab vocab);
    Tokenizer(Tokenizer &&) noexcept;
    Tokenizer & operator=(Tokenizer &&) noexcept;
    ~Tokenizer();

    /// The tokens of a text of less than 2 GiB; malformed UTF-8 is encoded byte by byte.
    ///   add_special    BOS before and EOS after, where the model wants them; never a second one
    ///   parse_special  control tokens written in the text become those tokens; else they are plain text
    std::vector<int32_t> encode(std::string_view text, bool add_special, bool parse_special,
                                TextPlace place = TextPlace::kBegin) const;
    Encoding encode_with_spans(std::string_view text, bool add_special, bool parse_special,
                               TextPlace place = TextPlace::kBegin) const;

    /// The text of tokens: the inverse of encode, so a space that encoding added is taken away again. Control tokens
    /// are left out unless render_special is set; ids out of range are left out.
    std::string decode(const std::vector<int32_t> & tokens, bool render_special) const;
    /// The bytes of one token as they stand in running text (perhaps part of a character: see Utf8Stream); control
    /// tokens by their name; empty for an id out of range.
    const std::string & piece(int32_t id) const;
    /// The token of that exact text among control and user-defined ones, -1 for none.
    int32_t special_token(std::string_view text) const;

    int32_t n_tokens() const;
    int32_t bos() const;  // -1 for none, here and below
    int32_t eos() const;
    int32_t eot() const;  // ends a turn of a chat
    int32_t padding() const;
    int32_t unknown() const;
    bool add_bos() const;
    bool add_eos() const;
    bool is_control(int32_t id) const;
    bool is_special(int32_t id) const;  // a control token or a user-defined one: text never merges across it
    bool is_end_of_generation(int32_t id) const;
    /// What the file says that is not followed, one line each, for people.
    const std::vector<std::string> & notes() const;

  private:
    struct Impl;
    explicit Tokenizer(std::unique_ptr<const Impl> impl);
    std::unique_ptr<const Impl> impl_;
};

}  // namespace ql
