// tokenizer.json, the file of Hugging Face's `tokenizers` library, part by part. Each field is used, or known to change
// nothing here, or refused by its name. What works is byte-pair encoding, over bytes or over characters.
#pragma once
#include "models/json/parse_json.hpp"
#include "models/text/vocab.hpp"
#include "ql/status.hpp"

namespace ql {

/// All of it but the ids of special tokens, which other files name: bos and eos are set only where it adds them.
Result<Vocab> read_tokenizer_json(const Json & document);

// Its parts, in the order in which they are read.
Status read_json_normalizer(const Json & normalizer, std::vector<NormalizerStep> & steps);
/// Sets the kind of the vocabulary: byte-level if the pre-tokenizer says so.
Status read_json_pre_tokenizer(const Json & pre_tokenizer, Vocab & vocab);
Status read_json_model(const Json & model, Vocab & vocab);
Status read_json_added_token(const Json & token, int64_t id, Vocab & vocab);
/// Sets bos, eos and whether they are added.
Status read_json_post_processor(const Json & post_processor, Vocab & vocab);
Status check_json_decoder(const Json & decoder, const Vocab & vocab);

/// The steps of a part: those in a Sequence's list `key`, or the part itself; none for null.
/// errors  QL_BAD_FILE for a step that is no object with a type, QL_UNSUPPORTED for a Sequence in a Sequence
struct JsonStep {
    std::string type;
    const Json * value;
};
Result<std::vector<JsonStep>> json_steps(const Json & part, const char * name, const char * key);

}  // namespace ql
