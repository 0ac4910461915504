/* ql/generate.h - inference: a session holds a model, adapters and a KV cache, and goes on from what it has read. For
 * many conversations at once see ql/engine.h.
 *
 * A session is used by one thread at a time. Several threads may each have one on the same model and device: they take
 * turns, a token or a piece of a prompt each. */
#ifndef QL_GENERATE_H
#define QL_GENERATE_H

#include "ql/adapter.h"
#include "ql/backend.h"
#include "ql/dataset.h"
#include "ql/engine.h"
#include "ql/model.h"
#include "ql/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_session ql_session;

typedef struct ql_session_options {
    size_t size;                         /* set by ql_session_options_init */
    int64_t ctx;                         /* tokens that the cache holds; 0: min(2048, the model's) */
    const ql_adapter * const * adapters; /* applied together, with these scales */
    const float * adapter_scales;        /* one for each, NULL: all 1; 0: not until ql_session_set_adapter_scales */
    int n_adapters;                      /* at most 64 */
    ql_dtype cache_type;                 /* of keys and values: QL_F16, or QL_F32, which is exact and twice as large */
    uint64_t memory;                     /* as in ql_engine_options: bytes that the process may take; 0: no limit */
} ql_session_options;
QL_API void ql_session_options_init(ql_session_options * options);

/** The caller owns *session; model, device and adapters' matrices must outlive it (adapters are copied).
 *  errors  QL_INVALID_ARGUMENT, QL_BAD_DTYPE: no cache has that type; QL_BAD_FILE: an adapter does not fit this model;
 *          QL_NO_MEMORY, QL_UNSUPPORTED: as ql_engine_create's */
QL_API ql_status ql_session_create(const ql_model * model, ql_device * device, const ql_session_options * options,
                                   ql_session ** session);
QL_API void ql_session_free(ql_session * session);
/** Forgets everything read. */
QL_API void ql_session_reset(ql_session * session);
/** Applies the session's adapters with other scales from now on; 0 switches one off, and then it costs nothing. Takes
 *  microseconds: nothing is loaded or rebuilt, adapters to switch between are given to ql_session_create together.
 *  What has been read is forgotten where scales change, as its keys and values are those of the adapters that read it:
 *  the next call begins with the whole prompt. The same scales change nothing.
 *  scales   n of them, one for each adapter of the session, in its order
 *  errors   QL_INVALID_ARGUMENT: another number of them, or one that is not finite; the session is as before */
QL_API ql_status ql_session_set_adapter_scales(ql_session * session, const float * scales, int n);
/** Tokens in the cache. */
QL_API int64_t ql_session_position(const ql_session * session);

/** Reads tokens that follow those read before; *logits then points to the logits of the next token, f32 [n_vocab]. The
 *  session owns them: they stay at one address for its life, and the next call overwrites the values.
 *  A key or a value beyond f16's range makes logits NaN where the cache is in f16 (ql_kv_store).
 *  errors  QL_INVALID_ARGUMENT: the context is full, a token is outside the vocabulary */
QL_API ql_status ql_session_eval(ql_session * session, const int32_t * tokens, int64_t n, const float ** logits);

/** Fills `info`.     errors  QL_INVALID_ARGUMENT */
QL_API ql_status ql_session_describe(const ql_session * session, ql_inference_info * info);
/** The plan that reads n tokens at once (the widest one where n is larger), for profiles. The session owns it.
 *  returns  NULL if session is NULL or n < 1 */
QL_API ql_plan * ql_session_plan(ql_session * session, int64_t n);

typedef struct ql_sampling {
    size_t size;          /* set by ql_sampling_init */
    double temperature;   /* 0: the most probable token */
    int64_t top_k;        /* 0: all */
    double top_p, min_p;  /* 1 and 0: off */
    double repeat_penalty;/* 1: off; over the last 64 tokens */
    uint64_t seed;
} ql_sampling;
QL_API void ql_sampling_init(ql_sampling * sampling); /* temperature 0.8, top_k 40, top_p 0.95, min_p 0.05 */

typedef struct ql_logprob {
    int32_t id;
    float logprob;        /* natural logarithm of softmax of the raw logits */
} ql_logprob;

typedef struct ql_generated {
    size_t size;
    int32_t token;
    float logprob;
    const char * piece;   /* UTF-8 that became complete with this token; may be empty */
    const ql_logprob * top; /* the n_top most probable tokens, best first */
    int n_top;
} ql_generated;

typedef struct ql_generate_options {
    size_t size;          /* set by ql_generate_options_init */
    int64_t n_predict;    /* most tokens to generate; < 0: until the end or a full context */
    int n_top;            /* entries of ql_generated::top, 0 to 100 */
    ql_sampling sampling;
    /** Called for each token; non-zero stops. */
    int (*on_token)(void * user, const ql_generated * token);
    void * user;
    /** NULL, or asked before each piece of the prompt, of some hundred tokens; non-zero stops with QL_CANCELLED. What was read
     *  until then stays read, but for tokens that an activated LoRA acts on anew: the session is cut back to these. */
    int (*cancelled)(void * user);
} ql_generate_options;
QL_API void ql_generate_options_init(ql_generate_options * options);

typedef struct ql_generate_result {
    size_t size;
    const char * text;    /* the whole text; owned by the session until the next call */
    int64_t n_prompt, n_generated;
    double prompt_seconds, generation_seconds;
    int ended;            /* 1: the model ended its turn; 0: n_predict, a full context or the callback */
} ql_generate_result;

/** Reads the prompt's tokens and generates. The end-of-turn token is read into the cache but is not part of the text.
 *  errors  QL_INVALID_ARGUMENT: the prompt does not fit in the context; QL_NON_FINITE: logits are NaN; QL_CANCELLED */
QL_API ql_status ql_generate(ql_session * session, const int32_t * prompt, int64_t n, const ql_generate_options * options,
                             ql_generate_result * result);

typedef struct ql_nll {
    size_t size;
    double nll, ppl;      /* mean per predicted token, nats; exp of it */
    int64_t tokens;       /* predictions */
    double seconds;
} ql_nll;

/** How far an evaluation is. */
typedef struct ql_evaluated {
    size_t size;
    int64_t done, n;      /* windows of the text, or packed sequences of the dataset */
    int64_t tokens;       /* predictions so far */
    double nll;           /* their mean */
} ql_evaluated;

/** Which tokens of a text count. */
typedef enum ql_text_count {
    QL_COUNT_EACH = 0,      /* every one once, in the first window that predicts it */
    QL_COUNT_LLAMA_CPP = 1, /* as llama-perplexity does it: windows of ctx tokens side by side, what is left at the end not read;
                               BOS, where the model wants it, in place of each one's first token; of each the second half */
} ql_text_count;

typedef struct ql_evaluate_options {
    size_t size;          /* set by ql_evaluate_options_init */
    int64_t ctx;          /* tokens of a window, 2 to the model's; 0: min(512, the model's) */
    int64_t stride;       /* of a text: by how many tokens windows advance, 0 to ctx; 0: ctx */
    /** Called after each window, on the calling thread; non-zero stops the call, which then returns QL_CANCELLED. */
    int (*on_window)(void * user, const ql_evaluated * so_far);
    void * user;
    uint64_t memory;      /* bytes that the process may take; 0: no limit. As in ql_engine_options, and as many windows as fit
                             share a pass. No bit of the result changes */
    /** Called once, before anything runs, with what is planned; non-zero stops as on_window does. */
    int (*on_plan)(void * user, const ql_inference_info * info);
    /** Of a dataset: called for each of its samples, in any order, with the sum of the NLL of its trained tokens. */
    void (*on_sample)(void * user, int64_t sample, double nll, int64_t tokens);
    ql_text_count count;  /* of a text: which tokens; QL_COUNT_LLAMA_CPP without a stride */
} ql_evaluate_options;
/** Defaults: ctx 0, stride 0, no callbacks, no limit of memory, QL_COUNT_EACH. */
QL_API void ql_evaluate_options_init(ql_evaluate_options * options);

/** Mean NLL of a text in windows of ctx tokens; each counts only the tokens that no window before it predicted. BOS first in
 *  each window where the model wants it. Or as `count` says.
 *  options NULL takes the defaults
 *  errors  QL_INVALID_ARGUMENT: ctx, stride, count, a text without a token to predict; QL_CANCELLED; QL_NO_MEMORY,
 *          QL_UNSUPPORTED: a budget, as ql_engine_create's */
QL_API ql_status ql_evaluate_text(const ql_model * model, ql_device * device, const ql_adapter * const * adapters,
                                  const float * scales, int n_adapters, const char * text, size_t size,
                                  const ql_evaluate_options * options, ql_nll * result);
/** Mean NLL of a dataset's trained tokens; of a sample longer than ctx, only the first ctx count.
 *  options NULL takes the defaults
 *  errors  QL_INVALID_ARGUMENT: ctx, a stride, a dataset that was opened for another model; QL_CANCELLED; QL_NO_MEMORY,
 *          QL_UNSUPPORTED: a budget, as ql_engine_create's */
QL_API ql_status ql_evaluate_dataset(const ql_model * model, ql_device * device, const ql_adapter * const * adapters,
                                     const float * scales, int n_adapters, const ql_dataset * data,
                                     const ql_evaluate_options * options, ql_nll * result);

typedef struct ql_choices {
    size_t size;
    int64_t questions;
    int64_t right;           /* questions whose right choice has the smallest sum of NLL over its tokens */
    int64_t right_by_length; /* the smallest sum divided by the choice's length in bytes */
    double nll;              /* mean over the tokens of the right choices, nats */
    int64_t tokens;          /* of the right choices */
    double seconds;
} ql_choices;

/** Multiple choice: which of a question's choices a model finds the most probable. `path` names a .jsonl or .json file (or
 *  .gz) of {"question": text, "choices": [text, ...], "answer": a choice's number, from 0, or its text}; other fields are
 *  description or refused, as in datasets. A model reads BOS where it wants one, the question, a blank where neither side of
 *  the border has white space, and the choice, which is tokenised apart and alone counts; without a chat template. Of choices
 *  that are equally probable the first counts. Each choice with its question must fit in ctx tokens; several share a window.
 *  options NULL takes the defaults; on_window gets the mean over all choices so far
 *  errors  QL_BAD_FILE, QL_UNSUPPORTED with file and line: a field missing or of another type, fewer than two choices, an
 *          answer that is none of them; QL_INVALID_ARGUMENT: ctx, a stride, a choice that does not fit in it; QL_NOT_FOUND,
 *          QL_IO; QL_NON_FINITE; QL_CANCELLED; QL_NO_MEMORY */
QL_API ql_status ql_evaluate_choices(const ql_model * model, ql_device * device, const ql_adapter * const * adapters,
                                     const float * scales, int n_adapters, const char * path,
                                     const ql_evaluate_options * options, ql_choices * result);

#ifdef __cplusplus
}
#endif
#endif
