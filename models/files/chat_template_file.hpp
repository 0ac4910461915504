// Where a Hugging Face or PEFT directory keeps its chat template.
#pragma once
#include <string>

#include "ql/status.hpp"

namespace ql {

/// chat_template.jinja, else tokenizer_config.json's chat_template: a string, or a list of named templates (then the
/// one named "default"). "" where there is none.
Result<std::string> read_hf_chat_template(const std::string & directory);
/// That of tokenizer_config.json alone.
Result<std::string> read_tokenizer_chat_template(const std::string & directory);

}  // namespace ql
