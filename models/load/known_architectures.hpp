// Architectures that people have and that are not built here, with what of them is missing: a file of one of them is
// refused by a line that says so.
#pragma once
#include <string_view>

namespace ql {

/// "experts and their router" of "qwen3moe"; "" for a name that is not known. Names of GGUF files and of config.json.
std::string_view missing_parts(std::string_view name);

}  // namespace ql
