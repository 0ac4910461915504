// A Hugging Face directory written as a GGUF file, one tensor and what it becomes in memory at a time.
#pragma once
#include <string>

#include "ql/quantize.h"
#include "ql/status.hpp"

namespace ql {

/// Writes every key that llama.cpp needs. What GGUF keys cannot say is refused before anything is written: the keys are read
/// back, and must give the same numbers and the same tokens.
Status convert_directory(const std::string & directory, const std::string & out, const ql_quantize_options & options);

}  // namespace ql
