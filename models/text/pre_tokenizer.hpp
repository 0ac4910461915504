// Pre-tokenizers: a byte-level BPE tokenizer first cuts text into words by regular expressions, and merges only inside
// words. Which expressions is part of the vocabulary, as a name in a table.
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

class PreTokenizer {
  public:
    /// By the name in `tokenizer.ggml.pre`. errors  QL_UNSUPPORTED, listing the known names
    static Result<PreTokenizer> create(std::string_view name);
    PreTokenizer(PreTokenizer &&) noexcept;
    PreTokenizer & operator=(PreTokenizer &&) noexcept;
    ~PreTokenizer();

    /// Appends the words of the text, in order; together they are the text. Malformed UTF-8 is taken as symbols.
    /// Safe to call from several threads at once.
    void split(std::string_view text, std::vector<std::string_view> & words) const;

    const PreTokenizerTraits & traits() const { return traits_; }

  private:
    struct Expression;
    PreTokenizer();
    PreTokenizerTraits traits_;
    std::vector<std::unique_ptr<const Expression>> stages_;  // each cuts the words of the one before
};

/// The name of the pre-tokenizer whose Hugging Face definition is this expression; nullptr for an unknown one.
const char * pre_tokenizer_of_pattern(std::string_view pattern);
/// "gpt-2, smollm, ...", for messages.
std::string known_pre_tokenizers();

}  // namespace ql
