// The table of pre-tokenizers, and how steps cut a text. The expressions are the public definitions of the
// tokenizers, with white space spelled \p{WSpace} (PCRE2's \s also takes U+180E, which the originals do not) and the
// upper and lower case of contractions spelled out (as llama.cpp does; folding would also take U+017F for an s).
#include "models/text/pre_tokenizer.hpp"

#include <algorithm>
#include <array>

#include "models/base/utf8.hpp"
#include "models/text/pre_tokenizer_names.hpp"
#include "models/text/text_pattern.hpp"

namespace ql {
namespace {

constexpr char kGpt2[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{WSpace}\p{L}\p{N}]+|\p{WSpace}+(?!\P{WSpace})|\p{WSpace}+)";
constexpr char kOneNumber[] = R"(\p{N})";
// Llama 3 and Qwen 2 differ only in how many digits make a word.
constexpr char kLlama3Split[] =
    R"('(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\p{WSpace}\p{L}\p{N}]+[\r\n]*|\p{WSpace}*[\r\n]+|\p{WSpace}+(?!\P{WSpace})|\p{WSpace}+)";
constexpr char kQwen2[] =
    R"('(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
    R"(| ?[^\p{WSpace}\p{L}\p{N}]+[\r\n]*|\p{WSpace}*[\r\n]+|\p{WSpace}+(?!\P{WSpace})|\p{WSpace}+)";

// The same with marks as letters.
constexpr char kQwen35[] =
    R"('(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N})"
    R"(| ?[^\p{WSpace}\p{L}\p{M}\p{N}]+[\r\n]*|\p{WSpace}*[\r\n]+|\p{WSpace}+(?!\P{WSpace})|\p{WSpace}+)";
// o200k and Tekken cut where a word goes from lower to upper case. As llama.cpp reads them: a letter is upper case unless
// it is one of a to z, and lower case unless it is one of A to Z.
constexpr char kTekken[] =
    R"([^\r\n\p{L}\p{N}]?[^\P{L}a-z]*[^\P{L}A-Z]+|[^\r\n\p{L}\p{N}]?[^\P{L}a-z]+)"
    R"(|\p{N}| ?[^\p{WSpace}\p{L}\p{N}]+[\r\n/]*|\p{WSpace}*[\r\n]+|\p{WSpace}+(?!\P{WSpace})|\p{WSpace}+)";
constexpr char kO200k[] =
    R"([^\r\n\p{L}\p{N}]?[^\P{L}a-z]*[^\P{L}A-Z]+(?:'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL]))?)"
    R"(|[^\r\n\p{L}\p{N}]?[^\P{L}a-z]+(?:'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL]))?)"
    R"(|\p{N}{1,3}| ?[^\p{WSpace}\p{L}\p{N}]+[\r\n/]*|\p{WSpace}*[\r\n]+|\p{WSpace}+(?!\P{WSpace})|\p{WSpace}+)";
constexpr char kThreeNumbers[] = R"(\p{N}{1,3})";
constexpr char kHanAndKana[] = R"([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)";
constexpr char kDeepSeek3[] = R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
                              R"(| ?[\p{P}\p{S}]+[\r\n]*|\p{WSpace}*[\r\n]+|\p{WSpace}+(?!\P{WSpace})|\p{WSpace}+)";

struct Row {
    const char * name;
    std::array<const char *, 6> aliases;
    std::array<const char *, 3> stages;  // each cuts the words of the one before
    PreTokenizerTraits traits;
};

constexpr Row kRows[] = {
    {"gpt-2", {"olmo", "phi-2", "granite-docling"}, {kGpt2}, {}},
    {"smollm", {"refact", "starcoder", "command-r", "codeshell", "exaone"}, {kOneNumber, kGpt2}, {}},
    {"llama-bpe",
     {"llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2"},
     {kLlama3Split},
     {.add_bos = true, .ignore_merges = true}},
    {"dbrx", {"smaug-bpe", "chatglm-bpe"}, {kLlama3Split}, {}},
    {"glm4", {"glm5"}, {kLlama3Split}, {.ignore_merges = true}},
    {"qwen2", {"deepseek-r1-qwen", "stablelm2", "hunyuan"}, {kQwen2}, {}},
    {"qwen35", {}, {kQwen35}, {}},
    {"tekken", {}, {kTekken}, {.add_bos = true, .ignore_merges = true}},
    {"gpt-4o", {"llama4"}, {kO200k}, {}},
    {"deepseek-v3", {"hunyuan-dense", "joyai-llm"}, {kThreeNumbers, kHanAndKana, kDeepSeek3}, {}},
};

const Row * find_row(std::string_view name) {
    for (const Row & row : kRows) {
        if (name == row.name) return &row;
        for (const char * alias : row.aliases) {
            if (alias && name == alias) return &row;
        }
    }
    return nullptr;
}

std::string known_pre_tokenizers() {
    std::string text;
    for (const std::string & name : pre_tokenizer_names()) text += (text.empty() ? "" : ", ") + name;
    return text;
}

}  // namespace

std::vector<std::string> pre_tokenizer_names() {
    std::vector<std::string> names;
    for (const Row & row : kRows) names.emplace_back(row.name);
    return names;
}

namespace {

struct Piece {
    std::string_view text;
    bool matched;
};

/// Joins neighbours: MergedWithPrevious over pieces from left to right, MergedWithNext from right to left.
void join_matches(std::vector<Piece> & pieces, bool with_next) {
    if (with_next) std::reverse(pieces.begin(), pieces.end());
    std::vector<Piece> joined;
    bool after_match = false;
    for (const Piece & piece : pieces) {
        if (piece.matched && !after_match && !joined.empty()) {
            std::string_view & other = joined.back().text;
            const char * begin = std::min(other.data(), piece.text.data());
            other = {begin, other.size() + piece.text.size()};
        } else {
            joined.push_back(piece);
        }
        after_match = piece.matched;
    }
    if (with_next) std::reverse(joined.begin(), joined.end());
    pieces.swap(joined);
}

void join_runs(std::vector<Piece> & pieces) {
    std::vector<Piece> joined;
    for (const Piece & piece : pieces) {
        if (joined.empty() || joined.back().matched != piece.matched) {
            joined.push_back(piece);
        } else {
            joined.back().text = {joined.back().text.data(), joined.back().text.size() + piece.text.size()};
        }
    }
    pieces.swap(joined);
}

}  // namespace

struct PreTokenizer::Stage {
    TextPattern pattern;
    PreTokenizerStep::Behavior behavior;
    bool invert;

    /// Cuts text into its matches and what lies between them.
    template <typename Visit>
    void cut(std::string_view text, TextPattern::State & state, Visit visit) const {
        size_t at = 0;
        TextPattern::Match match{};
        while (at < text.size() && pattern.find(text, at, state, match)) {
            if (match.begin > at) visit(text.substr(at, match.begin - at), false);
            visit(text.substr(match.begin, match.end - match.begin), true);
            at = match.end;
        }
        if (at < text.size()) visit(text.substr(at), false);
    }

    void run(std::string_view text, TextPattern::State & state, std::vector<std::string_view> & words) const {
        using Behavior = PreTokenizerStep::Behavior;
        if (behavior == Behavior::kIsolated) {
            return cut(text, state, [&](std::string_view piece, bool) { words.push_back(piece); });
        }
        std::vector<Piece> pieces;
        cut(text, state, [&](std::string_view piece, bool matched) {
            const bool counts = matched != invert;
            if (behavior != Behavior::kRemoved || !counts) pieces.push_back({piece, counts});
        });
        if (behavior == Behavior::kContiguous) join_runs(pieces);
        if (behavior == Behavior::kMergedWithPrevious) join_matches(pieces, false);
        if (behavior == Behavior::kMergedWithNext) join_matches(pieces, true);
        for (const Piece & piece : pieces) words.push_back(piece.text);
    }
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer &&) noexcept = default;
PreTokenizer & PreTokenizer::operator=(PreTokenizer &&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Status PreTokenizer::add(PreTokenizerStep step) {
    QL_ASSIGN(TextPattern pattern, TextPattern::compile(step.expression));
    if (pattern.matches_empty())
        return error(QL_UNSUPPORTED, "expression '%.120s' may match nothing", step.expression.c_str());
    stages_.push_back({std::move(pattern), step.behavior, step.invert});
    return {};
}

Result<PreTokenizer> PreTokenizer::create(std::string_view name) {
    const Row * row = find_row(name);
    if (!row) {
        return error(QL_UNSUPPORTED, "tokenizer: pre-tokenizer '%.*s' is not known; known are %s",
                     static_cast<int>(name.size()), name.data(), known_pre_tokenizers().c_str());
    }
    PreTokenizer pre;
    pre.traits_ = row->traits;
    for (const char * expression : row->stages) {
        if (expression) QL_TRY(pre.add({.expression = expression}));
    }
    return pre;
}

Result<PreTokenizer> PreTokenizer::create(const std::vector<PreTokenizerStep> & steps) {
    PreTokenizer pre;
    for (const PreTokenizerStep & step : steps) QL_TRY(pre.add(step));
    return pre;
}

void PreTokenizer::split(std::string_view text, std::vector<std::string_view> & words) const {
    const std::string masked = is_well_formed_utf8(text) ? std::string() : mask_malformed_utf8(text);
    const std::string_view subject = masked.empty() ? text : std::string_view(masked);
    TextPattern::State state;
    std::vector<std::string_view> pieces{subject}, next;
    for (const Stage & stage : stages_) {
        next.clear();
        for (const std::string_view piece : pieces) stage.run(piece, state, next);
        pieces.swap(next);
    }
    for (const std::string_view piece : pieces) {  // masking keeps offsets: the same cuts in the text itself
        words.push_back(text.substr(static_cast<size_t>(piece.data() - subject.data()), piece.size()));
    }
}

const char * gpt2_expression() {
    return kGpt2;
}

}  // namespace ql
