// Typed reading of "<arch>.<key>" from a GGUF file, with defaults and range checks. Keys that were read are
// remembered: a key that nobody read may change what the model computes, so it is refused unless it is known to be
// harmless.
#pragma once
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "models/files/harmless.hpp"
#include "ql/gguf.h"
#include "ql/status.hpp"

namespace ql {

class GgufKeys {
  public:
    GgufKeys(const ql_gguf * file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

    /// A count in [0, 2^31). A missing key takes the default, or is an error where there is none.
    Status size(const char * key, int64_t & value, std::optional<int64_t> missing = {}) const;
    /// A finite number.
    Status number(const char * key, float & value, std::optional<float> missing = {}) const;
    Status text(const char * key, std::string & value, std::optional<std::string> missing = {}) const;
    /// A count for each of n layers; a file may give one for all of them.
    Result<std::vector<int64_t>> layers(const char * key, int64_t n_layer) const;
    /// A truth value.
    Status flag(const char * key, bool & value, bool missing) const;
    /// A truth value for each of n layers, from an array; nothing where the key is missing or is no array.
    Result<std::optional<std::vector<bool>>> layer_flags(const char * key, int64_t n_layer) const;
    bool has_key(const char * key) const { return has(ask(key)); }
    /// "llama.block_count" of "block_count".
    std::string full_name(const char * key) const { return prefix_ + "." + key; }

    /// Refuses by name a key under the prefix that was not read and is not harmless.
    Status refuse_unread(std::span<const HarmlessKey> harmless) const;

  private:
    std::string ask(const char * key) const;
    bool has(const std::string & name) const { return ql_gguf_has_key(file_, name.c_str()) != 0; }
    bool is_number(const char * name, double number) const;

    const ql_gguf * file_;
    std::string prefix_;
    mutable std::set<std::string> asked_;
};

}  // namespace ql
