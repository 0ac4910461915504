// Regular expressions over texts, with Unicode classes: PCRE2, as much of it as tokenizers need.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "ql/status.hpp"

namespace ql {

class TextPattern {
  public:
    /// Memory for matching, used by one thread.
    class State {
      public:
        State();
        ~State();
        State(State &&) noexcept;
        State & operator=(State &&) noexcept;

      private:
        friend class TextPattern;
        struct Impl;
        std::unique_ptr<Impl> impl_;
    };
    struct Match {
        size_t begin, end;
    };

    /// errors  QL_UNSUPPORTED with PCRE2's reason and where in the expression
    static Result<TextPattern> compile(const std::string & expression);
    TextPattern(TextPattern &&) noexcept;
    TextPattern & operator=(TextPattern &&) noexcept;
    ~TextPattern();

    /// The first match at or after `at`, in well-formed UTF-8. Safe to call from several threads at once.
    bool find(std::string_view text, size_t at, State & state, Match & match) const;
    /// True if it may match nothing at all.
    bool matches_empty() const;

  private:
    struct Impl;
    explicit TextPattern(std::unique_ptr<const Impl> impl);
    std::unique_ptr<const Impl> impl_;
};

}  // namespace ql
