#include "models/text/vocab_gguf.hpp"
#include "models/text/space.hpp"

#include <algorithm>
#include <unordered_map>

namespace ql {
namespace {

constexpr const char * kNoFormC =
    "tokenizer.json: GGUF files have no key for normalization form C, and the model gets text as it is";

bool is_byte_level(const Vocab & vocab) {
    return vocab.kind == TokenizerKind::kByteLevelBpe;
}

/// Whether the steps put a space before a text.
bool adds_space(const std::vector<NormalizerStep> & steps) {
    using Kind = NormalizerStep::Kind;
    return std::any_of(steps.begin(), steps.end(), [](const NormalizerStep & s) {
        return s.kind == Kind::kPrepend || s.kind == Kind::kPrependMissing || s.kind == Kind::kPrependFirst ||
               ((s.kind == Kind::kWords || s.kind == Kind::kSpaces) && s.left);
    });
}

/// What GGUF files have no keys for. Composing characters (NFC) is left out by llama.cpp, too.
Status check_sayable(const Vocab & vocab, std::vector<std::string> & notes) {
    using Kind = NormalizerStep::Kind;
    if (is_byte_level(vocab) && (adds_space(vocab.normalizer) || adds_space(vocab.word_normalizer)))
        return error(QL_UNSUPPORTED,
                     "tokenizer.json: a byte-level tokenizer that puts a space before a text has no GGUF keys");
    for (const auto * steps : {&vocab.normalizer, &vocab.word_normalizer})
        for (const NormalizerStep & step : *steps) {
            if (step.kind == Kind::kStrip)
                return error(QL_UNSUPPORTED, "tokenizer.json: a normalizer that strips blanks has no GGUF keys");
            if (step.kind == Kind::kReplace && (is_byte_level(vocab) || step.pattern != " " || step.content != kSpace))
                return error(QL_UNSUPPORTED, "tokenizer.json: a normalizer that replaces '%.20s' has no GGUF keys",
                             step.pattern.c_str());
            if (step.kind == Kind::kCompose) notes.emplace_back(kNoFormC);
            if (step.kind == Kind::kComposeCompatible)
                return error(QL_UNSUPPORTED, "tokenizer.json: normalization form KC has no GGUF keys");
        }
    if (!is_byte_level(vocab) && vocab.ignore_merges)
        return error(QL_UNSUPPORTED, "tokenizer.json: ignore_merges of a vocabulary of characters has no GGUF keys");
    return {};
}

void note_special_tokens(const Vocab & vocab, std::vector<std::string> & notes) {
    const size_t strips = vocab.strip_left.size() + vocab.strip_right.size();
    if (strips + vocab.single_words.size() > 0)
        notes.push_back(
            format("tokenizer.json: %zu special tokens swallow blanks or count only between words, for which GGUF "
                   "files have no key",
                   strips + vocab.single_words.size()));
}

/// Whether a Unigram tokenizer makes one space of several, and drops those at the ends: as far as a step says so. Whether it
/// is the same is seen when the keys are read back.
bool merges_spaces(const Vocab & vocab) {
    using Kind = NormalizerStep::Kind;
    for (const auto * steps : {&vocab.normalizer, &vocab.word_normalizer})
        for (const NormalizerStep & s : *steps)
            if (s.kind == Kind::kWords || s.kind == Kind::kStrip || s.kind == Kind::kReplaceMatches ||
                (s.kind == Kind::kSpaces && s.right))
                return true;
    return false;
}

/// A piece with a space inside, or "".
std::string piece_of_words(const Vocab & vocab) {
    for (size_t i = 0; i < vocab.tokens.size(); ++i)
        if (vocab.types[i] == TokenType::kNormal && vocab.tokens[i].find(kSpace, 1) != std::string::npos)
            return vocab.tokens[i];
    return "";
}

Status check_unigram_step(const NormalizerStep & step, bool first, std::vector<std::string> & notes) {
    using Kind = NormalizerStep::Kind;
    switch (step.kind) {
        case Kind::kMapGraphemes:
        case Kind::kMapPrefixes:
            if (!first) return error(QL_UNSUPPORTED, "tokenizer.json: a charsmap behind another step has no GGUF keys");
            return {};
        case Kind::kReplaceMatches:
            if (step.regex == " {2,}" && (step.content == " " || step.content == kSpace)) return {};
            return error(QL_UNSUPPORTED, "tokenizer.json: a normalizer that replaces '%.20s' has no GGUF keys",
                         step.regex.c_str());
        case Kind::kReplace:
            if (step.pattern == " " && step.content == kSpace) return {};
            return error(QL_UNSUPPORTED, "tokenizer.json: a normalizer that replaces '%.20s' has no GGUF keys",
                         step.pattern.c_str());
        case Kind::kPrependFirst:
            return error(
                QL_UNSUPPORTED,
                "tokenizer.json: a Unigram tokenizer that puts a space before the first word alone has no GGUF "
                "keys (prepend_scheme 'first')");
        case Kind::kComposeCompatible:
            return error(QL_UNSUPPORTED, "tokenizer.json: normalization form KC has no GGUF keys");
        case Kind::kCompose:
            notes.emplace_back(kNoFormC);
            return {};
        default:
            return {};
    }
}

/// What llama.cpp's tokenizer "t5" does not do.
Status check_unigram_sayable(const Vocab & vocab, std::vector<std::string> & notes) {
    if (vocab.eos < 0)
        return error(QL_UNSUPPORTED, "the tokenizer: Unigram without an end-of-text token has no GGUF keys");
    const bool bytes = std::find(vocab.types.begin(), vocab.types.end(), TokenType::kByte) != vocab.types.end();
    if (vocab.byte_fallback && bytes)
        return error(QL_UNSUPPORTED,
                     "the tokenizer: Unigram with byte tokens has no GGUF keys: there characters that are no tokens "
                     "become the unknown one");
    for (const auto * steps : {&vocab.normalizer, &vocab.word_normalizer})
        for (const NormalizerStep & step : *steps)
            QL_TRY(check_unigram_step(step, &step == vocab.normalizer.data(), notes));
    for (const PreTokenizerStep & step : vocab.pre_steps) {
        const bool before_spaces =
            step.expression == kSpace && step.behavior == PreTokenizerStep::Behavior::kMergedWithNext && !step.invert;
        const std::string piece = before_spaces ? piece_of_words(vocab) : "";
        if (!before_spaces)
            return error(QL_UNSUPPORTED,
                         "tokenizer.json: a Unigram tokenizer that cuts words otherwise than before spaces has no GGUF "
                         "keys");
        if (!piece.empty())
            return error(
                QL_UNSUPPORTED,
                "tokenizer.json: it never makes piece '%.40s', which has a space inside; by GGUF keys it would",
                piece.c_str());
    }
    return {};
}

/// Merges by rank as merges by score: a token has the number of the first merge that makes it, downwards.
std::vector<float> scores_of(const Vocab & vocab) {
    if (!vocab.scores.empty()) return vocab.scores;
    if (vocab.kind == TokenizerKind::kUnigram)
        return std::vector<float>(vocab.log_probabilities.begin(), vocab.log_probabilities.end());
    std::unordered_map<std::string, float> by_text;
    for (size_t i = 0; i < vocab.merges.size(); ++i) {
        std::string joined = vocab.merges[i];
        joined.erase(joined.find(' '), 1);
        by_text.emplace(std::move(joined), -static_cast<float>(i));
    }
    const float last = -static_cast<float>(vocab.merges.size());  // of what no merge makes
    std::vector<float> scores;
    for (size_t i = 0; i < vocab.tokens.size(); ++i) {
        const auto found = by_text.find(vocab.tokens[i]);
        scores.push_back(found == by_text.end() ? last : found->second);
    }
    return scores;
}

/// The arrays that have an entry for each token.
class TokenArrays {
  public:
    TokenArrays(const Vocab & vocab, int64_t n) {
        const std::vector<float> scores = is_byte_level(vocab) ? std::vector<float>() : scores_of(vocab);
        for (int64_t i = 0; i < n; ++i) {
            const auto at = static_cast<size_t>(i);
            const bool known = at < vocab.tokens.size() && !(vocab.tokens[at].empty() && is_unused(vocab, at));
            texts_.push_back(known ? text_of(vocab, at) : "[PAD" + std::to_string(i) + "]");
            types_.push_back(static_cast<int32_t>(known ? vocab.types[at] : TokenType::kUnused));
            if (!is_byte_level(vocab)) scores_.push_back(known ? scores[at] : -1e6f);
        }
    }

    Status write(ql_gguf_writer * w) const {
        const auto n = static_cast<int64_t>(texts_.size());
        std::vector<ql_gguf_string> views;
        for (const std::string & text : texts_) views.push_back({text.data(), text.size()});
        QL_TRY(ql_gguf_set_strings(w, "tokenizer.ggml.tokens", views.data(), n));
        if (!scores_.empty()) QL_TRY(ql_gguf_set_array(w, "tokenizer.ggml.scores", QL_GGUF_F32, scores_.data(), n));
        return ql_gguf_set_array(w, "tokenizer.ggml.token_type", QL_GGUF_I32, types_.data(), n);
    }

  private:
    static bool is_unused(const Vocab & vocab, size_t i) { return vocab.types[i] == TokenType::kUnused; }
    /// Tokens of the user are matched in text as it stands, with blanks for U+2581.
    static std::string text_of(const Vocab & vocab, size_t i) {
        std::string text = vocab.tokens[i];
        if (is_byte_level(vocab) || vocab.types[i] != TokenType::kUserDefined) return text;
        for (size_t at; (at = text.find(kSpace)) != text.npos;) text.replace(at, sizeof kSpace - 1, " ");
        return text;
    }

    std::vector<std::string> texts_;
    std::vector<int32_t> types_;
    std::vector<float> scores_;
};

Status write_merges(const Vocab & vocab, ql_gguf_writer * w) {
    std::vector<ql_gguf_string> views;
    for (const std::string & merge : vocab.merges) views.push_back({merge.data(), merge.size()});
    return ql_gguf_set_strings(w, "tokenizer.ggml.merges", views.data(), static_cast<int64_t>(views.size()));
}

Status write_text(ql_gguf_writer * w, const char * key, std::string_view text) {
    return ql_gguf_set_string(w, key, text.data(), text.size());
}

Status write_unigram(const Vocab & vocab, ql_gguf_writer * w) {
    const bool space = vocab.add_space_prefix || adds_space(vocab.normalizer) || adds_space(vocab.word_normalizer);
    QL_TRY(write_text(w, "tokenizer.ggml.model", "t5"));
    QL_TRY(write_text(w, "tokenizer.ggml.pre", "default"));
    QL_TRY(ql_gguf_set_bool(w, "tokenizer.ggml.add_space_prefix", space));
    QL_TRY(ql_gguf_set_bool(w, "tokenizer.ggml.remove_extra_whitespaces", merges_spaces(vocab)));
    if (vocab.normalizer.empty() || !vocab.normalizer[0].map) return {};
    const std::string map = vocab.normalizer[0].map->bytes();
    return ql_gguf_set_array(w, "tokenizer.ggml.precompiled_charsmap", QL_GGUF_U8, map.data(),
                             static_cast<int64_t>(map.size()));
}

/// The end of a turn is the first token that ends replies beside the end of a text.
Status write_ids(const Vocab & vocab, ql_gguf_writer * w) {
    // tokenizer_config.json may name another, which no character becomes.
    const bool falls_back = vocab.kind == TokenizerKind::kUnigram && vocab.hugging_face;
    const int32_t unknown = falls_back ? vocab.fallback : vocab.unknown;
    int32_t eot = vocab.eot;
    for (const int32_t id : vocab.ends)
        if (eot < 0 && id != vocab.eos) eot = id;
    const std::pair<const char *, int32_t> ids[] = {{"tokenizer.ggml.bos_token_id", vocab.bos},
                                                    {"tokenizer.ggml.eos_token_id", vocab.eos},
                                                    {"tokenizer.ggml.eot_token_id", eot},
                                                    {"tokenizer.ggml.unknown_token_id", unknown},
                                                    {"tokenizer.ggml.padding_token_id", vocab.padding}};
    for (const auto & [key, id] : ids)
        if (id >= 0) QL_TRY(ql_gguf_set_int(w, key, QL_GGUF_U32, id));
    QL_TRY(ql_gguf_set_bool(w, "tokenizer.ggml.add_bos_token", vocab.add_bos));
    return ql_gguf_set_bool(w, "tokenizer.ggml.add_eos_token", vocab.add_eos);
}

}  // namespace

Status vocab_to_gguf(const Vocab & vocab, int64_t n_tokens, ql_gguf_writer * w, std::vector<std::string> & notes) {
    if (static_cast<int64_t>(vocab.tokens.size()) > n_tokens)
        return error(QL_BAD_FILE, "%zu tokens in the vocabulary, but the embedding has %lld rows", vocab.tokens.size(),
                     static_cast<long long>(n_tokens));
    const bool unigram = vocab.kind == TokenizerKind::kUnigram;
    QL_TRY(unigram ? check_unigram_sayable(vocab, notes) : check_sayable(vocab, notes));
    note_special_tokens(vocab, notes);
    if (unigram) {
        QL_TRY(write_unigram(vocab, w));
    } else if (is_byte_level(vocab)) {
        QL_ASSIGN(const std::string pre, gguf_pre_tokenizer(vocab));
        QL_TRY(write_text(w, "tokenizer.ggml.model", "gpt2"));
        QL_TRY(write_text(w, "tokenizer.ggml.pre", pre));
        QL_TRY(write_merges(vocab, w));
    } else {
        const bool space = vocab.add_space_prefix || adds_space(vocab.normalizer) || adds_space(vocab.word_normalizer);
        QL_TRY(write_text(w, "tokenizer.ggml.model", "llama"));
        QL_TRY(write_text(w, "tokenizer.ggml.pre", "default"));
        QL_TRY(ql_gguf_set_bool(w, "tokenizer.ggml.add_space_prefix", space));
    }
    QL_TRY(TokenArrays(vocab, n_tokens).write(w));
    return write_ids(vocab, w);
}

}  // namespace ql
