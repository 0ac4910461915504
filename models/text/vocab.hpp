// A tokenizer's vocabulary as plain data, whatever file it comes from: a GGUF file or a Hugging Face directory fills
// it, `Tokenizer::from_vocab` makes it work.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "models/text/normalizer.hpp"
#include "models/text/pre_tokenizer.hpp"
#include "ql/gguf.h"
#include "ql/status.hpp"

namespace ql {

enum class TokenizerKind {
    kByteLevelBpe,   // "gpt2": bytes written as printable characters, merges by rank
    kSentencePiece,  // "llama": spaces written as U+2581, merges by score, missing characters as byte tokens
    kCharacterBpe,   // such a vocabulary in a tokenizer.json: merges by rank over characters
    kUnigram,        // "t5": spaces written as U+2581, the tokens of the largest probability
};

enum class TokenType : int32_t {  // GGUF's numbers
    kUndefined = 0,
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,      // matched in text only where special tokens are parsed, rendered only where they are asked for
    kUserDefined = 4,  // always matched in text, as it stands
    kUnused = 5,
    kByte = 6,  // "<0x41>"
};

struct Vocab {
    TokenizerKind kind = TokenizerKind::kByteLevelBpe;
    std::string pre;                  // byte-level: a name of the pre-tokenizer table (pre_tokenizer.cpp), "" for steps
    std::vector<std::string> tokens;  // as in files: in byte-level characters, or with U+2581 for spaces
    std::vector<TokenType> types;     // one for each token
    std::vector<float> scores;        // SentencePiece: one for each token
    std::vector<double> log_probabilities;  // Unigram: one for each token
    std::vector<std::string> merges;        // of BPE: "left right", the first is the most urgent
    std::vector<int32_t> strip_left;        // special tokens that swallow the white space before or after them
    std::vector<int32_t> strip_right;
    int32_t bos = -1, eos = -1, eot = -1, unknown = -1, padding = -1;  // ids, -1 for none
    std::vector<int32_t> ends;                                         // end a reply, besides eos and eot
    bool add_bos = false, add_eos = false;                             // what encoding with special tokens adds
    bool add_space_prefix = false;                                     // SentencePiece: a space before the text
    bool space_prefix_once = false;                                    // not after special tokens
    bool ignore_merges = false;  // byte-level: a word that is a token is that token, whatever the merges say

    // What only a tokenizer.json can ask for, and the normalizer of Unigram tokenizers.
    bool hugging_face = false;          // read it as the `tokenizers` library does
    std::vector<int32_t> single_words;  // special tokens that count only where they are no part of a word
    std::vector<int32_t> added_only;    // special tokens that the model does not have: no merge leads to them
    std::vector<int32_t> normalized;    // special tokens that are looked for after the normalizer
    std::vector<NormalizerStep> normalizer;
    std::vector<NormalizerStep> word_normalizer;  // of the pre-tokenizer: after the normalized special tokens
    std::vector<PreTokenizerStep> pre_steps;
    int32_t fallback = -1;  // stands for characters that are no tokens; -1: they are dropped
    bool fuse_fallback = false;
    bool byte_fallback = false;  // such a character becomes byte tokens, if there is one for each of its bytes

    std::vector<std::string> notes;  // what the file says that is not followed, for people
};

/// The id of the first token with this text; -1: there is none, or the text is empty.
int32_t find_token(const Vocab & vocab, const std::string & text);

/// The byte of a byte token's text "<0x41>", -1 for another text.
int byte_of_token(const std::string & text);

/// Sizes, ids, scores and byte tokens: what passes can safely become a tokenizer. errors  QL_BAD_FILE, QL_UNSUPPORTED
Status check_vocab(const Vocab & vocab);

/// From the metadata `tokenizer.ggml.*`. errors  QL_BAD_FILE, QL_UNSUPPORTED (names the kinds that are known)
Result<Vocab> vocab_from_gguf(const ql_gguf * file);

/// From `tokenizer.json` (byte-level BPE) and, if there, `tokenizer_config.json` in a Hugging Face directory.
Result<Vocab> vocab_from_hf(const std::string & directory);

}  // namespace ql
