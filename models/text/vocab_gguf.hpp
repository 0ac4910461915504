// A vocabulary as the metadata `tokenizer.ggml.*` of a GGUF file: the other side of vocab_from_gguf.
#pragma once
#include <string>
#include <vector>

#include "models/text/vocab.hpp"

namespace ql {

/// Writes the keys. n_tokens: rows of the embedding, of which those past the vocabulary get names that no text has.
/// notes    gets what the vocabulary asks for and such files cannot say
/// errors   QL_UNSUPPORTED: no such file gives these tokens; QL_BAD_FILE: more tokens than rows
Status vocab_to_gguf(const Vocab & vocab, int64_t n_tokens, ql_gguf_writer * w, std::vector<std::string> & notes);

/// The name in `tokenizer.ggml.pre` under which text is cut into the same words as by a tokenizer.json's steps.
/// errors  QL_UNSUPPORTED: no known name does
Result<std::string> gguf_pre_tokenizer(const Vocab & vocab);

/// Texts in which known tokenizers differ: numbers, contractions, blanks, scripts. `cased`: with letters beyond ASCII
/// that have two cases, or marks.
std::string tokenizer_probe(bool cased);

}  // namespace ql
