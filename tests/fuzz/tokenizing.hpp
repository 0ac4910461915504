// What holds for every tokenizer that opens: it encodes any bytes, covers them with spans, decodes what it made, and
// shows each of its tokens.
#pragma once
#include <filesystem>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace ql::fuzz {

inline void check_encoding(const ql_tokenizer * tokenizer, int flags) {
    constexpr std::string_view kText = "The 12 caf\xC3\xA9s, it's\r\n\t\xE6\x97\xA5 <|im_end|> ab\xFF\x80 abc";
    int64_t n = 0;
    must(ql_tokenize(tokenizer, kText.data(), kText.size(), flags, nullptr, nullptr, 0, &n), "ql_tokenize");
    std::vector<int32_t> tokens(static_cast<size_t>(n));
    std::vector<ql_token_span> spans(tokens.size());
    must(ql_tokenize(tokenizer, kText.data(), kText.size(), flags, tokens.data(), spans.data(), n, &n), "ql_tokenize");
    size_t at = 0;
    for (const ql_token_span & span : spans) {
        require(span.begin == at && span.end >= at, "spans with a gap");
        at = span.end;
    }
    require(spans.empty() || at == kText.size(), "spans that do not reach the end");
    size_t bytes = 0;
    must(ql_detokenize(tokenizer, tokens.data(), n, 0, nullptr, 0, &bytes), "ql_detokenize");
}

inline void check_tokenizer(const ql_tokenizer * tokenizer) {
    for (const int flags : {0, int{QL_TOKENIZE_ADD_SPECIAL}, int{QL_TOKENIZE_PARSE_SPECIAL}})
        check_encoding(tokenizer, flags);
    volatile unsigned sum = 0;
    for (int32_t id = 0; id < ql_tokenizer_n_tokens(tokenizer); ++id) {
        const char * text = nullptr;
        size_t bytes = 0;
        must(ql_token_piece(tokenizer, id, &text, &bytes), "ql_token_piece");
        sum = sum + touch(text, bytes);
    }
}

/// Opens the input as a directory's tokenizer file of this name.
inline void open_tokenizer_file(const char * name, const uint8_t * data, size_t size) {
    std::filesystem::create_directory(folder().path("tokenizer"));
    write(name, data, size);
    ql_tokenizer * tokenizer = nullptr;
    if (refused(ql_tokenizer_open(folder().path("tokenizer").c_str(), &tokenizer))) return;
    check_tokenizer(tokenizer);
    ql_tokenizer_free(tokenizer);
}

}  // namespace ql::fuzz
