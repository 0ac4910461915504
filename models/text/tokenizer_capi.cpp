// The C face of Tokenizer: checks arguments, copies results out, and lets no exception past.
#include "models/text/tokenizer_capi.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include "common/guarded.hpp"
#include "ql/ql.hpp"

using ql::guarded;
using ql::Status;
using ql::Tokenizer;

namespace {

constexpr size_t kMaxText = (size_t{1} << 31) - 1;

ql::Result<Tokenizer> open(const char * path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) return Tokenizer::from_hf(path);
    ql::GgufPtr file;
    QL_TRY(ql_gguf_open(path, ql::out(file)));
    auto tokenizer = Tokenizer::from_gguf(file.get());
    if (!tokenizer.ok()) return ql::error(tokenizer.code(), "%s: %s", path, tokenizer.message().c_str());
    return tokenizer;
}

Status too_small(const char * function, unsigned long long capacity, unsigned long long need) {
    return ql::error(QL_INVALID_ARGUMENT, "%s: room for %llu, %llu needed", function, capacity, need);
}

}  // namespace

ql_status ql_tokenizer_open(const char * path, ql_tokenizer ** tokenizer) {
    return guarded([&]() -> Status {
        if (!path || !tokenizer) return ql::error(QL_INVALID_ARGUMENT, "ql_tokenizer_open: an argument is NULL");
        *tokenizer = nullptr;
        QL_ASSIGN(Tokenizer opened, open(path));
        *tokenizer = new ql_tokenizer{std::move(opened)};
        return {};
    });
}

void ql_tokenizer_free(ql_tokenizer * tokenizer) {
    delete tokenizer;
}

ql_status ql_tokenize(const ql_tokenizer * tokenizer, const char * text, size_t size, int flags, int32_t * tokens,
                      ql_token_span * spans, int64_t capacity, int64_t * n) {
    return guarded([&]() -> Status {
        if (!tokenizer || (!text && size > 0) || !n || (!tokens && capacity != 0)) {
            return ql::error(QL_INVALID_ARGUMENT, "ql_tokenize: an argument is NULL");
        }
        constexpr int kFlags = QL_TOKENIZE_ADD_SPECIAL | QL_TOKENIZE_PARSE_SPECIAL | QL_TOKENIZE_CONTINUE;
        if (capacity < 0 || size > kMaxText || (flags & ~kFlags)) {
            return ql::error(QL_INVALID_ARGUMENT, "ql_tokenize: size %zu, capacity %lld, flags %d: one is out of range",
                             size, static_cast<long long>(capacity), flags);
        }
        const auto place = flags & QL_TOKENIZE_CONTINUE ? ql::TextPlace::kMiddle : ql::TextPlace::kBegin;
        const ql::Encoding encoding = tokenizer->tokenizer.encode_with_spans(
            {text ? text : "", size}, flags & QL_TOKENIZE_ADD_SPECIAL, flags & QL_TOKENIZE_PARSE_SPECIAL, place);
        *n = static_cast<int64_t>(encoding.tokens.size());
        if (!tokens) return {};
        if (*n > capacity) {
            return too_small("ql_tokenize", static_cast<unsigned long long>(capacity), encoding.tokens.size());
        }
        std::copy(encoding.tokens.begin(), encoding.tokens.end(), tokens);
        for (size_t i = 0; spans && i < encoding.spans.size(); i++) {
            spans[i] = {encoding.spans[i].begin, encoding.spans[i].end};
        }
        return {};
    });
}

ql_status ql_detokenize(const ql_tokenizer * tokenizer, const int32_t * tokens, int64_t n, int flags, char * text,
                        size_t capacity, size_t * size) {
    return guarded([&]() -> Status {
        if (!tokenizer || (!tokens && n > 0) || !size || (!text && capacity > 0)) {
            return ql::error(QL_INVALID_ARGUMENT, "ql_detokenize: an argument is NULL");
        }
        if (n < 0 || (flags & ~QL_DETOKENIZE_RENDER_SPECIAL)) {
            return ql::error(QL_INVALID_ARGUMENT, "ql_detokenize: n %lld, flags %d: one is out of range",
                             static_cast<long long>(n), flags);
        }
        const int32_t n_tokens = tokenizer->tokenizer.n_tokens();
        for (int64_t i = 0; i < n; i++) {
            if (tokens[i] >= 0 && tokens[i] < n_tokens) continue;
            return ql::error(QL_INVALID_ARGUMENT, "ql_detokenize: token %lld is %d, the vocabulary has %d",
                             static_cast<long long>(i), tokens[i], n_tokens);
        }
        const std::vector<int32_t> ids(tokens, tokens + n);
        const std::string decoded = tokenizer->tokenizer.decode(ids, flags & QL_DETOKENIZE_RENDER_SPECIAL);
        *size = decoded.size();
        if (!text) return {};
        if (decoded.size() > capacity) return too_small("ql_detokenize", capacity, decoded.size());
        std::memcpy(text, decoded.data(), decoded.size());
        return {};
    });
}

ql_status ql_token_piece(const ql_tokenizer * tokenizer, int32_t id, const char ** data, size_t * size) {
    return guarded([&]() -> Status {
        if (!tokenizer || !data || !size) return ql::error(QL_INVALID_ARGUMENT, "ql_token_piece: an argument is NULL");
        if (id < 0 || id >= tokenizer->tokenizer.n_tokens()) {
            return ql::error(QL_INVALID_ARGUMENT, "ql_token_piece: token %d, the vocabulary has %d", id,
                             tokenizer->tokenizer.n_tokens());
        }
        const std::string & piece = tokenizer->tokenizer.piece(id);
        *data = piece.data();
        *size = piece.size();
        return {};
    });
}

int32_t ql_tokenizer_n_tokens(const ql_tokenizer * tokenizer) {
    return tokenizer ? tokenizer->tokenizer.n_tokens() : 0;
}
int32_t ql_tokenizer_bos(const ql_tokenizer * tokenizer) {
    return tokenizer ? tokenizer->tokenizer.bos() : -1;
}
int32_t ql_tokenizer_eos(const ql_tokenizer * tokenizer) {
    return tokenizer ? tokenizer->tokenizer.eos() : -1;
}
int32_t ql_tokenizer_eot(const ql_tokenizer * tokenizer) {
    return tokenizer ? tokenizer->tokenizer.eot() : -1;
}
int32_t ql_tokenizer_padding(const ql_tokenizer * tokenizer) {
    return tokenizer ? tokenizer->tokenizer.padding() : -1;
}
int ql_tokenizer_is_end(const ql_tokenizer * tokenizer, int32_t id) {
    return tokenizer && tokenizer->tokenizer.is_end_of_generation(id);
}
int ql_tokenizer_adds_bos(const ql_tokenizer * tokenizer) {
    return tokenizer && tokenizer->tokenizer.add_bos();
}
