// The fields that a sample, or a message of one, may have. A field is used by the form that reads it, or known to say
// nothing that is to be learnt (a list of names), or refused by name: nothing in a sample is dropped silently.
#pragma once
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/json/parse_json.hpp"
#include "ql/status.hpp"

namespace ql {

/// null, "", [] and {}: treated as if the field were missing.
bool is_absent(const Json & value);

/// The fields of one object, each of which is taken once; `check_rest` then looks at those that nobody took.
class Fields {
  public:
    explicit Fields(const Json & object) : object_(object) {}

    /// The field is there, with a value that is not absent.
    bool has(const char * key) const { return find(key) != nullptr; }
    /// The first of the names that is there, or null.
    const char * first_of(const std::vector<const char *> & keys) const;

    /// The value, null where there is none.
    const Json * take(const char * key);
    Result<std::string> take_text(const char * key);  // must be a string
    Result<std::string> take_optional_text(const char * key);

    /// False if a field (weight, train, loss ...) says that this object is not to be trained.
    /// errors  a weight other than 0 and 1; training asked for in an object that is no answer (`is_answer` is false)
    Result<bool> take_mask(bool is_answer);

    /// An error for fields that nothing here can obey: images, tools, rejected answers ...
    Status check_refused() const;
    /// Every other field is absent, known, or repeats what is used (the answer is the last of the texts); else an error
    /// names the fields that are not. To be called after check_refused.
    Status check_rest(const std::vector<std::string_view> & used) const;

  private:
    const Json * find(const char * key) const;
    const Json & object_;
    std::set<std::string, std::less<>> taken_;
};

}  // namespace ql
