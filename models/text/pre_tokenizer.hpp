// Pre-tokenizers: a byte-level BPE tokenizer first cuts text into words by regular expressions, and merges only inside
// words. The vocabulary says which expressions, by a name in a table.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ql/status.hpp"

namespace ql {

/// What goes with a pre-tokenizer's name besides its expressions; llama.cpp's defaults where a file does not say.
struct PreTokenizerTraits {
    bool add_bos = false;
    bool ignore_merges = false;
};

/// One step of a tokenizer.json: an expression finds pieces in a text, and the behavior says what becomes of them.
struct PreTokenizerStep {
    enum class Behavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };
    std::string expression;  // in PCRE2's syntax
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;  // the pieces are what lies between the matches
};

class PreTokenizer {
  public:
    /// By the name in `tokenizer.ggml.pre`. errors  QL_UNSUPPORTED, listing the known names
    static Result<PreTokenizer> create(std::string_view name);
    /// From steps, each over the words of the one before; without steps a text is one word.
    /// errors  QL_UNSUPPORTED for an expression that PCRE2 does not take, or that may match nothing
    static Result<PreTokenizer> create(const std::vector<PreTokenizerStep> & steps);
    PreTokenizer(PreTokenizer &&) noexcept;
    PreTokenizer & operator=(PreTokenizer &&) noexcept;
    ~PreTokenizer();

    /// Appends the words of the text, in order; together they are the text, but for what steps remove. Malformed UTF-8
    /// is taken as symbols. Safe to call from several threads at once.
    void split(std::string_view text, std::vector<std::string_view> & words) const;

    const PreTokenizerTraits & traits() const { return traits_; }

  private:
    struct Stage;
    PreTokenizer();
    Status add(PreTokenizerStep step);
    PreTokenizerTraits traits_;
    std::vector<Stage> stages_;
};

/// The expression of GPT-2, which stands in many tokenizers without being spelled out in their files.
const char * gpt2_expression();

}  // namespace ql
