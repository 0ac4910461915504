// A vocabulary from GGUF metadata, and the checks that every vocabulary passes before it is used. Defaults where keys
// are absent are llama.cpp's.
#include "models/text/vocab.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "models/text/known_tokens.hpp"
#include "models/text/pre_tokenizer.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

constexpr size_t kMaxTokens = size_t{1} << 24;  // the largest vocabularies have 2^18
constexpr double kMaxScore = 1e9;               // sums of a text's stay finite

Result<std::string> get_string(const ql_gguf * file, const char * key, const char * fallback) {
    ql_gguf_string value{};
    const ql_status status = ql_gguf_get_string(file, key, &value);
    if (status == QL_NOT_FOUND && fallback) return std::string(fallback);
    QL_TRY(status);
    return std::string(view(value));
}

Status get_bool(const ql_gguf * file, const char * key, bool & value) {
    int found = 0;
    const ql_status status = ql_gguf_get_bool(file, key, &found);
    if (status == QL_NOT_FOUND) return {};
    QL_TRY(status);
    value = found != 0;
    return {};
}

/// A whole number where an id stands, as it is; -1 for "none", which some converters write as 2^32 - 1.
Status get_number(const ql_gguf * file, const char * key, int64_t & number) {
    const ql_status status = ql_gguf_get_int(file, key, &number);
    if (status == QL_NOT_FOUND) return {};
    QL_TRY(status);
    if (number == UINT32_MAX) number = -1;
    return {};
}

Status get_id(const ql_gguf * file, const char * key, int32_t & id) {
    int64_t found = id;
    QL_TRY(get_number(file, key, found));
    if (found < -1 || found > INT32_MAX)
        return error(QL_BAD_FILE, "%s: %lld is no token id", key, static_cast<long long>(found));
    id = static_cast<int32_t>(found);
    return {};
}

/// The id of a token that nothing depends on. One outside the vocabulary (often just its size) leaves `id` alone.
Status get_spare_id(const ql_gguf * file, const char * key, Vocab & vocab, int32_t & id) {
    int64_t found = id;
    QL_TRY(get_number(file, key, found));
    if (found >= -1 && found < static_cast<int64_t>(vocab.tokens.size()))
        return id = static_cast<int32_t>(found), Status();
    vocab.notes.push_back(format("%s: %lld is outside the vocabulary of %zu tokens, and is passed over", key,
                                 static_cast<long long>(found), vocab.tokens.size()));
    return {};
}

Result<std::vector<std::string>> get_strings(const ql_gguf * file, const char * key) {
    ql_gguf_array array{};
    QL_TRY(ql_gguf_get_array(file, key, &array));
    if (array.type != QL_GGUF_STRING) return error(QL_BAD_FILE, "%s: is no array of strings", key);
    std::vector<std::string> values;
    values.reserve(static_cast<size_t>(array.n));
    for (int64_t i = 0; i < array.n; i++) {
        ql_gguf_string value{};
        QL_TRY(ql_gguf_array_string(file, key, i, &value));
        values.emplace_back(view(value));
    }
    return values;
}

/// An array of 4-byte elements of a type; empty if the key is absent.
template <typename T>
Result<std::vector<T>> get_numbers(const ql_gguf * file, const char * key, ql_gguf_type type) {
    static_assert(sizeof(T) == 4);
    ql_gguf_array array{};
    const ql_status status = ql_gguf_get_array(file, key, &array);
    if (status == QL_NOT_FOUND) return std::vector<T>();
    QL_TRY(status);
    if (array.type != type) return error(QL_BAD_FILE, "%s: elements have type %d, expected %d", key, array.type, type);
    std::vector<T> values(static_cast<size_t>(array.n));
    if (!values.empty()) std::memcpy(values.data(), array.data, values.size() * sizeof(T));
    return values;
}

Status read_ids_and_flags(const ql_gguf * file, Vocab & vocab) {
    QL_TRY(get_id(file, "tokenizer.ggml.bos_token_id", vocab.bos));
    QL_TRY(get_id(file, "tokenizer.ggml.eos_token_id", vocab.eos));
    QL_TRY(get_id(file, "tokenizer.ggml.eot_token_id", vocab.eot));
    QL_TRY(get_spare_id(file, "tokenizer.ggml.unknown_token_id", vocab, vocab.unknown));
    QL_TRY(get_spare_id(file, "tokenizer.ggml.padding_token_id", vocab, vocab.padding));
    QL_TRY(get_bool(file, "tokenizer.ggml.add_bos_token", vocab.add_bos));
    QL_TRY(get_bool(file, "tokenizer.ggml.add_eos_token", vocab.add_eos));
    return get_bool(file, "tokenizer.ggml.add_space_prefix", vocab.add_space_prefix);
}

/// Bytes as an array of 8-bit elements; empty if the key is absent.
Result<std::string_view> get_bytes(const ql_gguf * file, const char * key) {
    ql_gguf_array array{};
    const ql_status status = ql_gguf_get_array(file, key, &array);
    if (status == QL_NOT_FOUND) return std::string_view();
    QL_TRY(status);
    if (array.type != QL_GGUF_U8 && array.type != QL_GGUF_I8)
        return error(QL_BAD_FILE, "%s: elements have type %d, expected bytes", key, array.type);
    return std::string_view(static_cast<const char *>(array.data), static_cast<size_t>(array.n));
}

Status read_unigram_normalizer(const ql_gguf * file, Vocab & vocab) {
    bool merges = false;
    QL_TRY(get_bool(file, "tokenizer.ggml.remove_extra_whitespaces", merges));
    QL_ASSIGN(const std::string_view map, get_bytes(file, "tokenizer.ggml.precompiled_charsmap"));
    if (vocab.unknown < 0) return error(QL_UNSUPPORTED, "tokenizer: a Unigram vocabulary without an unknown token");
    auto steps = sentence_piece_steps(map, vocab.add_space_prefix, merges);
    if (!steps.ok()) return error(steps.code(), "tokenizer.ggml.%s", steps.message().c_str());
    vocab.normalizer = std::move(steps).value();
    return {};
}

/// Phi-3's special tokens swallow the white space after them. No metadata says so: llama.cpp goes by the model's name.
Status set_strips_by_name(const ql_gguf * file, Vocab & vocab) {
    QL_ASSIGN(std::string name, get_string(file, "general.name", ""));
    for (char & c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (name.find("phi-3") == name.npos && name.find("phi3") == name.npos) return {};
    for (size_t i = 0; i < vocab.tokens.size() && i < vocab.types.size(); i++) {
        const std::string & text = vocab.tokens[i];
        const bool special = vocab.types[i] == TokenType::kControl || vocab.types[i] == TokenType::kUserDefined;
        if (special && text != "<s>" && text != "<|endoftext|>") vocab.strip_right.push_back(static_cast<int32_t>(i));
    }
    return {};
}

Status check_id(const Vocab & vocab, const char * name, int32_t id) {
    if (id == -1 || (id >= 0 && static_cast<size_t>(id) < vocab.tokens.size())) return {};
    return error(QL_BAD_FILE, "tokenizer: %s id %d is outside the vocabulary of %zu tokens", name, id,
                 vocab.tokens.size());
}

}  // namespace

int32_t find_token(const Vocab & vocab, const std::string & text) {
    const auto found = std::find(vocab.tokens.begin(), vocab.tokens.end(), text);
    return text.empty() || found == vocab.tokens.end() ? -1 : static_cast<int32_t>(found - vocab.tokens.begin());
}

int byte_of_token(const std::string & text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    if (text.size() != 6 || text.compare(0, 3, "<0x") != 0 || text[5] != '>') return -1;
    const size_t high = kDigits.find(text[3]), low = kDigits.find(text[4]);
    return high == kDigits.npos || low == kDigits.npos ? -1 : static_cast<int>(high * 16 + low);
}

Status check_vocab(const Vocab & vocab) {
    const size_t n = vocab.tokens.size();
    if (n == 0 || n > kMaxTokens) return error(QL_BAD_FILE, "tokenizer: vocabulary of %zu tokens", n);
    if (vocab.types.size() != n) {
        return error(QL_BAD_FILE, "tokenizer: %zu token types for %zu tokens", vocab.types.size(), n);
    }
    if (vocab.kind == TokenizerKind::kSentencePiece && vocab.scores.size() != n) {
        return error(QL_BAD_FILE, "tokenizer: %zu scores for %zu tokens", vocab.scores.size(), n);
    }
    for (size_t i = 0; i < vocab.scores.size(); i++) {
        if (!std::isfinite(vocab.scores[i])) return error(QL_BAD_FILE, "tokenizer: score %zu is not finite", i);
    }
    if (vocab.kind == TokenizerKind::kUnigram && vocab.log_probabilities.size() != n)
        return error(QL_BAD_FILE, "tokenizer: %zu scores for %zu tokens", vocab.log_probabilities.size(), n);
    for (size_t i = 0; i < vocab.log_probabilities.size(); i++) {
        const double score = vocab.log_probabilities[i];
        if (!(score >= -kMaxScore && score <= kMaxScore))
            return error(QL_BAD_FILE, "tokenizer: score %zu is %g", i, score);
    }
    for (size_t i = 0; i < n; i++) {
        if (vocab.types[i] != TokenType::kByte || byte_of_token(vocab.tokens[i]) >= 0) continue;
        return error(QL_BAD_FILE, "tokenizer: byte token %zu is '%.40s', not '<0xNN>'", i, vocab.tokens[i].c_str());
    }
    QL_TRY(check_id(vocab, "bos", vocab.bos));
    QL_TRY(check_id(vocab, "eos", vocab.eos));
    QL_TRY(check_id(vocab, "eot", vocab.eot));
    QL_TRY(check_id(vocab, "unknown", vocab.unknown));
    QL_TRY(check_id(vocab, "padding", vocab.padding));
    if (vocab.add_bos && vocab.bos < 0) return error(QL_BAD_FILE, "tokenizer: adds a bos token but has none");
    if (vocab.add_eos && vocab.eos < 0) return error(QL_BAD_FILE, "tokenizer: adds an eos token but has none");
    return {};
}

Result<Vocab> vocab_from_gguf(const ql_gguf * file) {
    QL_ASSIGN(const std::string model, get_string(file, "tokenizer.ggml.model", nullptr));
    Vocab vocab;
    if (model == "gpt2") {
        QL_ASSIGN(vocab.pre, get_string(file, "tokenizer.ggml.pre", "(none)"));
        QL_ASSIGN(const PreTokenizer pre, PreTokenizer::create(vocab.pre));
        vocab.add_bos = pre.traits().add_bos;
        vocab.ignore_merges = pre.traits().ignore_merges;
        QL_ASSIGN(vocab.merges, get_strings(file, "tokenizer.ggml.merges"));
    } else if (model == "llama") {
        vocab.kind = TokenizerKind::kSentencePiece;
        vocab.add_bos = vocab.add_space_prefix = true;
        vocab.unknown = 0, vocab.bos = 1, vocab.eos = 2;
        QL_ASSIGN(vocab.scores, get_numbers<float>(file, "tokenizer.ggml.scores", QL_GGUF_F32));
    } else if (model == "t5") {
        vocab.kind = TokenizerKind::kUnigram;
        vocab.add_eos = true;
        vocab.eos = 1, vocab.unknown = 2, vocab.padding = 0;
        QL_ASSIGN(const auto scores, get_numbers<float>(file, "tokenizer.ggml.scores", QL_GGUF_F32));
        vocab.log_probabilities.assign(scores.begin(), scores.end());
    } else {
        return error(QL_UNSUPPORTED, "tokenizer.ggml.model: '%.40s' is not supported; supported are gpt2, llama and t5",
                     model.c_str());
    }
    QL_ASSIGN(vocab.tokens, get_strings(file, "tokenizer.ggml.tokens"));
    QL_ASSIGN(const auto types, get_numbers<int32_t>(file, "tokenizer.ggml.token_type", QL_GGUF_I32));
    vocab.types.reserve(types.size());
    for (const int32_t type : types) {
        if (type < 0 || type > 6) return error(QL_BAD_FILE, "tokenizer.ggml.token_type: %d is no token type", type);
        vocab.types.push_back(static_cast<TokenType>(type));
    }
    if (types.empty()) vocab.types.assign(vocab.tokens.size(), TokenType::kNormal);
    QL_TRY(read_ids_and_flags(file, vocab));
    if (vocab.kind == TokenizerKind::kUnigram) QL_TRY(read_unigram_normalizer(file, vocab));
    QL_TRY(check_vocab(vocab));
    mark_control_tokens(vocab);
    QL_TRY(set_strips_by_name(file, vocab));
    return vocab;
}

}  // namespace ql
