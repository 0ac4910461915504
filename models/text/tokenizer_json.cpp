// The model and the added tokens of a tokenizer.json; its other parts are steps (tokenizer_json_steps.cpp).
#include "models/text/tokenizer_json.hpp"

#include <algorithm>
#include <unordered_map>

#include "models/text/byte_level.hpp"
#include "models/text/json_fields.hpp"
#include "models/text/space.hpp"

namespace ql {
namespace {

using json = Json;

constexpr int64_t kMaxId = int64_t{1} << 22;
Status put_token(const std::string & text, int64_t id, TokenType type, Vocab & vocab) {
    if (id < 0 || id >= kMaxId)
        return error(QL_BAD_FILE, "tokenizer.json: token '%.40s' has no usable id", text.c_str());
    const auto i = static_cast<size_t>(id);
    if (i >= vocab.tokens.size()) {
        vocab.tokens.resize(i + 1);
        vocab.types.resize(i + 1, TokenType::kUnused);
    }
    if (!vocab.tokens[i].empty() && vocab.tokens[i] != text) {
        return error(QL_BAD_FILE, "tokenizer.json: tokens '%.40s' and '%.40s' have the same id %zu",
                     vocab.tokens[i].c_str(), text.c_str(), i);
    }
    vocab.tokens[i] = text;
    vocab.types[i] = type;
    return {};
}

Status read_vocab(const json & tokens, Vocab & vocab) {
    if (!tokens.is_object()) return error(QL_BAD_FILE, "tokenizer.json: model has no vocab");
    for (const auto & [text, id] : tokens.items()) {
        const bool whole = id.is_number_integer() && !(id.is_number_unsigned() && id.get<uint64_t>() > INT64_MAX);
        const bool byte = vocab.byte_fallback && byte_of_token(text) >= 0;
        QL_TRY(put_token(text, whole ? id.get<int64_t>() : -1, byte ? TokenType::kByte : TokenType::kNormal, vocab));
    }
    return {};
}

/// [[text, log probability], ...]; the place in the list is the id.
Status read_probabilities(const json & pieces, Vocab & vocab) {
    if (!pieces.is_array()) return error(QL_BAD_FILE, "tokenizer.json: model has no vocab");
    for (const json & piece : pieces) {
        const size_t i = vocab.tokens.size();
        if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number())
            return error(QL_BAD_FILE, "tokenizer.json: piece %zu is no text with a number", i);
        const auto & text = piece[0].get_ref<const std::string &>();
        const bool byte = vocab.byte_fallback && byte_of_token(text) >= 0;
        QL_TRY(put_token(text, static_cast<int64_t>(i), byte ? TokenType::kByte : TokenType::kNormal, vocab));
        vocab.log_probabilities.push_back(piece[1].get<double>());
    }
    return {};
}

/// `tokenizers` stops at a character that is no token where there is no unk_id; a file without one is refused.
Status read_unigram(JsonFields & fields, Vocab & vocab) {
    if (vocab.kind == TokenizerKind::kByteLevelBpe)
        return fields.unsupported("type Unigram with a byte-level pre-tokenizer is not supported");
    vocab.kind = TokenizerKind::kUnigram;
    QL_TRY(fields.flag("byte_fallback", false, vocab.byte_fallback));
    QL_TRY(read_probabilities(fields.value("vocab"), vocab));
    const json & unknown = fields.value("unk_id");
    if (unknown.is_null()) return fields.unsupported("type Unigram without unk_id is not supported");
    const bool in_range = unknown.is_number_unsigned() && unknown.get<uint64_t>() < vocab.tokens.size();
    if (!in_range) return fields.bad("unk_id is no token's number");
    vocab.fallback = unknown.get<int32_t>();
    vocab.types[static_cast<size_t>(vocab.fallback)] = TokenType::kUnknown;
    return fields.finish();
}

/// "left right", or in newer files ["left", "right"]
Status read_merges(const json & merges, Vocab & vocab) {
    if (!merges.is_array()) return error(QL_BAD_FILE, "tokenizer.json: model has no merges");
    vocab.merges.reserve(merges.size());
    for (const json & merge : merges) {
        const size_t i = vocab.merges.size();
        if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
            vocab.merges.push_back(merge[0].get_ref<const std::string &>() + " " +
                                   merge[1].get_ref<const std::string &>());
        } else if (merge.is_string()) {
            vocab.merges.push_back(merge.get_ref<const std::string &>());
        } else {
            return error(QL_BAD_FILE, "tokenizer.json: merge %zu is no pair of strings", i);
        }
        if (std::count(vocab.merges[i].begin(), vocab.merges[i].end(), ' ') != 1) {
            return error(QL_UNSUPPORTED,
                         "tokenizer.json: merge %zu is '%.80s'; only symbols without spaces are supported", i,
                         vocab.merges[i].c_str());
        }
    }
    return {};
}

/// The token for what is no token. Byte-level models that have every byte never need it, whatever their file names.
Status read_fallback(const JsonFields & fields, const std::string & name, Vocab & vocab) {
    if (name.empty()) return {};
    vocab.fallback = find_token(vocab, name);
    if (vocab.fallback >= 0) return {};
    const auto has_byte = [&](unsigned char byte) {
        return find_token(vocab, byte_level_encode(std::string(1, static_cast<char>(byte)))) >= 0;
    };
    bool complete = vocab.kind == TokenizerKind::kByteLevelBpe;
    for (int byte = 0; complete && byte < 256; byte++) complete = has_byte(static_cast<unsigned char>(byte));
    return complete ? Status() : fields.bad("unk_token '" + name.substr(0, 60) + "' is not in vocab");
}

/// Where no merge goes across the place before a U+2581, text may be cut there: it is the same, and words are short.
/// (Not where characters may be dropped, which makes neighbours of others.)
void cut_before_spaces(Vocab & vocab) {
    const auto has_inner_space = [](std::string joined) {
        joined.erase(joined.find(' '), 1);
        std::string_view rest = joined;
        while (rest.starts_with(kSpace)) rest.remove_prefix(sizeof kSpace - 1);
        return rest.find(kSpace) != rest.npos;
    };
    if (vocab.kind != TokenizerKind::kCharacterBpe || vocab.ignore_merges || vocab.fallback < 0 ||
        find_token(vocab, std::string(kSpace)) < 0 ||
        std::any_of(vocab.merges.begin(), vocab.merges.end(), has_inner_space))
        return;
    vocab.pre_steps.push_back({.expression = "\\x{2581}*[^\\x{2581}]+|\\x{2581}+"});
}

Status read_added_tokens(const json & added, Vocab & vocab) {
    if (added.is_null()) return {};
    if (!added.is_array()) return error(QL_BAD_FILE, "tokenizer.json: added_tokens is no array");
    std::unordered_map<std::string, int64_t> ids;
    for (size_t i = 0; i < vocab.tokens.size(); i++) ids.emplace(vocab.tokens[i], i);
    for (const json & token : added) {
        const auto id = token.is_object() ? token.find("id") : token.end();
        if (!token.is_object() || id == token.end() || !id->is_number_integer() || !token.contains("content") ||
            !token["content"].is_string())
            return error(QL_BAD_FILE, "tokenizer.json: an added token without a usable id, or without content");
        const auto & text = token["content"].get_ref<const std::string &>();
        const auto known = ids.find(text);
        if (known != ids.end() && known->second != id->get<int64_t>()) {
            return error(QL_BAD_FILE, "tokenizer.json: token '%.40s' has two ids, %lld and %lld", text.c_str(),
                         static_cast<long long>(known->second), id->get<long long>());
        }
        QL_TRY(read_json_added_token(token, id->get<int64_t>(), vocab));
        if (known == ids.end()) vocab.added_only.push_back(id->get<int32_t>());
    }
    return {};
}

}  // namespace

Status read_json_added_token(const json & token, int64_t id, Vocab & vocab) {
    QL_ASSIGN(JsonFields fields, JsonFields::open(token, "tokenizer.json: added token " + std::to_string(id)));
    std::string text;
    bool special = false, normalized = false, left = false, right = false, single_word = false;
    QL_TRY(fields.text("content", "", text));
    QL_TRY(fields.flag("special", false, special));
    QL_TRY(fields.flag("normalized", !special, normalized));
    QL_TRY(fields.flag("lstrip", false, left));
    QL_TRY(fields.flag("rstrip", false, right));
    QL_TRY(fields.flag("single_word", false, single_word));
    fields.ignore({"id", "__type"});
    QL_TRY(fields.finish());
    if (text.empty()) return {};
    if (normalized && normalize(vocab.normalizer, text).text.empty())
        return fields.unsupported("'" + text.substr(0, 60) + "', of which the normalizer leaves nothing");
    QL_TRY(put_token(text, id, special ? TokenType::kControl : TokenType::kUserDefined, vocab));
    const auto i = static_cast<int32_t>(id);
    if (left) vocab.strip_left.push_back(i);
    if (right) vocab.strip_right.push_back(i);
    if (single_word) vocab.single_words.push_back(i);
    if (normalized) vocab.normalized.push_back(i);
    return {};
}

Status read_json_model(const json & model, Vocab & vocab) {
    QL_ASSIGN(JsonFields fields, JsonFields::open(model, "tokenizer.json: model"));
    std::string type, unknown, prefix, suffix;
    QL_TRY(fields.text("type", "BPE", type));
    if (type == "Unigram") return read_unigram(fields, vocab);
    if (type != "BPE")
        return fields.unsupported("type '" + type.substr(0, 60) + "' is not supported, only BPE and Unigram are");
    QL_TRY(fields.text("unk_token", "", unknown));
    QL_TRY(fields.text("continuing_subword_prefix", "", prefix));
    QL_TRY(fields.text("end_of_word_suffix", "", suffix));
    QL_TRY(fields.flag("fuse_unk", false, vocab.fuse_fallback));
    QL_TRY(fields.flag("byte_fallback", false, vocab.byte_fallback));
    QL_TRY(fields.flag("ignore_merges", false, vocab.ignore_merges));
    if (!prefix.empty()) return fields.unsupported("continuing_subword_prefix is not supported");
    if (!suffix.empty()) return fields.unsupported("end_of_word_suffix is not supported");
    const json & dropout = fields.value("dropout");
    if (!dropout.is_null() && !(dropout.is_number() && dropout.get<double>() == 0))
        return fields.unsupported("dropout is not supported: the same text would have other tokens each time");
    if (vocab.kind == TokenizerKind::kByteLevelBpe && vocab.byte_fallback)
        return fields.unsupported("byte_fallback with a byte-level pre-tokenizer is not supported");
    QL_TRY(read_vocab(fields.value("vocab"), vocab));
    QL_TRY(read_merges(fields.value("merges"), vocab));
    QL_TRY(read_fallback(fields, unknown, vocab));
    cut_before_spaces(vocab);
    return fields.finish();
}

Result<Vocab> read_tokenizer_json(const json & document) {
    QL_ASSIGN(JsonFields fields, JsonFields::open(document, "tokenizer.json"));
    Vocab vocab;
    vocab.hugging_face = true;
    QL_TRY(read_json_normalizer(fields.value("normalizer"), vocab.normalizer));
    QL_TRY(read_json_pre_tokenizer(fields.value("pre_tokenizer"), vocab));
    QL_TRY(read_json_model(fields.value("model"), vocab));
    QL_TRY(read_added_tokens(fields.value("added_tokens"), vocab));
    QL_TRY(read_json_post_processor(fields.value("post_processor"), vocab));
    QL_TRY(check_json_decoder(fields.value("decoder"), vocab));
    if (vocab.kind == TokenizerKind::kUnigram) vocab.log_probabilities.resize(vocab.tokens.size());  // of added ones
    fields.ignore({"version", "truncation", "padding"});  // of batches: whoever asks for one sets them
    QL_TRY(fields.finish());
    return vocab;
}

}  // namespace ql
