// What the processor and the environment offer, for reading.
#pragma once
#include <string>
#include <vector>

namespace ql::cli {

/// "avx2 fma avx512f ...": of those that matter here, what the CPU has and the operating system has enabled.
std::string features_text();
/// Names of the environment variables that begin with `prefix`, sorted.
std::vector<std::string> environment_names(const std::string & prefix);

}  // namespace ql::cli
