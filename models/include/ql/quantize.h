/* ql/quantize.h - writing a model file with other weight types, and Hugging Face directories as GGUF files. */
#ifndef QL_QUANTIZE_H
#define QL_QUANTIZE_H

#include "ql/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What happened to one tensor. */
typedef struct ql_quantized_tensor {
    size_t size;
    const char * name;
    const char * from, * to; /* type names */
    uint64_t bytes_from, bytes_to;
    double rel_rmse;         /* norm of the error over norm of the weights; 0 where nothing changed */
    const char * note;       /* "" or why it is not the requested type */
    int64_t index, n;        /* of the file's tensors */
    double kept; /* where an adapter was merged: <m - q, d> / <d, d>, the part of its change d that is in merged weights
                                m; q: without it, in the new type. Of many millions 4 are looked at. NaN elsewhere */
    int64_t part;            /* which of the files of a split model it is in, from 0 */
} ql_quantized_tensor;

typedef struct ql_quantize_options {
    size_t size;             /* set by ql_quantize_options_init */
    int64_t type;            /* of block matrices, a ql_dtype; -1 (QL_BASE_KEEP): their own */
    int64_t embedding_type;  /* a ql_dtype; -1 (QL_BASE_KEEP): its own; -2 (QL_BASE_AUTO): kept where it has at most 8
                                bits, else `type` where that has 16 or more, else q8_0 */
    /** Called when a tensor has been converted, on the calling thread; non-zero stops. NULL: none. */
    int (*on_tensor)(void * user, const ql_quantized_tensor * tensor);
    void * user;
    int threads;             /* 0: the physical cores, or $QL_THREADS. The file does not depend on it */
    int64_t search;          /* 1: scales of blocks by least squared error (ql_encode_search) where a matrix's new type
                                has that: q4_0, nf4, nf4_dq, of which `type` is to be one; 0: by the largest weight */
    const char * recipe;     /* a mix of types by its name, "q4_K_M" (ql_quantize_recipe_at), which takes the place of
                                `type`; NULL: none. With QL_BASE_AUTO the head becomes q6_K, the embedding the mix's type */
    uint64_t split_bytes;    /* most bytes of tensors in a file: OUT.gguf becomes OUT-00001-of-0000N.gguf and so on, which
                                ql_gguf_open reads by the first; 0: one file. All of them appear, or none */
    /** Called with what a directory says and a GGUF file cannot, before anything is written. NULL: none. */
    void (*on_note)(void * user, const char * note);
} ql_quantize_options;
QL_API void ql_quantize_options_init(ql_quantize_options * options);
/** The name of the i-th mix of types; NULL where there is none. */
QL_API const char * ql_quantize_recipe_at(int64_t i);

/** Writes a GGUF file. in   a GGUF file, whose keys are copied, except those that describe the old types; or a Hugging Face
 *  directory (config.json, safetensors files of f32, f16, bf16, tokenizer.json or tokenizer.model, chat_template.jinja,
 *  generation_config.json), of which all keys are made that llama.cpp needs, and norms and biases become f32.
 *  Block matrices take the requested type, some rows in memory at a time; of a type whose scales lie apart (nf4, nf4_dq, fp4)
 *  whole tensors.
 *  errors  QL_BAD_FILE, QL_NON_FINITE (a value that is no number, or too large for its type; names the tensor),
 *          QL_UNSUPPORTED (a type; what GGUF keys cannot say of a directory's model), QL_NO_SPACE, QL_CANCELLED (on_tensor); then nothing new is left, and an older `out` is as it
 *          was */
QL_API ql_status ql_quantize(const char * in, const char * out, const ql_quantize_options * options);

#ifdef __cplusplus
}
#endif
#endif
