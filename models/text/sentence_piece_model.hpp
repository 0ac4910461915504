// tokenizer.model, the file of SentencePiece: a protocol buffer with the pieces, their scores, and how text is
// prepared.
#pragma once
#include <string_view>

#include "models/text/vocab.hpp"
#include "ql/status.hpp"

namespace ql {

/// errors  QL_BAD_FILE; QL_UNSUPPORTED, naming the setting, for an algorithm other than BPE and Unigram, or for BPE a
///         preparation of text other than that of llama models
Result<Vocab> read_sentence_piece_model(std::string_view bytes);

}  // namespace ql
