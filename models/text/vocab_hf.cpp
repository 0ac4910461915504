// A vocabulary from a Hugging Face directory: tokenizer.json gives tokens, merges, added tokens and the pre-tokenizer,
// tokenizer_config.json names bos, eos and padding (end_tokens_hf.hpp: the files that do so too). Only byte-level BPE:
// what else stands in such files is refused by name. (A normalizer NFC is accepted and not applied, as in llama.cpp.)
#include <algorithm>

#include "models/json/parse_json.hpp"
#include "models/text/end_tokens_hf.hpp"
#include "models/text/pre_tokenizer.hpp"
#include "models/text/vocab.hpp"

namespace ql {
namespace {

using json = Json;

constexpr JsonLimits kLimits{.bytes = size_t{256} << 20};
constexpr int64_t kMaxId = int64_t{1} << 22;

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

bool flag(const json & object, const char * key, bool fallback) {
    const json & value = member(object, key);
    return value.is_boolean() ? value.get<bool>() : fallback;
}

Status put_token(Vocab & vocab, const std::string & text, const json & id, TokenType type) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= kMaxId) {
        return error(QL_BAD_FILE, "tokenizer.json: token '%.40s' has no usable id", text.c_str());
    }
    const auto i = id.get<size_t>();
    if (i >= vocab.tokens.size()) {
        vocab.tokens.resize(i + 1);
        vocab.types.resize(i + 1, TokenType::kUnused);
    }
    vocab.tokens[i] = text;
    vocab.types[i] = type;
    return {};
}

Status read_model(const json & model, Vocab & vocab) {
    const std::string type = text_of(member(model, "type"));
    if (type != "BPE" || flag(model, "byte_fallback", false)) {
        return error(QL_UNSUPPORTED,
                     "tokenizer.json: model '%s'%s is not supported, only byte-level BPE is; use the GGUF file",
                     type.c_str(), type == "BPE" ? " with byte_fallback (SentencePiece)" : "");
    }
    vocab.ignore_merges = flag(model, "ignore_merges", false);
    const json & tokens = member(model, "vocab");
    const json & merges = member(model, "merges");
    if (!tokens.is_object() || !merges.is_array())
        return error(QL_BAD_FILE, "tokenizer.json: model has no vocab or no merges");
    for (const auto & [text, id] : tokens.items()) QL_TRY(put_token(vocab, text, id, TokenType::kNormal));
    for (const json & merge : merges) {  // "left right", or in newer files ["left", "right"]
        if (merge.is_string()) {
            vocab.merges.push_back(merge.get<std::string>());
        } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
            vocab.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
        } else {
            return error(QL_BAD_FILE, "tokenizer.json: merge %zu is no pair of strings", vocab.merges.size());
        }
    }
    return {};
}

Status read_added_tokens(const json & added, Vocab & vocab) {
    if (added.is_null()) return {};
    if (!added.is_array()) return error(QL_BAD_FILE, "tokenizer.json: added_tokens is no array");
    for (const json & token : added) {
        const TokenType type = flag(token, "special", false) ? TokenType::kControl : TokenType::kUserDefined;
        QL_TRY(put_token(vocab, text_of(token), member(token, "id"), type));
        const auto id = member(token, "id").get<int32_t>();
        if (flag(token, "lstrip", false)) vocab.strip_left.push_back(id);
        if (flag(token, "rstrip", false)) vocab.strip_right.push_back(id);
    }
    return {};
}

/// The steps of a pre-tokenizer or post-processor: the parts of a Sequence, or the thing itself.
std::vector<json> steps_of(const json & step, const char * parts) {
    if (step.is_null()) return {};
    const json & list = member(step, parts);
    if (text_of(member(step, "type")) == "Sequence" && list.is_array()) return list.get<std::vector<json>>();
    return {step};
}

Result<std::string> pre_tokenizer_name(const json & definition) {
    bool digits = false, byte_level = false;
    std::string name;
    for (const json & step : steps_of(definition, "pretokenizers")) {
        const std::string type = text_of(member(step, "type"));
        if (type == "Digits" && flag(step, "individual_digits", false)) {
            digits = true;
        } else if (type == "ByteLevel" && !flag(step, "add_prefix_space", true)) {
            byte_level = true;
            if (flag(step, "use_regex", true)) name = digits ? "smollm" : "gpt-2";
        } else if (type == "Split") {
            const std::string pattern = text_of(member(member(step, "pattern"), "Regex"));
            const char * known = pre_tokenizer_of_pattern(pattern);
            if (!known) {
                return error(QL_UNSUPPORTED, "tokenizer.json: no known pre-tokenizer (%s) splits by '%.120s'",
                             known_pre_tokenizers().c_str(), pattern.c_str());
            }
            name = known;
        } else {
            return error(QL_UNSUPPORTED, "tokenizer.json: pre-tokenizer step '%s' as set up here is not supported",
                         type.c_str());
        }
    }
    if (!byte_level || name.empty())
        return error(QL_UNSUPPORTED, "tokenizer.json: the pre-tokenizer is not byte-level");
    return name;
}

/// True if the post-processor's template for one text begins with the bos token.
bool template_adds_bos(const json & post_processor, const std::string & bos) {
    for (const json & step : steps_of(post_processor, "processors")) {
        const json & single = member(step, "single");
        if (!single.is_array() || single.empty()) continue;
        const json & id = member(member(single[0], "SpecialToken"), "id");
        if (!bos.empty() && text_of(id) == bos) return true;
    }
    return false;
}

int32_t find_token(const Vocab & vocab, const std::string & text) {
    if (text.empty()) return -1;
    const auto found = std::find(vocab.tokens.begin(), vocab.tokens.end(), text);
    return found == vocab.tokens.end() ? -1 : static_cast<int32_t>(found - vocab.tokens.begin());
}

Result<Vocab> build(const json & tokenizer, const json & config) {
    Vocab vocab;
    const std::string normalizer = text_of(member(member(tokenizer, "normalizer"), "type"));
    if (!normalizer.empty() && normalizer != "NFC") {
        return error(QL_UNSUPPORTED, "tokenizer.json: normalizer '%s' is not supported", normalizer.c_str());
    }
    QL_TRY(read_model(member(tokenizer, "model"), vocab));
    QL_TRY(read_added_tokens(member(tokenizer, "added_tokens"), vocab));
    QL_ASSIGN(vocab.pre, pre_tokenizer_name(member(tokenizer, "pre_tokenizer")));
    const std::string bos = text_of(member(config, "bos_token"));
    vocab.bos = find_token(vocab, bos);
    vocab.eos = find_token(vocab, text_of(member(config, "eos_token")));
    vocab.padding = find_token(vocab, text_of(member(config, "pad_token")));
    vocab.unknown = find_token(vocab, text_of(member(config, "unk_token")));
    vocab.add_bos = flag(config, "add_bos_token", template_adds_bos(member(tokenizer, "post_processor"), bos));
    vocab.add_eos = flag(config, "add_eos_token", false);
    QL_TRY(check_vocab(vocab));
    return vocab;
}

}  // namespace

Result<Vocab> vocab_from_hf(const std::string & directory) {
    QL_ASSIGN(const json tokenizer, read_json_object(directory + "/tokenizer.json", kLimits));
    auto config = read_json_object(directory + "/tokenizer_config.json", kLimits);
    if (!config.ok() && config.code() != QL_NOT_FOUND) return config.status();
    try {
        auto vocab = build(tokenizer, config.ok() ? *config : json());
        if (!vocab.ok()) return error(vocab.code(), "%s/%s", directory.c_str(), vocab.message().c_str());
        QL_TRY(complete_special_tokens(directory, *vocab));
        return vocab;
    } catch (const json::exception & e) {  // every access above is checked; this is for those of later versions
        return error(QL_BAD_FILE, "%s/tokenizer.json: %s", directory.c_str(), e.what());
    }
}

}  // namespace ql
