/* ql/tokenizer.h - text to tokens and back.
 *
 * Kinds: byte-level BPE (of a GGUF file: with the pre-tokenizers gpt-2, smollm, llama-bpe and qwen2), BPE over
 * characters with U+2581 for spaces (of a tokenizer.json), and SentencePiece as llama models use it. A tokenizer does
 * not change once opened and may be used by several threads at once. Texts are UTF-8; bytes that are not are encoded
 * one by one and come back as they were. */
#ifndef QL_TOKENIZER_H
#define QL_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "ql/export.h"
#include "ql/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_tokenizer ql_tokenizer;

enum {
    QL_TOKENIZE_ADD_SPECIAL = 1,    /* BOS before and EOS after, where the model wants them; never a second one */
    QL_TOKENIZE_PARSE_SPECIAL = 2,  /* control tokens written in the text ("<|im_end|>") become those tokens; leave it
                                       off for text of unknown origin: then they are plain text */
    QL_TOKENIZE_CONTINUE = 4,       /* the text continues another: no space is put before it, though some vocabularies
                                       (llama's) want one at the beginning of a text */
    QL_DETOKENIZE_RENDER_SPECIAL = 1 /* control tokens appear in the text by their names; else they are left out */
};

typedef struct ql_token_span { /* the bytes [begin, end) of the text that a token stands for */
    size_t begin;
    size_t end;
} ql_token_span;

/** Opens the tokenizer of a model: a GGUF file, or a Hugging Face directory with a tokenizer.json (BPE) or,
 *  without one, a tokenizer.model (SentencePiece's BPE).
 *  The caller owns *tokenizer, freed by ql_tokenizer_free; the file is not kept open.
 *  errors  QL_NOT_FOUND, QL_IO, QL_BAD_FILE; QL_UNSUPPORTED for a kind, a pre-tokenizer or a field of tokenizer.json
 *          that is not known: the message names it */
QL_API ql_status ql_tokenizer_open(const char * path, ql_tokenizer ** tokenizer);
QL_API void ql_tokenizer_free(ql_tokenizer * tokenizer); /* NULL is fine */

/** The tokens of a text of `size` bytes, less than 2 GiB; flags are QL_TOKENIZE_* or 0.
 *  tokens   room for `capacity` ids; NULL with capacity 0 only counts
 *  spans    NULL, or room for `capacity` spans: in order, without gaps, empty for tokens that the text does not hold
 *  n        the number of tokens of the text, also when there was no room for them
 *  errors   QL_INVALID_ARGUMENT for a NULL, an unknown flag, a text too long, or too little room (nothing is written)
 */
QL_API ql_status ql_tokenize(const ql_tokenizer * tokenizer, const char * text, size_t size, int flags,
                             int32_t * tokens, ql_token_span * spans, int64_t capacity, int64_t * n);

/** The text of n tokens, the inverse of ql_tokenize; flags are QL_DETOKENIZE_* or 0.
 *  text     room for `capacity` bytes, NULL with capacity 0 to learn the size; not NUL-terminated
 *  size     the bytes of the text, also when there was no room for them
 *  errors   QL_INVALID_ARGUMENT for a NULL, an unknown flag, an id outside the vocabulary, or too little room */
QL_API ql_status ql_detokenize(const ql_tokenizer * tokenizer, const int32_t * tokens, int64_t n, int flags,
                               char * text, size_t capacity, size_t * size);

/** The bytes of one token as they stand in running text; they may end inside a character. *data belongs to the
 *  tokenizer and is not NUL-terminated.      errors  QL_INVALID_ARGUMENT for an id outside the vocabulary */
QL_API ql_status ql_token_piece(const ql_tokenizer * tokenizer, int32_t id, const char ** data, size_t * size);

QL_API int32_t ql_tokenizer_n_tokens(const ql_tokenizer * tokenizer); /* size of the vocabulary */
/* Ids of special tokens; -1 where the model has none. */
QL_API int32_t ql_tokenizer_bos(const ql_tokenizer * tokenizer); /* begins a text */
QL_API int32_t ql_tokenizer_eos(const ql_tokenizer * tokenizer); /* ends a text */
QL_API int32_t ql_tokenizer_eot(const ql_tokenizer * tokenizer); /* ends a turn of a chat */
QL_API int32_t ql_tokenizer_padding(const ql_tokenizer * tokenizer);
/** 1 if the model has ended its reply with this token (EOS, end of turn, and the like), else 0. */
QL_API int ql_tokenizer_is_end(const ql_tokenizer * tokenizer, int32_t id);
/** 1 if QL_TOKENIZE_ADD_SPECIAL puts a BOS before the text, else 0. */
QL_API int ql_tokenizer_adds_bos(const ql_tokenizer * tokenizer);

#ifdef __cplusplus
}
#endif
#endif
