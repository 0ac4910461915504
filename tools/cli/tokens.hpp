// Text to tokens for what a model is asked with: special tokens written in it count as such.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ql/tokenizer.h"

namespace ql::cli {

/// The tokens of a piece of running text.
std::vector<int32_t> tokenize(const ql_tokenizer * tokenizer, const std::string & text);
/// The same behind a BOS, where the model wants one and the text does not begin with it; never with an EOS behind.
std::vector<int32_t> tokenize_prompt(const ql_tokenizer * tokenizer, const std::string & text);

}  // namespace ql::cli
