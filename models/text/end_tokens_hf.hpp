// Which tokens end a text or a reply, from every file of a Hugging Face directory that may say so. A model whose end
// token nobody names would be trained without one, and never learn to stop.
#pragma once
#include <string>

#include "models/text/vocab.hpp"
#include "ql/status.hpp"

namespace ql {

/// Completes a vocabulary that tokenizer.json and tokenizer_config.json gave, in the order in which transformers looks:
///   special_tokens_map.json                  bos, eos, pad and unk, each where it is not named yet
///   generation_config.json or config.json    eos_token_id, a number or a list: each ends a reply (vocab.ends); the
///                                            first is the eos where no file names one
/// An id that is outside the vocabulary or no special token's is left over from another model, and passed over. Missing
/// files name nothing. errors  QL_BAD_FILE: a file that is no JSON object;  QL_IO
Status complete_special_tokens(const std::string & directory, Vocab & vocab);

}  // namespace ql
