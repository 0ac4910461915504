/* ql/prompts.h - many prompts, answered at once: some answers grow side by side, so that each pass over the weights makes a
 * token of each of them. The next prompt takes the place of an answer that has ended:
 *
 *     static int on_answer(void * user, const ql_answer * answer) { return puts(answer->text) < 0; }
 *
 *     ql_prompt_list * list;
 *     ql_prompt prompts[100];
 *     ql_answer_options options;
 *     ql_prompt_list_read("questions.jsonl", model, NULL, &list);
 *     for (int64_t i = 0; i < ql_prompt_list_count(list) && i < 100; ++i) ql_prompt_list_get(list, i, &prompts[i], NULL);
 *     ql_answer_options_init(&options);
 *     options.on_answer = on_answer;
 *     ql_prompts_answer(model, device, NULL, NULL, 0, prompts, n, &options);
 *
 * A prompt list may be read by several threads at once. */
#ifndef QL_PROMPTS_H
#define QL_PROMPTS_H

#include "ql/generate.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a model is asked with. This struct does not grow. */
typedef struct ql_prompt {
    const int32_t * tokens;
    int64_t n;
    int64_t n_predict; /* most tokens of the answer; < 0: until its end or a full context */
} ql_prompt;

/** Why an answer came to its end. */
typedef enum ql_answer_end {
    QL_ANSWER_TURN = 0,    /* the model ended its turn */
    QL_ANSWER_STOPPED = 1, /* on_token */
    QL_ANSWER_LENGTH = 2,  /* n_predict */
    QL_ANSWER_CONTEXT = 3  /* the context is full */
} ql_answer_end;

typedef struct ql_answer {
    size_t size;
    int64_t prompt;       /* its number, from 0 */
    const char * text;    /* UTF-8; owned by the library until the callback returns */
    int64_t n_generated;  /* tokens, the end of turn among them */
    ql_answer_end end;
} ql_answer;

typedef struct ql_answer_options {
    size_t size;          /* set by ql_answer_options_init */
    int64_t ctx;          /* most tokens of a prompt with its answer; 0: min(2048, the model's) */
    int64_t n_at_once;    /* answers that grow side by side, 1 to 64; 8. 1 gives a session's bits; the width of a pass
                             follows from it, and answers of another number differ by rounding. Threads, other prompts
                             and memory change no bit of an answer. An activated LoRA takes 1 */
    ql_dtype cache_type;  /* as in ql_session_options */
    uint64_t memory;      /* as in ql_engine_options. Where the keys and values of n_at_once answers do not fit, as many
                             grow side by side as do */
    int n_top;            /* entries of ql_generated::top, 0 to 100 */
    ql_sampling sampling; /* each prompt has random numbers of its own, by seed and number; 0 has ql_generate's */
    /** Called for each answer, in the order of the prompts; non-zero stops the call, which then returns QL_CANCELLED. */
    int (*on_answer)(void * user, const ql_answer * answer);
    /** Called for each token of any answer; non-zero ends that answer. */
    int (*on_token)(void * user, int64_t prompt, const ql_generated * token);
    /** Called once, before anything runs, with what is planned; non-zero stops as on_answer does. */
    int (*on_plan)(void * user, const ql_inference_info * info);
    /** Asked before each pass; non-zero stops the call with QL_CANCELLED. */
    int (*cancelled)(void * user);
    void * user;
} ql_answer_options;
/** Defaults: ctx 0, 8 at once, f16, no limit of memory, ql_sampling_init's sampling, no callbacks. */
QL_API void ql_answer_options_init(ql_answer_options * options);

/** Answers n prompts. All adapters are applied, each with its scale (NULL: all 1). Callbacks come on the calling thread.
 *  options NULL takes the defaults, with which nobody is told the answers
 *  errors  QL_INVALID_ARGUMENT: a prompt without tokens, with one outside the vocabulary, or that does not fit in ctx: then
 *          nothing has run; ctx, n_at_once, a value of sampling; QL_NON_FINITE; QL_CANCELLED; QL_BAD_DTYPE,
 *          QL_NO_MEMORY, QL_UNSUPPORTED: as ql_session_create's */
QL_API ql_status ql_prompts_answer(const ql_model * model, ql_device * device, const ql_adapter * const * adapters,
                                   const float * scales, int n_adapters, const ql_prompt * prompts, int64_t n,
                                   const ql_answer_options * options);

/* -------------------------------------------------------------------------------------------------- from a file */

typedef struct ql_prompt_list ql_prompt_list;

typedef struct ql_prompt_options {
    size_t size;                /* set by ql_prompt_options_init */
    const char * system;        /* a system message for prompts that have none; NULL, "": none */
    int raw;                    /* 1: a line of a .txt file is completed as it stands, and a conversation refused; 0: it is
                                   a message, where there is a chat template */
    const char * chat_template; /* Jinja text, see ql/chat.h; NULL: the model's own */
    const char * date;          /* as in ql_chat_options */
    const char * chat_template_kwargs; /* as in ql_chat_options */
    const char * columns;       /* as in ql_dataset_options */
} ql_prompt_options;
QL_API void ql_prompt_options_init(ql_prompt_options * options);

/** Reads prompts: a line each of a .txt file, but for blank ones; of other files the forms of docs/data.md without their
 *  answers, which may be missing: of a conversation all but the assistant's last messages, a question, a prompt, a text.
 *  The last two are raw, as they are in training. The caller owns *list; the model must outlive it.
 *  options NULL takes the defaults
 *  errors  QL_BAD_FILE, QL_UNSUPPORTED with file and line: no prompt, also none in the whole file; QL_NOT_FOUND, QL_IO;
 *          QL_INVALID_ARGUMENT: an option, a conversation that the template refuses */
QL_API ql_status ql_prompt_list_read(const char * path, const ql_model * model, const ql_prompt_options * options,
                                     ql_prompt_list ** list);
QL_API void ql_prompt_list_free(ql_prompt_list * list);
/** How many there are; 0 of NULL. */
QL_API int64_t ql_prompt_list_count(const ql_prompt_list * list);
/** Prompt i, whose tokens and texts the list owns; n_predict is -1.
 *  text   NULL, or the last message, or a raw prompt
 *  place  NULL, or "FILE:LINE"
 *  errors  QL_INVALID_ARGUMENT */
QL_API ql_status ql_prompt_list_get(const ql_prompt_list * list, int64_t i, ql_prompt * prompt, const char ** text,
                                    const char ** place);

#ifdef __cplusplus
}
#endif
#endif
