// The tokenizers that the tests use: the optional vocabulary files, and small ones made by hand that are always there.
#pragma once
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "models/text/byte_level.hpp"
#include "models/text/tokenizer.hpp"
#include "support/shared.hpp"

namespace ql::test {

inline std::string read_text(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The tokenizer of a GGUF file.
inline Result<Tokenizer> open_tokenizer(const std::string & path) {
    ql_gguf * file = nullptr;
    if (const ql_status status = ql_gguf_open(path.c_str(), &file); status != QL_OK) {
        return error(status, "%s", ql_error_message());
    }
    auto tokenizer = Tokenizer::from_gguf(file);
    ql_gguf_close(file);
    return tokenizer;
}

/// Tokens 0..255 are the bytes, then the merges' results in order, then the special tokens.
///   255 bytes + "ab" 256, "abc" 257, " a" 258, "  " 259, "<s>" 260, "</s>" 261, "<|im_end|>" 262, "@user" 263
inline Vocab byte_level_vocab(const std::string & pre = "gpt-2") {
    Vocab vocab;
    vocab.pre = pre;
    for (int byte = 0; byte < 256; byte++) {
        vocab.tokens.push_back(byte_level_encode(std::string(1, static_cast<char>(byte))));
    }
    const std::string space = byte_level_encode(" ");
    for (const std::string & text : {std::string("ab"), std::string("abc"), space + "a", space + space}) {
        vocab.tokens.push_back(text);
    }
    vocab.merges = {"a b", "ab c", space + " a", space + " " + space};
    vocab.types.assign(vocab.tokens.size(), TokenType::kNormal);
    for (const char * text : {"<s>", "</s>", "<|im_end|>", "@user"}) {
        vocab.tokens.push_back(text);
        vocab.types.push_back(text[0] == '@' ? TokenType::kUserDefined : TokenType::kControl);
    }
    vocab.bos = 260;
    vocab.eos = 261;
    return vocab;
}

/// 0 <unk>, 1 <s>, 2 </s>, 3..258 the byte tokens, then pieces with scores.
///   "▁" 259, "a" 260, "b" 261, "▁a" 262, "ab" 263, "▁ab" 264
inline Vocab sentence_piece_vocab() {
    Vocab vocab;
    vocab.kind = TokenizerKind::kSentencePiece;
    vocab.tokens = {"<unk>", "<s>", "</s>"};
    vocab.types = {TokenType::kUnknown, TokenType::kControl, TokenType::kControl};
    for (int byte = 0; byte < 256; byte++) {
        vocab.tokens.push_back(format("<0x%02X>", static_cast<unsigned>(byte)));
        vocab.types.push_back(TokenType::kByte);
    }
    vocab.scores.assign(vocab.tokens.size(), 0.0F);
    for (const auto & [text, score] : std::vector<std::pair<const char *, float>>{{"\xE2\x96\x81", -3},
                                                                                  {"a", -4},
                                                                                  {"b", -5},
                                                                                  {"\xE2\x96\x81"
                                                                                   "a",
                                                                                   -2},
                                                                                  {"ab", -1},
                                                                                  {"\xE2\x96\x81"
                                                                                   "ab",
                                                                                   -6}}) {
        vocab.tokens.push_back(text);
        vocab.types.push_back(TokenType::kNormal);
        vocab.scores.push_back(score);
    }
    vocab.unknown = 0, vocab.bos = 1, vocab.eos = 2;
    vocab.add_bos = vocab.add_space_prefix = true;
    return vocab;
}

inline Tokenizer make(Vocab vocab) {
    auto tokenizer = Tokenizer::from_vocab(std::move(vocab));
    if (!tokenizer.ok()) ADD_FAILURE() << tokenizer.message();
    return std::move(tokenizer).value();
}

/// The spans are in order, without gaps, and reach from the text's beginning to its end.
inline void expect_spans_cover(const Encoding & encoding, size_t size) {
    ASSERT_EQ(encoding.spans.size(), encoding.tokens.size());
    size_t at = 0;
    for (const TokenSpan & span : encoding.spans) {
        ASSERT_EQ(span.begin, at);
        ASSERT_LE(span.begin, span.end);
        at = span.end;
    }
    EXPECT_EQ(at, size);
}

}  // namespace ql::test
