// Reading an object of which nothing may be passed over: every field is asked for by its name, and those that nobody
// asked for are refused at the end. Values are looked at where they are and never copied.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "models/json/parse_json.hpp"
#include "ql/status.hpp"

namespace ql {

class JsonFields {
  public:
    /// `name` says in messages which object it is: "tokenizer.json: normalizer Replace".
    static Result<JsonFields> open(const Json & object, std::string name);

    /// The value, null where there is none. It counts as read.
    const Json & value(const char * key);
    /// Fields that change nothing here.
    void ignore(std::initializer_list<const char *> keys);

    // A key that is missing or null takes the default; another type is an error.
    Status flag(const char * key, bool missing, bool & value);
    Status text(const char * key, const char * missing, std::string & value);

    /// "name: what"
    Status bad(const std::string & what) const;
    Status unsupported(const std::string & what) const;
    /// errors  QL_UNSUPPORTED for a field that was not read and is not null
    Status finish() const;

    const std::string & name() const { return name_; }

  private:
    JsonFields(const Json & object, std::string name) : object_(&object), name_(std::move(name)) {}
    const Json * object_;
    std::string name_;
    std::vector<std::string_view> read_;
};

/// A value for messages: cut short, on one line; for arrays and objects it only says that they are such.
std::string shown(const Json & value);

}  // namespace ql
