// The steps of a tokenizer.json: what is done to text before the model gets it, and to tokens after the model.
#include <algorithm>
#include <iterator>

#include "models/text/json_fields.hpp"
#include "models/text/space.hpp"
#include "models/text/split_expression.hpp"
#include "models/text/tokenizer_json.hpp"

namespace ql {
namespace {

using json = Json;

constexpr size_t kMaxGrowth = 64;       // of a text by its normalizer; a space becomes three bytes
constexpr size_t kMostCompatible = 11;  // of a character in form KC: U+FDFA has 3 bytes and becomes 33

Result<JsonFields> fields_of(const JsonStep & step, const char * part) {
    QL_ASSIGN(JsonFields fields,
              JsonFields::open(*step.value, std::string("tokenizer.json: ") + part + " " + step.type));
    fields.ignore({"type"});
    return fields;
}

Status unsupported(const char * part, const std::string & type, const char * known) {
    return error(QL_UNSUPPORTED, "tokenizer.json: %s '%.60s' is not supported; supported are %s", part, type.c_str(),
                 known);
}

/// {"String": "..."} or {"Regex": "..."}; null for another thing.
const json * pattern_of(const json & pattern, const char * kind) {
    const auto found = pattern.is_object() ? pattern.find(kind) : pattern.end();
    return pattern.is_object() && found != pattern.end() && found->is_string() ? &*found : nullptr;
}

Status read_replace_matches(const json & regex, JsonFields & fields, NormalizerStep & step) {
    auto expression = pcre2_of_oniguruma(regex.get_ref<const std::string &>());
    if (!expression.ok()) return fields.unsupported(expression.message());
    auto pattern = TextPattern::compile(*expression);
    if (!pattern.ok()) return fields.unsupported(pattern.message());
    if (pattern->matches_empty()) return fields.unsupported("an expression that may match nothing is not supported");
    step.kind = NormalizerStep::Kind::kReplaceMatches;
    step.expression = std::make_shared<const TextPattern>(std::move(pattern).value());
    step.pattern = " ";  // at least one byte is replaced
    step.regex = regex.get<std::string>();
    return fields.text("content", "", step.content);
}

Status read_charsmap(JsonFields & fields, NormalizerStep & step) {
    std::string text;
    QL_TRY(fields.text("precompiled_charsmap", "", text));
    const auto bytes = read_base64(text);
    if (!bytes.ok()) return fields.bad("precompiled_charsmap: " + bytes.message());
    auto map = Charsmap::read(*bytes);
    if (!map.ok()) return fields.bad(map.message());
    step.kind = NormalizerStep::Kind::kMapGraphemes;
    step.map = std::make_shared<const Charsmap>(std::move(map).value());
    return {};
}

Status read_replace(JsonFields & fields, NormalizerStep & step) {
    const json & pattern = fields.value("pattern");
    if (const json * regex = pattern_of(pattern, "Regex")) return read_replace_matches(*regex, fields, step);
    const json * text = pattern_of(pattern, "String");
    if (!text) return fields.bad("'pattern' must be a String or a Regex");
    step.pattern = text->get<std::string>();
    if (step.pattern.empty()) return fields.bad("the pattern is empty");
    return fields.text("content", "", step.content);
}

Result<PreTokenizerStep::Behavior> read_behavior(JsonFields & fields, const char * missing) {
    constexpr const char * kNames[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    std::string name;
    QL_TRY(fields.text("behavior", missing, name));
    const auto * const found = std::find(std::begin(kNames), std::end(kNames), name);
    if (found == std::end(kNames)) return fields.unsupported("behavior '" + name.substr(0, 60) + "' is not known");
    return static_cast<PreTokenizerStep::Behavior>(found - std::begin(kNames));
}

Status read_split(JsonFields & fields, Vocab & vocab) {
    PreTokenizerStep step;
    const json & pattern = fields.value("pattern");
    if (const json * text = pattern_of(pattern, "String")) {
        step.expression = pcre2_of_text(text->get_ref<const std::string &>());
        if (step.expression.empty()) return fields.bad("the pattern is empty");
    } else if (const json * regex = pattern_of(pattern, "Regex")) {
        auto expression = pcre2_of_oniguruma(regex->get_ref<const std::string &>());
        if (!expression.ok()) return fields.unsupported(expression.message());
        step.expression = std::move(expression).value();
    } else {
        return fields.bad("'pattern' must be a String or a Regex");
    }
    QL_ASSIGN(step.behavior, read_behavior(fields, ""));
    QL_TRY(fields.flag("invert", false, step.invert));
    vocab.pre_steps.push_back(std::move(step));
    return {};
}

Status read_digits(JsonFields & fields, Vocab & vocab) {
    bool individual = false;
    QL_TRY(fields.flag("individual_digits", false, individual));
    vocab.pre_steps.push_back(
        {.expression = "\\p{N}",
         .behavior = individual ? PreTokenizerStep::Behavior::kIsolated : PreTokenizerStep::Behavior::kContiguous});
    return {};
}

Status read_punctuation(JsonFields & fields, Vocab & vocab) {
    QL_ASSIGN(const auto behavior, read_behavior(fields, "Isolated"));
    vocab.pre_steps.push_back({.expression = "[\\p{P}$+<=>^`|~]", .behavior = behavior});  // and all of ASCII's
    return {};
}

Status read_byte_level(JsonFields & fields, bool first, Vocab & vocab) {
    bool prefix = true, regex = true;
    QL_TRY(fields.flag("add_prefix_space", true, prefix));
    QL_TRY(fields.flag("use_regex", true, regex));
    fields.ignore({"trim_offsets"});
    if (prefix && !first) return fields.unsupported("add_prefix_space behind another step is not supported");
    if (prefix) vocab.word_normalizer.push_back({.kind = NormalizerStep::Kind::kPrependMissing, .content = " "});
    if (regex) vocab.pre_steps.push_back({.expression = gpt2_expression()});
    return {};
}

/// Metaspace over the words that WhitespaceSplit has cut out: each has U+2581 before it.
Status metaspace_of_words(const JsonFields & fields, bool always, bool split, Vocab & vocab) {
    if (!always || !split) return fields.unsupported("behind WhitespaceSplit only 'always' with 'split' is supported");
    vocab.word_normalizer.back().left = vocab.add_space_prefix = true;
    vocab.pre_steps.push_back({.expression = kSpace, .behavior = PreTokenizerStep::Behavior::kMergedWithNext});
    return {};
}

Status read_metaspace(JsonFields & fields, bool first, Vocab & vocab) {
    std::string replacement, scheme;
    bool prefix = true, split = true;
    QL_TRY(fields.text("replacement", kSpace, replacement));
    QL_TRY(fields.text("prepend_scheme", "always", scheme));
    QL_TRY(fields.flag("add_prefix_space", true, prefix));
    QL_TRY(fields.flag("split", true, split));
    fields.ignore({"str_rep"});  // the replacement once more
    if (replacement != kSpace) return fields.unsupported("only U+2581 is supported as replacement");
    const bool behind_words =
        !first && !vocab.word_normalizer.empty() && vocab.word_normalizer.back().kind == NormalizerStep::Kind::kWords;
    if (!first && !behind_words) return fields.unsupported("behind another step it is not supported");
    if (scheme != "always" && scheme != "first" && scheme != "never")
        return fields.unsupported("prepend_scheme '" + scheme.substr(0, 60) + "' is not known");
    if (behind_words) return metaspace_of_words(fields, prefix && scheme == "always", split, vocab);
    vocab.word_normalizer.push_back({.kind = NormalizerStep::Kind::kReplace, .pattern = " ", .content = kSpace});
    if (prefix && scheme != "never") {
        vocab.space_prefix_once = scheme == "first";
        vocab.add_space_prefix = true;
        vocab.word_normalizer.push_back({.kind = vocab.space_prefix_once ? NormalizerStep::Kind::kPrependFirst
                                                                         : NormalizerStep::Kind::kPrependMissing,
                                         .content = kSpace});
    }
    if (split) {
        vocab.pre_steps.push_back({.expression = kSpace, .behavior = PreTokenizerStep::Behavior::kMergedWithNext});
    }
    return {};
}

/// True if spaces come to the model as U+2581, from which text is made again.
bool writes_spaces(const Vocab & vocab) {
    const auto is_that = [](const NormalizerStep & step) {
        const bool writes =
            step.kind == NormalizerStep::Kind::kReplace && step.pattern == " " && step.content == kSpace;
        return writes || step.kind == NormalizerStep::Kind::kWords;
    };
    return std::any_of(vocab.normalizer.begin(), vocab.normalizer.end(), is_that) ||
           std::any_of(vocab.word_normalizer.begin(), vocab.word_normalizer.end(), is_that);
}

/// A template's item is the text itself, or a special token, for which the template knows the ids.
Status read_template(JsonFields & fields, Vocab & vocab) {
    const json & single = fields.value("single");
    const json & ids = fields.value("special_tokens");
    fields.ignore({"pair"});  // of two texts
    if (!single.is_array()) return fields.bad("'single' is no list");
    bool behind = false;
    for (const json & item : single) {
        if (item.is_object() && item.contains("Sequence")) {
            if (behind) return fields.unsupported("a template with two texts is not supported");
            behind = true;
            continue;
        }
        const json * id = item.is_object() && item.contains("SpecialToken") ? &item["SpecialToken"] : nullptr;
        id = id && id->is_object() && id->contains("id") ? &(*id)["id"] : nullptr;
        if (!id || !id->is_string()) return fields.bad("'single' holds what is neither a text nor a special token");
        const auto & name = id->get_ref<const std::string &>();
        const auto found = std::find(vocab.tokens.begin(), vocab.tokens.end(), name);
        const auto token = static_cast<int32_t>(found - vocab.tokens.begin());
        if (found == vocab.tokens.end()) return fields.bad("'" + name.substr(0, 60) + "' is no token");
        const json * entry = ids.is_object() && ids.contains(name) && ids[name].is_object() ? &ids[name] : nullptr;
        if (entry && entry->contains("ids") && (*entry)["ids"] != json::array({token}))
            return fields.unsupported("'" + name.substr(0, 60) + "' stands for other tokens than itself");
        bool & adds = behind ? vocab.add_eos : vocab.add_bos;
        if (adds) return fields.unsupported("more than one token on one side of the text is not supported");
        adds = true;
        (behind ? vocab.eos : vocab.bos) = token;
    }
    if (!behind) return fields.unsupported("a template without the text is not supported");
    return fields.finish();
}

}  // namespace

Result<std::vector<JsonStep>> json_steps(const json & part, const char * name, const char * key) {
    std::vector<JsonStep> steps;
    if (part.is_null()) return steps;
    const auto add = [&](const json & step) -> Status {
        const auto type = step.is_object() ? step.find("type") : step.end();
        if (!step.is_object() || type == step.end() || !type->is_string())
            return error(QL_BAD_FILE, "tokenizer.json: %s has a step without a type", name);
        steps.push_back({type->get<std::string>(), &step});
        return {};
    };
    QL_TRY(add(part));
    if (steps[0].type != "Sequence") return steps;
    steps.clear();
    const auto list = part.find(key);
    if (list == part.end() || !list->is_array())
        return error(QL_BAD_FILE, "tokenizer.json: %s is a Sequence without its list '%s'", name, key);
    for (const json & step : *list) QL_TRY(add(step));
    return steps;
}

Status read_json_normalizer(const json & normalizer, std::vector<NormalizerStep> & out) {
    size_t growth = 1;
    QL_ASSIGN(const auto steps, json_steps(normalizer, "normalizer", "normalizers"));
    for (const JsonStep & step : steps) {
        QL_ASSIGN(JsonFields fields, fields_of(step, "normalizer"));
        NormalizerStep result{};
        if (step.type == "Prepend") {
            result.kind = NormalizerStep::Kind::kPrepend;
            QL_TRY(fields.text("prepend", "", result.content));
        } else if (step.type == "Replace") {
            result.kind = NormalizerStep::Kind::kReplace;
            QL_TRY(read_replace(fields, result));
            growth *= std::max<size_t>(1, (result.content.size() + result.pattern.size() - 1) / result.pattern.size());
            if (growth > kMaxGrowth) return fields.unsupported("a text that would become so much longer");
        } else if (step.type == "Strip") {
            result.kind = NormalizerStep::Kind::kStrip;
            QL_TRY(fields.flag("strip_left", true, result.left));
            QL_TRY(fields.flag("strip_right", true, result.right));
        } else if (step.type == "NFC") {
            result.kind = NormalizerStep::Kind::kCompose;
        } else if (step.type == "NFKC") {
            result.kind = NormalizerStep::Kind::kComposeCompatible;
            growth *= kMostCompatible;
            if (growth > kMaxGrowth) return fields.unsupported("a text that would become so much longer");
        } else if (step.type == "Precompiled") {
            QL_TRY(read_charsmap(fields, result));
        } else {
            return unsupported("normalizer", step.type, "NFC, NFKC, Precompiled, Prepend, Replace, Strip and Sequence");
        }
        QL_TRY(fields.finish());
        out.push_back(std::move(result));
    }
    return {};
}

Status read_json_pre_tokenizer(const json & pre_tokenizer, Vocab & vocab) {
    QL_ASSIGN(const auto steps, json_steps(pre_tokenizer, "pre_tokenizer", "pretokenizers"));
    vocab.kind = TokenizerKind::kCharacterBpe;
    for (size_t i = 0; i < steps.size(); i++) {
        QL_ASSIGN(JsonFields fields, fields_of(steps[i], "pre_tokenizer"));
        const std::string & type = steps[i].type;
        if (vocab.kind == TokenizerKind::kByteLevelBpe)
            return fields.unsupported("a step behind ByteLevel is not supported");
        if (type == "ByteLevel") {
            vocab.kind = TokenizerKind::kByteLevelBpe;
            QL_TRY(read_byte_level(fields, i == 0, vocab));
        } else if (type == "Metaspace") {
            QL_TRY(read_metaspace(fields, i == 0, vocab));
        } else if (type == "WhitespaceSplit") {
            if (i != 0 || steps.size() != 2 || steps[1].type != "Metaspace")
                return fields.unsupported("it is supported only before Metaspace");
            vocab.word_normalizer.push_back({.kind = NormalizerStep::Kind::kWords});
        } else if (type == "Split") {
            QL_TRY(read_split(fields, vocab));
        } else if (type == "Digits") {
            QL_TRY(read_digits(fields, vocab));
        } else if (type == "Punctuation") {
            QL_TRY(read_punctuation(fields, vocab));
        } else {
            return unsupported("pre_tokenizer", type,
                               "ByteLevel, Metaspace, Split, Digits, Punctuation, WhitespaceSplit and Sequence");
        }
        QL_TRY(fields.finish());
    }
    if (vocab.kind == TokenizerKind::kByteLevelBpe) return {};
    for (const NormalizerStep & step : vocab.normalizer) {
        vocab.add_space_prefix |=
            step.kind == NormalizerStep::Kind::kPrepend && (step.content == kSpace || step.content == " ");
    }
    return {};
}

Status read_json_post_processor(const json & post_processor, Vocab & vocab) {
    QL_ASSIGN(const auto steps, json_steps(post_processor, "post_processor", "processors"));
    for (const JsonStep & step : steps) {
        QL_ASSIGN(JsonFields fields, fields_of(step, "post_processor"));
        if (step.type == "ByteLevel") continue;  // moves offsets, which are our own
        if (step.type != "TemplateProcessing")
            return unsupported("post_processor", step.type, "TemplateProcessing, ByteLevel and Sequence");
        QL_TRY(read_template(fields, vocab));
    }
    return {};
}

/// Text is made of tokens in one way for each kind of vocabulary; a decoder that means another way is refused, and so
/// are tokens that know nothing of spaces.
Status check_json_decoder(const json & decoder, const Vocab & vocab) {
    constexpr std::string_view kOfBytes[] = {"ByteLevel"};
    constexpr std::string_view kOfCharacters[] = {"Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"};
    if (vocab.kind != TokenizerKind::kByteLevelBpe && !writes_spaces(vocab)) {
        return error(
            QL_UNSUPPORTED,
            "tokenizer.json: the pre_tokenizer is not ByteLevel, and nothing writes U+2581 for spaces; only these "
            "two are supported");
    }
    QL_ASSIGN(const auto steps, json_steps(decoder, "decoder", "decoders"));
    for (const JsonStep & step : steps) {
        const bool known =
            vocab.kind == TokenizerKind::kByteLevelBpe
                ? std::find(std::begin(kOfBytes), std::end(kOfBytes), step.type) != std::end(kOfBytes)
                : std::find(std::begin(kOfCharacters), std::end(kOfCharacters), step.type) != std::end(kOfCharacters);
        if (known) continue;
        return unsupported("decoder", step.type,
                           vocab.kind == TokenizerKind::kByteLevelBpe
                               ? "ByteLevel with a pre-tokenizer of that kind"
                               : "Metaspace, Replace, ByteFallback, Fuse and Strip with this pre-tokenizer");
    }
    return {};
}

}  // namespace ql
