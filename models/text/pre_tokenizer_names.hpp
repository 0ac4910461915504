// The table of pre-tokenizers, by name.
#pragma once
#include <string>
#include <vector>

namespace ql {

/// One name of each that PreTokenizer::create knows.
std::vector<std::string> pre_tokenizer_names();

}  // namespace ql
