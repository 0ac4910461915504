// Numbers that some of the linears have instead of the common one: "attn_q=32,blk\.0\.=4".
#pragma once
#include <string>
#include <vector>

#include "models/adapter/regex.hpp"

namespace ql {

/// Regular expressions, each with a number. The first that is found in a weight's name decides, as in PEFT's
/// rank_pattern and alpha_pattern.
class Patterns {
  public:
    /// "REGEX=NUMBER,REGEX=NUMBER"; "" holds none. `what` names the option in messages. A regular expression may itself
    /// contain '=' and ',': an item ends with '=NUMBER' before a comma or the end.
    /// errors  QL_INVALID_ARGUMENT: an item without a number; a regular expression that is none; two equal ones
    static Result<Patterns> parse(const std::string & what, const std::string & text);

    struct Pattern {
        std::string expression;
        Regex regex;
        double value;
        bool used = false;
    };
    /// The pattern that decides for this weight; null: none. It counts as used from then on.
    Result<const Pattern *> find(const std::string & weight);
    /// errors  QL_INVALID_ARGUMENT names a pattern that decides for no weight asked for so far
    Status check_used() const;

  private:
    explicit Patterns(std::string what) : what_(std::move(what)) {}
    Status add(const std::string & expression, double value);

    std::string what_;
    std::vector<Pattern> patterns_;
};

}  // namespace ql
