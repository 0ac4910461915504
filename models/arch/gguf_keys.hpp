// Typed reading of "<arch>.<key>" from a GGUF file, with defaults and range checks.
#pragma once
#include <optional>
#include <string>

#include "ql/gguf.h"
#include "ql/status.hpp"

namespace ql {

class GgufKeys {
  public:
    GgufKeys(const ql_gguf * file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

    /// A count in [0, 2^31); missing: the default, or an error where there is none.
    Status size(const char * key, int64_t & value, std::optional<int64_t> missing = {}) const;
    /// A finite number.
    Status number(const char * key, float & value, std::optional<float> missing = {}) const;
    Status text(const char * key, std::string & value, std::optional<std::string> missing = {}) const;
    /// scale = 1 / factor of rope.scaling.type "linear"; 1 for "none" or no scaling; other types are not supported.
    Status linear_rope(float & scale) const;

  private:
    const ql_gguf * file_;
    std::string prefix_;
};

/// The error that the last C call of this thread left.
Status last_error(ql_status code);

}  // namespace ql
