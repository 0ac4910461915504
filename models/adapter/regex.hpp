// A regular expression (PCRE2), searched for in names.
#pragma once
#include <memory>
#include <string>

#include "ql/status.hpp"

namespace ql {

class Regex {
  public:
    /// errors  QL_INVALID_ARGUMENT says what is wrong with the pattern and where
    static Result<Regex> compile(const std::string & pattern);
    /// True if the pattern is found anywhere in the text. An error if the pattern needs too many steps.
    Result<bool> found_in(const std::string & text) const;

  private:
    struct Code;
    struct CodeFree {
        void operator()(Code * code) const;
    };
    Regex(std::string pattern, Code * code) : pattern_(std::move(pattern)), code_(code) {}
    std::string pattern_;
    std::unique_ptr<Code, CodeFree> code_;
};

}  // namespace ql
