#include "models/text/end_tokens_hf.hpp"

#include <algorithm>

#include "models/json/parse_json.hpp"

namespace ql {
namespace {

/// The object of a file, an empty one where there is no such file.
Result<Json> read_object(const std::string & path) {
    auto object = read_json_object(path);
    if (!object.ok() && object.code() == QL_NOT_FOUND) return Json(Json::object());
    return object;
}

/// object[key], or null.
const Json & member(const Json & object, const char * key) {
    static const Json null;
    if (!object.is_object()) return null;
    const auto found = object.find(key);
    return found == object.end() ? null : *found;
}

/// The id of a token that is written as a string, or as an added token's {"content": ...}; -1 for none.
int32_t id_of(const Vocab & vocab, const Json & token) {
    const Json & text = token.is_object() ? member(token, "content") : token;
    if (!text.is_string()) return -1;
    const auto found = std::find(vocab.tokens.begin(), vocab.tokens.end(), text.get_ref<const std::string &>());
    return found == vocab.tokens.end() ? -1 : static_cast<int32_t>(found - vocab.tokens.begin());
}

Status read_map(const std::string & directory, Vocab & vocab) {
    QL_ASSIGN(const Json map, read_object(directory + "/special_tokens_map.json"));
    for (const auto & [key, id] : {std::pair{"bos_token", &vocab.bos},
                                   {"eos_token", &vocab.eos},
                                   {"pad_token", &vocab.padding},
                                   {"unk_token", &vocab.unknown}})
        if (*id < 0) *id = id_of(vocab, member(map, key));
    return {};
}

bool is_special(const Vocab & vocab, const Json & id) {
    if (!id.is_number_integer() || id < 0 || id >= vocab.tokens.size()) return false;
    const TokenType type = vocab.types[id.get<size_t>()];
    return type == TokenType::kControl || type == TokenType::kUserDefined;
}

void add_ends(const Json & ids, Vocab & vocab) {
    if (ids.is_array()) {
        for (const Json & id : ids)
            if (!id.is_array()) add_ends(id, vocab);
        return;
    }
    if (!is_special(vocab, ids)) return;
    vocab.ends.push_back(ids.get<int32_t>());
    if (vocab.eos < 0) vocab.eos = vocab.ends.front();
}

}  // namespace

Status complete_special_tokens(const std::string & directory, Vocab & vocab) {
    QL_TRY(read_map(directory, vocab));
    QL_ASSIGN(const Json generation, read_object(directory + "/generation_config.json"));
    QL_ASSIGN(const Json config, read_object(directory + "/config.json"));
    // The first that names any: the model's own configuration is what generation falls back on.
    for (const Json * object : {&generation, &config, &member(config, "text_config")}) {
        const Json & ids = member(*object, "eos_token_id");
        if (ids.is_null()) continue;
        add_ends(ids, vocab);
        break;
    }
    return {};
}

}  // namespace ql
