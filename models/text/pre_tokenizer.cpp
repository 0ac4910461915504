// The table of pre-tokenizers and the PCRE2 calls behind it. The expressions are the public definitions of the
// tokenizers, with white space spelled \p{WSpace} (PCRE2's \s also takes U+180E, which the originals do not) and the
// upper and lower case of contractions spelled out (as llama.cpp does; folding would also take U+017F for an s).
// What is a letter or a number is PCRE2's to say: 10.42 knows Unicode 14, characters assigned later are symbols to it.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "models/text/pre_tokenizer.hpp"

#include <pcre2.h>

#include <array>
#include <new>

#include "models/text/utf8.hpp"

namespace ql {
namespace {

constexpr char kGpt2[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{WSpace}\p{L}\p{N}]+|\p{WSpace}+(?!\P{WSpace})|\p{WSpace}+)";
constexpr char kOneNumber[] = R"(\p{N})";
// Llama 3 and Qwen 2 differ only in how many digits make a word.
constexpr char kLlama3[] =
    R"('(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\p{WSpace}\p{L}\p{N}]+[\r\n]*|\p{WSpace}*[\r\n]+|\p{WSpace}+(?!\P{WSpace})|\p{WSpace}+)";
constexpr char kQwen2[] =
    R"('(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
    R"(| ?[^\p{WSpace}\p{L}\p{N}]+[\r\n]*|\p{WSpace}*[\r\n]+|\p{WSpace}+(?!\P{WSpace})|\p{WSpace}+)";

// How the same expressions stand in a tokenizer.json.
constexpr char kLlama3HuggingFace[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
                                      R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kQwen2HuggingFace[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
                                     R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Row {
    const char * name;
    std::array<const char *, 2> aliases;
    std::array<const char *, 2> stages;  // each cuts the words of the one before
    PreTokenizerTraits traits;
    const char * hugging_face;  // nullptr: built there from parts, not from an expression
};

constexpr Row kRows[] = {
    {"gpt-2", {}, {kGpt2}, {}, nullptr},
    {"smollm", {}, {kOneNumber, kGpt2}, {}, nullptr},
    {"llama-bpe", {"llama3", "llama-v3"}, {kLlama3}, {.add_bos = true, .ignore_merges = true}, kLlama3HuggingFace},
    {"qwen2", {"deepseek-r1-qwen"}, {kQwen2}, {}, kQwen2HuggingFace},
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

struct MatchState {  // of one split; PCRE2 writes to it, so it is no part of the compiled expression
    MatchState()
        : data(pcre2_match_data_create(1, nullptr), pcre2_match_data_free),
          context(pcre2_match_context_create(nullptr), pcre2_match_context_free) {
        if (!data || !context) throw std::bad_alloc();
        pcre2_set_match_limit(context.get(), UINT32_MAX);  // no pattern of the table needs steps of higher order
    }
    std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data;
    std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context;
};

}  // namespace

struct PreTokenizer::Expression {
    explicit Expression(pcre2_code * compiled) : code(compiled, pcre2_code_free) {}
    std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code;

    /// Cuts text into its matches and what lies between them.
    void cut(std::string_view text, const MatchState & state, std::vector<std::string_view> & words) const {
        size_t at = 0;
        while (at < text.size() && match(text, at, state)) {
            const size_t * ends = pcre2_get_ovector_pointer(state.data.get());
            if (ends[0] > at) words.push_back(text.substr(at, ends[0] - at));
            words.push_back(text.substr(ends[0], ends[1] - ends[0]));
            at = ends[1];
        }
        if (at < text.size()) words.push_back(text.substr(at));
    }

  private:
    bool match(std::string_view text, size_t at, const MatchState & state) const {
        const auto run = [&](uint32_t options) {
            return pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, options,
                               state.data.get(), state.context.get());
        };
        int n = run(PCRE2_NO_UTF_CHECK);
        if (n < PCRE2_ERROR_NOMATCH) n = run(PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);  // the JIT's stack is small
        return n > 0;
    }
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer &&) noexcept = default;
PreTokenizer & PreTokenizer::operator=(PreTokenizer &&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::create(std::string_view name) {
    const Row * row = find_row(name);
    if (!row) {
        return error(QL_UNSUPPORTED, "tokenizer: pre-tokenizer '%.*s' is not known; known are %s",
                     static_cast<int>(name.size()), name.data(), known_pre_tokenizers().c_str());
    }
    PreTokenizer pre;
    pre.traits_ = row->traits;
    for (const char * pattern : row->stages) {
        if (!pattern) continue;
        int code = 0;
        size_t offset = 0;
        pcre2_code * compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                                              PCRE2_UTF | PCRE2_UCP, &code, &offset, nullptr);
        if (!compiled) {
            return error(QL_INTERNAL, "tokenizer: expression of '%s': PCRE2 error %d at %zu", row->name, code, offset);
        }
        pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);  // without a JIT the interpreter matches the same
        pre.stages_.push_back(std::make_unique<const Expression>(compiled));
    }
    return pre;
}

void PreTokenizer::split(std::string_view text, std::vector<std::string_view> & words) const {
    const std::string masked = is_well_formed_utf8(text) ? std::string() : mask_malformed_utf8(text);
    const std::string_view subject = masked.empty() ? text : std::string_view(masked);
    const MatchState state;
    std::vector<std::string_view> pieces{subject}, next;
    for (const auto & stage : stages_) {
        next.clear();
        for (const std::string_view piece : pieces) stage->cut(piece, state, next);
        pieces.swap(next);
    }
    for (const std::string_view piece : pieces) {  // masking keeps offsets: the same cuts in the text itself
        words.push_back(text.substr(static_cast<size_t>(piece.data() - subject.data()), piece.size()));
    }
}

const char * pre_tokenizer_of_pattern(std::string_view pattern) {
    for (const Row & row : kRows) {
        if (row.hugging_face && pattern == row.hugging_face) return row.name;
    }
    return nullptr;
}

std::string known_pre_tokenizers() {
    std::string names;
    for (const Row & row : kRows) names += (names.empty() ? "" : ", ") + std::string(row.name);
    return names;
}

}  // namespace ql
