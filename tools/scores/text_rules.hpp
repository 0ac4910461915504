// A text rewritten by rules, each a regular expression and what takes the place of its matches: PCRE2, with Unicode classes.
#pragma once
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace ql::cli {

struct TextRule {
    const char * pattern;
    const char * replacement;  // $0 is the match, \L what follows in lower case; "" takes the match out
};

class TextRules {
  public:
    /// Throws std::runtime_error if PCRE2 does not take a rule, as one without Unicode would not.
    TextRules(std::initializer_list<TextRule> rules);
    TextRules(TextRules &&) noexcept;
    TextRules & operator=(TextRules &&) noexcept;
    ~TextRules();

    /// The rules one after the other. A text that is no UTF-8 stays as it is.
    std::string apply(const std::string & text) const;

  private:
    struct Compiled;
    std::vector<std::unique_ptr<const Compiled>> rules_;
};

}  // namespace ql::cli
