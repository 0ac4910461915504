/* ql/adapter.h - LoRA adapters: making, opening, saving, describing, composing, extracting, reducing, merging.
 *
 * An adapter adds y += s B (A x) to linears of one model. It keeps matrices in f32 in memory, in the model's own row
 * order, whatever file they came from. Files: GGUF as llama.cpp loads it, and PEFT directories. */
#ifndef QL_ADAPTER_H
#define QL_ADAPTER_H

#include <stddef.h>
#include <stdint.h>

#include "ql/model.h"
#include "ql/quantize.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_adapter ql_adapter;

typedef struct ql_lora_options {
    size_t size;          /* set by ql_lora_options_init */
    int64_t r;            /* rank, at least 1 and at most the smaller side of the largest target */
    double alpha;         /* s = alpha / r; greater than 0 */
    int rslora;           /* 1: s = alpha / sqrt(r) instead                                     (Kalajdzievski 2023) */
    const char * targets; /* "all" | "attn" | "mlp" | a regular expression (PCRE2) that is searched for in weight names
                             such as "blk.7.attn_q.weight"; embedding and head are never targets. NULL: "all" */
    uint64_t seed;        /* of A's values */
    const char * kind;    /* what is trained: "lora": A and B; "miss": B alone, A adds up tiles of x, and s is 1 (Kang & Yin
                             2024); "dora": A, B and a magnitude for each row of the weight (Liu et al. 2024). NULL: "lora" */
    int norms;            /* 1: all norms are trained, too, as a whole */
    const char * layers;  /* "0-9,20,-1": numbers and ranges of layers, -1 is the last one; NULL or "": all */
    const char * rank_pattern;  /* "REGEX=R,...", as "attn_q=32,blk\.0\.=4": the first that is found in a weight's name
                                   gives its rank instead of r (PEFT's rank_pattern); NULL or "": none */
    const char * alpha_pattern; /* the same of alpha; s = alpha / r of the weight's own r. A "miss" takes neither this nor
                                   rslora */
    const char * init;    /* how the values start; NULL: "default" (ql_lora_init lists them):
                             "default"     A uniform in +-1/sqrt(k), B zero
                             "gaussian"    A normal with deviation 1/r, B zero
                             "orthogonal"  B A = 0 though neither is zero; even ranks
                             "pissa"       the r largest singular vectors of the weight      (Meng, Wang, Zhang 2024)
                             "loftq"       those of W - deq(Q(W)); the model must have been opened from unquantised
                                           weights, which are read again                              (Li et al. 2023) */
    int64_t threads;      /* that dora, pissa and loftq work with; 0: one for each core */
    const char * tokens;  /* "<|tool|>,</tool>,128011": tokens, by id or by what they write, whose rows of the embedding, and
                             of a head that is not tied to it, are trained too, as a whole; NULL or "": none */
    const char * invocation; /* "<|im_start|>assistant\n": the adapter acts from the last occurrence of this text's tokens in
                                a sequence on, and not before it: what comes before has the keys and values of the base
                                (activated LoRA). NULL or "": everywhere                       (Greenewald et al. 2025) */
} ql_lora_options;

/** Defaults: r 16, alpha 32, all linears of all layers, seed 42, plain LoRA. */
QL_API void ql_lora_options_init(ql_lora_options * options);

/** A new adapter for a model. Unless it is a loftq start it changes nothing until it is trained.
 *  Random values depend on seed, weight name and element alone (Philox), not on threads or on the other targets.
 *  A pissa start is a part of W, which the base keeps: the adapter's matrices have rank 2 r, of which the second half is
 *  the start with its sign changed, and training leaves that half as it is. Every other function takes it as any adapter
 *  of rank 2 r; opened from a file, all of it is trained.
 *  options  NULL takes the defaults
 *  owns     the caller owns *adapter, freed by ql_adapter_free; the model must outlive it
 *  errors   QL_INVALID_ARGUMENT (a number out of range; targets that match nothing: the message lists the linears; a
 *           layer that the model does not have; a pattern that is none, or that decides for no linear; an unknown start,
 *           or one that base or rank do not allow); QL_NON_FINITE (names a weight that a start would be made of) */
QL_API ql_status ql_adapter_create(const ql_model * model, const ql_lora_options * options, ql_adapter ** adapter);

typedef struct ql_lora_init_info {
    size_t size;          /* set by the caller: sizeof(ql_lora_init_info) */
    const char * name;    /* strings are the library's */
    const char * meaning; /* in a line */
} ql_lora_init_info;
/** The i-th of the starts.       errors  QL_INVALID_ARGUMENT: i out of range: there are no more */
QL_API ql_status ql_lora_init(int64_t i, ql_lora_init_info * info);

/** Opens a GGUF adapter, a PEFT directory (adapter_config.json, adapter_model.safetensors), a checkpoint of a training run,
 *  or the newest whole checkpoint of a folder, for a model. Of a checkpoint it is the adapter after its step: what is saved
 *  of it is what the run would have saved. A note says which checkpoint it was.
 *  model    NULL opens a GGUF adapter or a checkpoint alone, to be described, composed and saved: whether it fits its base
 *           is not checked (a checkpoint of MiSS needs the model)
 *  owns     as ql_adapter_create
 *  errors   QL_NOT_FOUND, QL_IO; QL_BAD_FILE also for an adapter of another model (names the tensor and both shapes);
 *           QL_UNSUPPORTED for what is not plain LoRA on linears or an untied head (DoRA, biases, embeddings, a tied
 *           head, modules_to_save, a setting that is not known ...);
 *           QL_NON_FINITE names the matrix; QL_BAD_FILE too where the file says that it was trained on another base (names
 *           both). Another quantisation of its base is no other base, and a file that says nothing passes */
QL_API ql_status ql_adapter_open(const char * path, const ql_model * model, ql_adapter ** adapter);
/** The same over any base of the same shapes, here and wherever the adapter is used with a model: for a caller who knows
 *  better than the file. */
QL_API ql_status ql_adapter_open_any_base(const char * path, const ql_model * model, ql_adapter ** adapter);
QL_API void ql_adapter_free(ql_adapter * adapter); /* NULL is fine */

/** Writes a GGUF adapter (f32) safely - whole or not at all - and reads it back before the file gets its name. It holds
 *  no clock times: the same adapter gives the same bytes. Matrices whose s * r differ are written with B scaled, as the
 *  format has one alpha.        errors  QL_NO_SPACE, QL_IO, QL_NON_FINITE (nothing is written then) */
QL_API ql_status ql_adapter_save(const ql_adapter * adapter, const char * path);
/** Writes a PEFT directory, made if absent; q and k rows in Hugging Face's order.       errors  as ql_adapter_save */
QL_API ql_status ql_adapter_save_peft(const ql_adapter * adapter, const char * directory);

typedef struct ql_adapter_info {
    size_t size;              /* set by the caller: sizeof(ql_adapter_info) */
    const char * name;        /* strings are owned by the adapter, "" where unknown */
    const char * base_name;   /* of the model that the adapter was made for */
    int64_t n_parameters;     /* that training changes */
    int64_t n_matrices;       /* linears that the adapter changes */
    int64_t r_min, r_max;     /* smallest and largest rank; 0 without matrices */
    const char * architecture; /* of the base: "llama" */
    const char * base_identity;  /* of ql_model_info: the model that it was trained on, in whatever quantisation */
    const char * base_file_hash; /* of ql_model_info: the very file */
    const char * base_type;      /* of the weights that it was trained over: "nf4_dq" */
    const char * init;           /* how A began: "uniform" */
    const char * seed;           /* of A's first values, decimal */
    const char * options;        /* of the new adapter: "kind=lora;r=16;alpha=32;rslora=0;norms=0;targets=all;..." */
    const char * composed;       /* "cat: a x 0.7 + b x 0.3", "resize, rank 8: a" */
    int64_t n_runs;              /* runs of training that it went through; of a composed one those of its parts */
    const char * kind;        /* ql_lora_options' */
    int64_t n_norms;          /* norms that the adapter replaces */
    const char * merge_type;   /* "q4_0", or "keep": trained for this merge (ql_train_options), which gives what was trained bit for
                                  bit; "" for none */
    int64_t n_row_weights;    /* weights of which it replaces rows: 0 to 2 (ql_adapter_rows) */
    int64_t n_invocation;     /* tokens of its invocation, from which on it acts; 0: everywhere */
    const int32_t * invocation; /* [n_invocation] */
    const char *
        merge_rounding; /* of that merge: "" to the nearest value, "dithered" or "all dithered" (ql_merge_rounding) */
    const char * other_base; /* "", or over which base it was taken though it was trained on another one
                                 (ql_adapter_open_any_base): it stays with what is made of the adapter */
} ql_adapter_info;
QL_API ql_status ql_adapter_describe(const ql_adapter * adapter, ql_adapter_info * info);

/** Rows of tokens that an adapter has in place of the model's. */
typedef struct ql_adapter_rows_info {
    size_t size;          /* set by the caller: sizeof(ql_adapter_rows_info) */
    const char * weight;  /* "token_embd.weight", the head too where that is tied to it, or "output.weight" */
    int64_t n_rows, n;    /* rows, and values of a row */
    const int32_t * ids;  /* [n_rows] of the tokens, ascending; owned by the adapter */
    const float * values; /* [n, n_rows] of the rows as a whole; owned by the adapter */
} ql_adapter_rows_info;
/** Of the i-th such weight.       errors  QL_INVALID_ARGUMENT: i out of range */
QL_API ql_status ql_adapter_rows(const ql_adapter * adapter, int64_t i, ql_adapter_rows_info * info);

/** A run of training that the adapter went through, as its file tells it. */
typedef struct ql_adapter_run_info {
    size_t size;          /* set by the caller: sizeof(ql_adapter_run_info) */
    const char * data;    /* a hash of the samples' tokens; strings are owned by the adapter, "" where unknown */
    const char * options; /* "ctx=512;batch=1;grad-accum=8;...;lr=0.0002;..." */
    const char * library; /* ql_version() of the library that trained */
    int64_t steps, tokens;
    double loss_first, loss_last; /* of a step, nats per trained token; NaN where unknown */
    double eval_best;             /* the lowest evaluation loss, where a best adapter was kept; else NaN */
} ql_adapter_run_info;
/** The i-th of n_runs, the first one first.       errors  QL_INVALID_ARGUMENT: i out of range */
QL_API ql_status ql_adapter_run(const ql_adapter * adapter, int64_t i, ql_adapter_run_info * info);
/** Notes on opening: what the files say that is not followed. NULL past the end. */
QL_API const char * ql_adapter_note(const ql_adapter * adapter, int64_t i);

/** Whether training has moved a branch. */
typedef enum ql_adapter_state {
    QL_ADAPTER_TRAINED = 0,
    QL_ADAPTER_ZERO_B = 1,    /* B is zero, as in a new adapter: the branch changes nothing */
    QL_ADAPTER_ZERO_A = 2,    /* A is zero: the branch changes nothing */
    QL_ADAPTER_ZERO_SCALE = 3,
    QL_ADAPTER_START_A = 4    /* A is still what its seed gave it, though B is not: one step, or A was frozen */
} ql_adapter_state;

/** One linear's branch: y += s B (A x), A [k, r], B [r, m]. */
typedef struct ql_adapter_matrix_info {
    size_t size;         /* set by the caller: sizeof(ql_adapter_matrix_info) */
    const char * weight; /* "blk.0.attn_q.weight"; owned by the adapter */
    int64_t k, m, r;
    double scale;        /* s */
    double norm;         /* Frobenius norm of s B A: 0 where the branch changes nothing */
    ql_adapter_state state;
} ql_adapter_matrix_info;
/** The i-th of n_matrices.       errors  QL_INVALID_ARGUMENT: i out of range */
QL_API ql_status ql_adapter_matrix(const ql_adapter * adapter, int64_t i, ql_adapter_matrix_info * info);

/** What llama.cpp does with a branch. */
typedef enum ql_llama_cpp_use {
    QL_LLAMA_CPP_APPLIED = 0,
    QL_LLAMA_CPP_IGNORED = 1, /* it loads, and changes nothing */
    QL_LLAMA_CPP_REFUSED = 2  /* it does not load, or ends the process */
} ql_llama_cpp_use;

typedef struct ql_llama_cpp_info {
    size_t size;          /* set by the caller: sizeof(ql_llama_cpp_info) */
    ql_llama_cpp_use use;
    const char * why;     /* in a line; "" where it is applied. Strings are the library's */
    const char * version; /* of llama.cpp that this was read in */
} ql_llama_cpp_info;
/** Of the i-th matrix of n_matrices, from a table by architecture and tensor.
 *  errors  QL_INVALID_ARGUMENT: i out of range */
QL_API ql_status ql_adapter_llama_cpp(const ql_adapter * adapter, int64_t i, ql_llama_cpp_info * info);

typedef struct ql_compose_options {
    size_t size;         /* set by ql_compose_options_init */
    const char * method; /* "cat": the sum of w s B A, exactly; ranks add up. "svd": the same at a rank. "linear", "ties",
                            "ties_svd", "dare_linear", "dare_ties", "magnitude_prune" ...: as in PEFT (ql_compose_method) */
    int64_t rank;        /* of the methods that end in svd; 0: the largest of the adapters' */
    double density;      /* of the methods that drop values: the fraction that is kept, above 0 and at most 1 */
    uint64_t seed;       /* of those that drop at random */
    int threads;         /* 0: the physical cores, or $QL_THREADS. The result does not depend on it */
} ql_compose_options;
/** Defaults: cat, rank 0, density 1, seed 42, threads 0. */
QL_API void ql_compose_options_init(ql_compose_options * options);

typedef struct ql_compose_method_info {
    size_t size;          /* set by the caller: sizeof(ql_compose_method_info) */
    const char * name;    /* strings are the library's */
    const char * meaning; /* in a line */
    int takes_rank, takes_density;
} ql_compose_method_info;
/** The i-th method.       errors  QL_INVALID_ARGUMENT: i out of range: there are no more */
QL_API ql_status ql_compose_method(int64_t i, ql_compose_method_info * info);

/** Makes one adapter out of several for one base. A linear that only some of them change is composed of those alone.
 *  Random numbers depend on the options alone.
 *  adapters, weights  n of each, at least one; weights may be negative
 *  owns     the caller owns *adapter, freed by ql_adapter_free; the model that the first was opened for, if any, must
 *           outlive it
 *  errors   QL_INVALID_ARGUMENT: an unknown method (lists them), an option that the method does not take, different
 *           ranks for a method that adds factors; QL_BAD_FILE, QL_BAD_SHAPE: adapters for different bases; messages name
 *           an adapter by its path, or as "adapter 0" where it has none */
QL_API ql_status ql_adapter_compose(const ql_adapter * const * adapters, const double * weights, int n,
                                    const ql_compose_options * options, ql_adapter ** adapter);

/** What became of the change D that an adapter was to make to one weight. */
typedef struct ql_adapter_change {
    size_t size;
    const char * weight;
    int64_t k, m;
    int64_t r_from, r;    /* rank before and now; 0: no branch */
    double norm, error;   /* Frobenius norms: of D, and of what the new adapter lacks of it */
    const char * note;    /* "" or why D is not in the adapter */
    int64_t index, n;     /* of the weights that were looked at */
} ql_adapter_change;
/** Called for each weight in order, on the calling thread; non-zero stops the call, which then returns QL_CANCELLED. */
typedef int (*ql_on_adapter_change)(void * user, const ql_adapter_change * change);

typedef struct ql_extract_options {
    size_t size;      /* set by ql_extract_options_init */
    int64_t rank;     /* at least 1 and at most the smaller side of the largest linear */
    int threads;      /* 0: the physical cores, or $QL_THREADS. The result does not depend on it */
    ql_on_adapter_change on_change; /* NULL: none */
    void * user;
} ql_extract_options;
/** Defaults: rank 16. */
QL_API void ql_extract_options_init(ql_extract_options * options);
/** The difference of two models, tuned - base, as an adapter for the base: for each linear (and the head, where it is not
 *  the embedding) the best approximation at a rank. on_change is also told of other tensors (norms, embedding); `note`
 *  says which of them differ: an adapter cannot hold that.
 *  options  NULL takes the defaults
 *  owns     the caller owns *adapter, freed by ql_adapter_free; the base must outlive it
 *  errors   QL_BAD_FILE (other architectures, linears that only one has, or none that differs), QL_BAD_SHAPE,
 *           QL_NON_FINITE (names the tensor), QL_INVALID_ARGUMENT (the rank), QL_CANCELLED */
QL_API ql_status ql_adapter_extract(const ql_model * base, const ql_model * tuned, const ql_extract_options * options,
                                    ql_adapter ** adapter);

typedef struct ql_resize_options {
    size_t size;      /* set by ql_resize_options_init */
    int64_t rank;     /* at most; 0: each matrix's own */
    double energy;    /* below 1: of each matrix the smallest rank that keeps this part of |D|^2 */
    int threads;      /* 0: the physical cores, or $QL_THREADS. The result does not depend on it */
    ql_on_adapter_change on_change; /* NULL: none */
    void * user;
} ql_resize_options;
/** Defaults: rank 0, energy 1: one of them must be set. */
QL_API void ql_resize_options_init(ql_resize_options * options);
/** An adapter of lower rank, with the best approximation of each s B A (Eckart, Young 1936). A matrix whose rank is no
 *  higher than `rank` stays as it is.
 *  owns     as ql_adapter_compose        errors  QL_INVALID_ARGUMENT (nothing set, a number out of range), QL_CANCELLED */
QL_API ql_status ql_adapter_resize(const ql_adapter * adapter, const ql_resize_options * options, ql_adapter ** resized);

typedef struct ql_prune_options {
    size_t size;        /* set by ql_prune_options_init */
    const char * drop;  /* a regular expression (PCRE2) searched for in weight names; NULL: none */
    double least_norm;  /* linears whose |s B A| is smaller go */
    double energy;      /* below 1: the smallest go, as long as the others keep this part of the sum of all |s B A|^2 */
    ql_on_adapter_change on_change; /* NULL: none */
    void * user;
} ql_prune_options;
/** Defaults: no pattern, least_norm 0, energy 1: one of them must be set. */
QL_API void ql_prune_options_init(ql_prune_options * options);
/** The adapter for fewer linears; those that stay are as they were.
 *  owns     as ql_adapter_compose
 *  errors   QL_INVALID_ARGUMENT (nothing set, a number out of range, a bad pattern or one that finds nothing, nothing would be
 *           left), QL_CANCELLED */
QL_API ql_status ql_adapter_prune(const ql_adapter * adapter, const ql_prune_options * options, ql_adapter ** pruned);

typedef struct ql_to_lora_options {
    size_t size;      /* set by ql_to_lora_options_init */
    int64_t rank;     /* of a DoRA's matrices, at most; 0: each matrix's own */
    int threads;      /* 0: the physical cores, or $QL_THREADS. The result does not depend on it */
    ql_on_adapter_change on_change; /* NULL: none */
    void * user;
} ql_to_lora_options;
/** Defaults: rank 0. */
QL_API void ql_to_lora_options_init(ql_to_lora_options * options);
/** A plain LoRA in place of another kind, for programs that know no other. LoRA and MiSS come over exactly. A DoRA's change of
 *  its weight, c (W + s B A) - W, has no low rank: each becomes its best approximation (Eckart, Young 1936); on_change tells
 *  what is lacking.
 *  adapter  opened for its base, which the changes are taken from
 *  options  NULL takes the defaults
 *  owns     the caller owns *lora, freed by ql_adapter_free; the base must outlive it
 *  errors   QL_INVALID_ARGUMENT (no base, the rank), QL_UNSUPPORTED (trained norms, which no LoRA holds), QL_CANCELLED */
QL_API ql_status ql_adapter_to_lora(const ql_adapter * adapter, const ql_to_lora_options * options, ql_adapter ** lora);

/** Writes the base, a GGUF file, with the adapter merged in: w + s B A in place of w, rounded once to the types that the
 *  options ask for, some rows in memory at a time. A type of few bits loses a small change: on_tensor's `kept` says how
 *  much of it each weight holds.
 *  options  NULL: f16
 *  errors   as ql_quantize; QL_BAD_FILE where the base has no such linear, or one of another shape */
QL_API ql_status ql_adapter_merge(const ql_adapter * adapter, const char * base, const char * out,
                                  const ql_quantize_options * options);

/** Whether ql_adapter_merge with these options gives the model that was trained, bit for bit: the adapter was trained for
 *  a merge into this type (ql_train_options), `base` holds the weights it was trained on, and no other weight changes.
 *  base     the model of the file that is merged into, as it is there (QL_BASE_KEEP)
 *  options  NULL: f16, which is none
 *  errors   QL_INVALID_ARGUMENT, QL_BAD_FILE: it does not; the message says why, and what would */
QL_API ql_status ql_adapter_check_merge(const ql_adapter * adapter, const ql_model * base,
                                        const ql_quantize_options * options);

/** The Jinja text of the chat template that the adapter was trained with, which its files hold; "" if unknown. Valid
 *  until another is set. */
QL_API const char * ql_adapter_chat_template(const ql_adapter * adapter);
/** Sets that template: Jinja text (see ql/chat.h); NULL and "": none. A new adapter has its model's. Another
 *  template than before was told nothing yet: the date and the values by name are "" then. */
QL_API ql_status ql_adapter_set_chat_template(ql_adapter * adapter, const char * chat_template);
/** The date that this template was told in training, "2024-07-26"; "" where it asks for none, or if unknown. A trainer
 *  sets its data's date, and GGUF files keep it (adapter.chat_template.date). Valid until the adapter is trained. */
QL_API const char * ql_adapter_chat_date(const ql_adapter * adapter);
/** The values that it was given by name, a JSON object; "" for none, or if unknown. As the date, from the data, and kept
 *  (adapter.chat_template.kwargs). */
QL_API const char * ql_adapter_chat_template_kwargs(const ql_adapter * adapter);

#ifdef __cplusplus
}
#endif
#endif
