/* ql/model.h - language models: opening, describing. */
#ifndef QL_MODEL_H
#define QL_MODEL_H

#include "ql/dtype.h"
#include "ql/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_model ql_model;

typedef enum ql_base_type { /* values below 0 stand beside ql_dtype's in `base_type` and `embedding_type` */
                            QL_BASE_KEEP = -1, /* every weight as it is in the file, used in place */
                            QL_BASE_AUTO = -2  /* a quantised model is kept; one in 16 or 32 bits becomes nf4_dq,
                                                  embedding and head q8_0 */
} ql_base_type;

typedef struct ql_model_options {
    size_t size;            /* set by ql_model_options_init */
    int64_t base_type;      /* of the block matrices: a ql_dtype, QL_BASE_KEEP or QL_BASE_AUTO */
    int64_t embedding_type; /* of embedding and head: a ql_dtype, QL_BASE_KEEP, or QL_BASE_AUTO: where they have more
                               than 8 bits and base_type converts, base_type if that has 16 or more, else q8_0 */
    int64_t search;         /* 1: scales of converted blocks by least squared error (ql_encode_search), where the type
                               has that: q4_0, nf4, nf4_dq; 0: by the largest weight */
    const char * spill;     /* NULL, or a folder: converted weights are kept there, in a file without a name that is gone with
                               the model, instead of in memory; a plan with a budget then pages them */
} ql_model_options;

/** Defaults: everything kept. */
QL_API void ql_model_options_init(ql_model_options * options);
/** Opens a GGUF file (the first of a sharded one) or a Hugging Face directory. The caller owns *model; close it after
 *  everything made from it.
 *  Every tensor, every key of the architecture and every field of config.json is used, known to be harmless, or refused.
 *  errors  QL_NOT_FOUND, QL_BAD_FILE, QL_UNSUPPORTED (architecture, type, a tensor, key or field that the graph does not
 *          read; names it), QL_NON_FINITE (names the tensor), QL_INVALID_ARGUMENT (`search` where nothing is converted
 *          to a type that has it), QL_NO_SPACE (spill) */
QL_API ql_status ql_model_open(const char * path, const ql_model_options * options, ql_model ** model);
QL_API void ql_model_close(ql_model * model);

typedef struct ql_model_info {
    size_t size;       /* set by the caller: sizeof(ql_model_info) */
    const char * name; /* strings are owned by the model */
    const char * architecture;
    const char * base_type; /* of most block matrices */
    int64_t n_layer, n_embd;
    int64_t n_head, n_head_kv, n_ff; /* of the first layer; a GGUF file may give each layer its own */
    int64_t n_vocab, n_ctx;
    int64_t n_parameters;
    uint64_t weight_bytes;
    const char * identity;  /* a hash that all quantisations of a model share: of norms and shapes, 16 hex digits */
    const char * file_hash; /* a hash of the weights as they are stored: of this quantisation */
} ql_model_info;
QL_API ql_status ql_model_describe(const ql_model * model, ql_model_info * info);
/** The model's tokenizer, owned by the model; NULL where the files have none. */
QL_API const ql_tokenizer * ql_model_tokenizer(const ql_model * model);
/** The chat template (Jinja), "" where there is none. */
QL_API const char * ql_model_chat_template(const ql_model * model);
/** Notes on opening: what the files say that is not followed, and matrices that could not take the requested type. NULL
 *  past the end. */
QL_API const char * ql_model_note(const ql_model * model, int64_t i);

#ifdef __cplusplus
}
#endif
#endif
