// Makes text into tokens for what a model is asked: special tokens written in it count as such.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ql/tokenizer.h"

namespace ql::cli {

/// The tokens of a text that stands at the beginning or behind a special token; with `continues`, of one that goes on
/// in the middle of another.
std::vector<int32_t> tokenize(const ql_tokenizer * tokenizer, const std::string & text, bool continues = false);
/// The same behind a BOS, where the model wants one and the text does not begin with it; never with an EOS at the end.
std::vector<int32_t> tokenize_prompt(const ql_tokenizer * tokenizer, const std::string & text);

}  // namespace ql::cli
