// A vocabulary from a Hugging Face directory: tokenizer.json, or where that is missing tokenizer.model, gives the
// tokens and how text becomes them; tokenizer_config.json names bos, eos, padding, and may change added tokens;
// end_tokens_hf.hpp reads the other files that name end tokens.
#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "models/json/parse_json.hpp"
#include "models/text/end_tokens_hf.hpp"
#include "models/text/sentence_piece_model.hpp"
#include "models/text/tokenizer_json.hpp"
#include "models/text/vocab.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

using json = Json;

constexpr JsonLimits kLimits{.bytes = size_t{256} << 20};

/// object[key], or null where there is no such thing.
const json & member(const json & object, const char * key) {
    static const json null;
    if (!object.is_object()) return null;
    const auto found = object.find(key);
    return found == object.end() ? null : *found;
}

std::string text_of(const json & value) {  // a string, or an added token's {"content": ...}
    const json & text = value.is_object() ? member(value, "content") : value;
    return text.is_string() ? text.get<std::string>() : std::string();
}

void set_flag(const json & config, const char * key, bool & value) {
    const json & found = member(config, key);
    if (found.is_boolean()) value = found.get<bool>();
}

/// The added tokens as tokenizer_config.json has them, {"id": {"content": ...}}: what they ask for overrides the
/// other file.
Status override_added_tokens(const json & added, Vocab & vocab) {
    if (!added.is_object()) return {};
    std::unordered_set<int32_t> named;
    std::vector<std::pair<int32_t, const json *>> tokens;
    for (const auto & [key, token] : added.items()) {
        int32_t id = -1;
        const auto read = std::from_chars(key.data(), key.data() + key.size(), id);
        if (read.ec != std::errc() || read.ptr != key.data() + key.size())
            return error(QL_BAD_FILE, "tokenizer_config.json: added token '%.40s': its key is no id", key.c_str());
        named.insert(id);
        tokens.emplace_back(id, &token);
    }
    for (auto * ids : {&vocab.strip_left, &vocab.strip_right, &vocab.single_words, &vocab.normalized})
        std::erase_if(*ids, [&](int32_t id) { return named.contains(id); });
    for (const auto & [id, token] : tokens) {
        if (id >= static_cast<int64_t>(vocab.tokens.size())) vocab.added_only.push_back(id);
        QL_TRY(read_json_added_token(*token, id, vocab));
    }
    return {};
}

/// The id of a token that the config names; `id` stays where it names none. A token named there is matched in text.
Status read_named(const json & config, const char * key, Vocab & vocab, int32_t & id) {
    const std::string text = text_of(member(config, key));
    if (text.empty()) return {};
    id = find_token(vocab, text);
    if (id < 0) {
        vocab.notes.push_back(format("tokenizer_config.json: %s '%.40s' is not in the vocabulary, and is passed over",
                                     key, text.c_str()));
        return {};
    }
    TokenType & type = vocab.types[static_cast<size_t>(id)];
    if (type != TokenType::kUnknown) type = TokenType::kControl;
    return {};
}

/// What a template adds must be the token that the config names: both stand for the same in training and in chats.
Status check_added(const char * name, bool adds, int32_t by_template, int32_t by_config) {
    if (!adds || by_template < 0 || by_config < 0 || by_template == by_config) return {};
    return error(QL_UNSUPPORTED,
                 "tokenizer.json: the post_processor adds token %d, but tokenizer_config.json says that %s is %d",
                 by_template, name, by_config);
}

Status read_config(const json & config, Vocab & vocab) {
    QL_TRY(override_added_tokens(member(config, "added_tokens_decoder"), vocab));
    const int32_t bos = vocab.bos, eos = vocab.eos;
    QL_TRY(read_named(config, "bos_token", vocab, vocab.bos));
    QL_TRY(read_named(config, "eos_token", vocab, vocab.eos));
    QL_TRY(read_named(config, "pad_token", vocab, vocab.padding));
    QL_TRY(read_named(config, "unk_token", vocab, vocab.unknown));
    if (vocab.hugging_face) {
        QL_TRY(check_added("bos_token", vocab.add_bos, bos, vocab.bos));
        QL_TRY(check_added("eos_token", vocab.add_eos, eos, vocab.eos));
    }
    set_flag(config, "add_bos_token", vocab.add_bos);
    set_flag(config, "add_eos_token", vocab.add_eos);
    return {};
}

Result<Vocab> read_vocab(const std::string & directory) {
    auto document = read_json_object(directory + "/tokenizer.json", kLimits);
    if (document.ok()) return read_tokenizer_json(*document);
    if (document.code() != QL_NOT_FOUND) return document.status();
    auto model = read_file(directory + "/tokenizer.model", kLimits.bytes);
    if (!model.ok() && model.code() == QL_NOT_FOUND)
        return error(QL_NOT_FOUND, "neither tokenizer.json nor tokenizer.model is there");
    if (!model.ok()) return model.status();
    return read_sentence_piece_model(model->view());
}

Result<Vocab> build(const std::string & directory) {
    QL_ASSIGN(Vocab vocab, read_vocab(directory));
    auto config = read_json_object(directory + "/tokenizer_config.json", kLimits);
    if (!config.ok() && config.code() != QL_NOT_FOUND) return config.status();
    QL_TRY(read_config(config.ok() ? *config : json(), vocab));
    QL_TRY(check_vocab(vocab));
    return vocab;
}

}  // namespace

Result<Vocab> vocab_from_hf(const std::string & directory) {
    try {
        auto vocab = build(directory);
        if (!vocab.ok() && !vocab.message().starts_with(directory))
            return error(vocab.code(), "%s/%s", directory.c_str(), vocab.message().c_str());
        if (!vocab.ok()) return vocab;
        QL_TRY(complete_special_tokens(directory, *vocab));
        return vocab;
    } catch (const json::exception & e) {  // every access above is checked; this is for those of later versions
        return error(QL_BAD_FILE, "%s: tokenizer files: %s", directory.c_str(), e.what());
    }
}

}  // namespace ql
