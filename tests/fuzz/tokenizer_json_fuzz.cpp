// tokenizer.json: what opens encodes any bytes, covers them with its spans, and decodes what it made.
#include <filesystem>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace {

constexpr std::string_view kText = "The 12 caf\xC3\xA9s, it's\r\n\t\xE6\x97\xA5 <|im_end|> ab\xFF\x80 abc";

void use(const ql_tokenizer * tokenizer, int flags) {
    using namespace ql::fuzz;
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::fuzz;
    std::filesystem::create_directory(folder().path("tokenizer"));
    write("tokenizer/tokenizer.json", data, size);
    ql_tokenizer * tokenizer = nullptr;
    if (refused(ql_tokenizer_open(folder().path("tokenizer").c_str(), &tokenizer))) return 0;
    for (const int flags : {0, int{QL_TOKENIZE_ADD_SPECIAL}, int{QL_TOKENIZE_PARSE_SPECIAL}}) use(tokenizer, flags);
    volatile unsigned sum = 0;
    for (int32_t id = 0; id < ql_tokenizer_n_tokens(tokenizer); ++id) {
        const char * text = nullptr;
        size_t bytes = 0;
        must(ql_token_piece(tokenizer, id, &text, &bytes), "ql_token_piece");
        sum = sum + touch(text, bytes);
    }
    ql_tokenizer_free(tokenizer);
    return 0;
}
