/* ql/engine.h - many conversations at once: an engine holds a model, adapters, and a cache of keys and values that
 * sequences share in pages. Each read takes tokens of any of them together, whatever adapters they use:
 *
 *     ql_engine_options options;
 *     ql_engine * engine;
 *     ql_engine_options_init(&options);
 *     options.n_sequences = 2;
 *     options.adapters = adapters, options.n_adapters = 2;
 *     ql_engine_create(model, device, &options, &engine);
 *     const float first[] = {1, 0}, second[] = {0, 1};
 *     ql_engine_set_adapter_scales(engine, 0, first, 2);
 *     ql_engine_set_adapter_scales(engine, 1, second, 2);
 *     const ql_sequence_tokens batch[] = {{0, a, n_a, 1}, {1, b, n_b, 1}};
 *     ql_engine_read(engine, batch, 2);
 *     const float * logits = ql_engine_logits(engine, 0);       of the token after a
 *
 * A sequence's logits do not depend on the others of a batch, but for rounding: how many tokens are read at once, and
 * whether all use the same adapters, decides which kernels add up.
 *
 * An engine is used by one thread at a time. Several may share a model and a device. */
#ifndef QL_ENGINE_H
#define QL_ENGINE_H

#include "ql/adapter.h"
#include "ql/backend.h"
#include "ql/model.h"
#include "ql/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_engine ql_engine;

/** What inference takes of memory, as it is planned before anything runs, and what it reads. Bytes. */
typedef struct ql_inference_info {
    size_t size;                 /* set by the caller: sizeof(ql_inference_info) */
    uint64_t planned_peak_bytes; /* of the process: all that follows, but workspace_bytes and read_bytes_per_pass */
    uint64_t weight_bytes;       /* of the model, in memory */
    uint64_t page_bytes;         /* room for weights that are read and dropped */
    uint64_t adapter_bytes;      /* of adapters, as they are applied */
    uint64_t cache_bytes;        /* keys and values */
    uint64_t activation_bytes;   /* results of the layers, logits, workspace */
    uint64_t workspace_bytes;    /* of these, the most that one kernel needs while it runs */
    uint64_t input_bytes;
    uint64_t program_bytes;       /* code, tokenizer, texts, the plans themselves */
    uint64_t read_bytes_per_pass; /* of weights, from their file, whatever the lanes; 0: all are in memory */
    int64_t lanes;                /* windows of an evaluation that go through a layer side by side; else 1 */
    int64_t pass_tokens;          /* the most that go through the model in one pass, of one lane */
    int64_t sequences;            /* whose keys and values have room at the same time; 0 of an evaluation */
} ql_inference_info;

typedef struct ql_engine_options {
    size_t size;                         /* set by ql_engine_options_init */
    int64_t ctx;                         /* most tokens of a sequence; 0: min(2048, the model's) */
    int64_t n_sequences;                 /* numbered from 0; 1 */
    int64_t n_pages;                     /* of the cache, 64 tokens each; 0: as many as full sequences need */
    const ql_adapter * const * adapters; /* that sequences choose from */
    int n_adapters;                      /* at most 64 */
    ql_dtype cache_type;                 /* of keys and values: QL_F16, or QL_F32, which is exact and twice as large */
    uint64_t memory; /* bytes that the process may take, program and cache included; 0: no limit. What
                                            does not fit of the weights is read from the model's file in each pass, a
                                            layer ahead, and dropped. No bit of the results changes */
} ql_engine_options;
QL_API void ql_engine_options_init(ql_engine_options * options);

/** The caller owns *engine; model and device must outlive it (adapters are copied).
 *  errors  QL_INVALID_ARGUMENT, QL_BAD_DTYPE: no cache has that type; QL_BAD_FILE: an adapter does not fit this model;
 *          QL_NO_MEMORY: also a budget that is too small, the message has the smallest that would do; QL_UNSUPPORTED: a
 *          budget on several devices, or on one that has a memory of its own */
QL_API ql_status ql_engine_create(const ql_model * model, ql_device * device, const ql_engine_options * options,
                                  ql_engine ** engine);
QL_API void ql_engine_free(ql_engine * engine);

/** The adapters of a sequence: a scale for each of the engine's, 0: not applied, which costs nothing. At first all are 0.
 *  Takes microseconds. Where scales change, the sequence begins again, empty: keys and values are those of the adapters
 *  that read them.
 *  scales   n of them, as many as the engine has adapters
 *  errors   QL_INVALID_ARGUMENT: another number of them, one that is not finite, no such sequence */
QL_API ql_status ql_engine_set_adapter_scales(ql_engine * engine, int64_t sequence, const float * scales, int n);

/** Tokens with which a sequence goes on. This struct does not grow. */
typedef struct ql_sequence_tokens {
    int64_t sequence;
    const int32_t * tokens;
    int64_t n;
    int logits; /* 1: those of the token after the last are wanted; 0: they are not computed */
} ql_sequence_tokens;

/** Reads n parts, each of another sequence.
 *  errors  QL_INVALID_ARGUMENT: a part without tokens, or with more than the context holds, a token outside the
 *          vocabulary, a sequence named twice or unknown; QL_NO_MEMORY: too few pages are free. Nothing has been read
 *          then. Where a run fails, ql_engine_position says how far each sequence came. */
QL_API ql_status ql_engine_read(ql_engine * engine, const ql_sequence_tokens * parts, int64_t n);
/** The logits of the token after the last that a sequence has read, f32 [n_vocab], owned by the engine until the sequence
 *  reads again or changes.     returns  NULL: they were not wanted, nothing has been read, or no such sequence */
QL_API const float * ql_engine_logits(const ql_engine * engine, int64_t sequence);

/** Tokens of a sequence that are in the cache; 0 for one that does not exist. */
QL_API int64_t ql_engine_position(const ql_engine * engine, int64_t sequence);
/** Keeps a sequence's first n tokens; 0 ends it, and its pages are free for others. Its adapters stay.
 *  errors  QL_INVALID_ARGUMENT: more than it has, no such sequence */
QL_API ql_status ql_engine_truncate(ql_engine * engine, int64_t sequence, int64_t n);
/** Makes sequence `to` what `from` is, adapters included. They share pages, and a page is copied when one goes on in it.
 *  errors  QL_INVALID_ARGUMENT: no such sequence */
QL_API ql_status ql_engine_fork(ql_engine * engine, int64_t from, int64_t to);
/** Pages that no sequence has. */
QL_API int64_t ql_engine_free_pages(const ql_engine * engine);

/** Fills `info`.     errors  QL_INVALID_ARGUMENT */
QL_API ql_status ql_engine_describe(const ql_engine * engine, ql_inference_info * info);
/** The plan that reads n tokens at once (the widest one where n is larger), for profiles. The engine owns it.
 *  returns  NULL if engine is NULL or n < 1 */
QL_API ql_plan * ql_engine_plan(ql_engine * engine, int64_t n);

#ifdef __cplusplus
}
#endif
#endif
