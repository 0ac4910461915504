// The JSON files of Hugging Face and PEFT directories. They are hostile input: nothing throws, and every typed access
// says which key of which file is wrong.
#pragma once
#include <optional>
#include <set>
#include <span>
#include <string>

#include "models/files/harmless.hpp"
#include "models/json/parse_json.hpp"
#include "ql/status.hpp"

namespace ql {

/// A JSON object of a file, its keys in the file's order (rank_pattern's order decides which pattern counts).
class JsonFile {
  public:
    static Result<JsonFile> open(const std::string & path);
    /// An object that is not in a file yet.
    JsonFile(std::string path, Json object) : path_(std::move(path)), root_(std::move(object)) {}
    /// An object inside this one, as a file of its own; messages name "path: key".
    JsonFile part(const char * key) const;

    /// True if the key is there and not null.
    bool has(const char * key) const;
    bool has_object(const char * key) const;
    /// The value, null where there is none.
    const Json & at(const char * key) const;

    // A key that is missing or null takes the default, or is an error where there is none. A wrong type is an error.
    Status size(const char * key, int64_t & value, std::optional<int64_t> missing = {}) const;  // in [0, 2^31)
    Status number(const char * key, double & value, std::optional<double> missing = {}) const;  // finite
    Status text(const char * key, std::string & value, std::optional<std::string> missing = {}) const;
    Status flag(const char * key, bool & value, std::optional<bool> missing = {}) const;

    /// "path: 'key' ..."
    Status wrong(const char * key, const char * what) const;

    /// Refuses by name a field that is set (not null, false or empty), was not read and is not harmless: such a field
    /// may change what is computed.
    Status refuse_unread(std::span<const HarmlessKey> harmless) const;
    /// The fields that refuse_unread would refuse, as an object.
    Json unread(std::span<const HarmlessKey> harmless) const;

  private:
    std::string path_;
    Json root_;
    mutable std::set<std::string, std::less<>> asked_;
};

}  // namespace ql
