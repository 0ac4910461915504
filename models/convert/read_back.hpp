// Whether the keys of a GGUF file say what the Hugging Face directory says from which they were made.
#pragma once
#include "models/model/hparams.hpp"
#include "ql/gguf.h"
#include "ql/status.hpp"

namespace ql {

/// What was written gives the same numbers.                      errors  QL_UNSUPPORTED: names one that it does not give
Status same_hparams(const Hparams & written, const Hparams & meant);

/// The vocabularies of a file and of a directory make the same tokens of some texts.       errors  QL_UNSUPPORTED
Status same_tokens(const ql_gguf * file, const std::string & directory);

}  // namespace ql
