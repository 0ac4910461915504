/* ql/dataset.h - training data: reading, rendering with the model's chat template, tokens with a loss mask. */
#ifndef QL_DATASET_H
#define QL_DATASET_H

#include "ql/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_dataset ql_dataset;

#define QL_TRAINING_DATE "2024-07-26" /* what templates that ask for the date are told in training and evaluation;
                                         Llama 3's template also writes it where it is told none */

typedef enum ql_long_policy { QL_LONG_CUT = 0, QL_LONG_DROP = 1, QL_LONG_ERROR = 2 } ql_long_policy;

/** What carries loss: the parts of what the assistant writes, added up; none of the first three means all of them. The
 *  end of turn belongs to the part that stands last, after thoughts alone to the words. Thoughts are those in
 *  reasoning_content, or between marks such as <think> and </think> at the beginning of the content; calls of tools
 *  those in tool_calls, or what follows a mark such as <tool_call> in the content. */
typedef enum ql_train_on {
    QL_TRAIN_WORDS = 1,     /* the content, without thoughts and calls */
    QL_TRAIN_REASONING = 2, /* thoughts, with their marks; marks alone only where what follows them is trained, too */
    QL_TRAIN_TOOLS = 4,     /* calls of tools, with their marks */
    QL_TRAIN_ANSWERS = 7,   /* everything the assistant writes */
    QL_TRAIN_LAST = 8,      /* added to them: in its last message alone */
    QL_TRAIN_ALL = 16       /* everything, also what others say; alone */
} ql_train_on;

typedef struct ql_dataset_options {
    size_t size;               /* set by ql_dataset_options_init */
    int64_t ctx;               /* longest sample in tokens; 0: min(512, the model's) */
    ql_long_policy long_policy;/* what happens to longer ones; cut: the first ctx tokens stay, so a cut answer has no
                                  end token, and a sample whose answers are all cut off is dropped */
    int skip_bad_lines;        /* 1: bad lines are skipped and counted; 0: they are an error */
    const char * chat_template;/* Jinja text, see ql/chat.h; NULL: the model's own */
    const char * date;         /* what the template is told, YYYY-MM-DD; NULL: QL_TRAINING_DATE. A run must give the same
                                  tokens on any day, so the date is never taken from a clock */
    int train_on;              /* of ql_train_on; 0: QL_TRAIN_ANSWERS. A sample in which nothing of it is found is a bad
                                  one */
    const char * columns;      /* "question=ask,answer=reply": the names that fields have in the data; one with a
                                  comma in quotes (a quote is doubled): text="Body, in full"; "_=id" leaves id out; NULL: none */
    const char * chat_template_kwargs; /* values that the template reads by name, as in ql_chat_options */
} ql_dataset_options;
QL_API void ql_dataset_options_init(ql_dataset_options * options);

/** Reads a .jsonl, .json, .csv, .tsv or .txt file (.gz of each), those directly in a folder, or all that match a pattern such as
 *  "data/part-*.jsonl", in the order of their names. Forms are recognised by their keys (messages, conversations,
 *  instruction/output, prompt/completion, question/answer, text). Every field of a sample is used, known to be mere
 *  description, or an error that names it; docs/data.md has the table, and the limits of size and depth. A .txt file is
 *  cut into windows of ctx tokens, all trained, with an end token after the last one. Prompt and answer are tokenised
 *  separately, as at inference: an answer's tokens are those that a model must write when fed the prompt's tokens. An
 *  answer that the template shortens once others follow (it leaves out earlier thoughts) is trained in a sample of its
 *  own, as the last one of its conversation. The caller owns *data; the model must outlive it.
 *  errors  QL_BAD_FILE, QL_UNSUPPORTED with file and line; QL_NOT_FOUND; QL_INVALID_ARGUMENT: an option, its value
 *          and its limits */
QL_API ql_status ql_dataset_open(const char * path, const ql_model * model, const ql_dataset_options * options,
                                 ql_dataset ** data);
/** The same of several paths, one after the other. errors  QL_INVALID_ARGUMENT, too: not 1 to 10,000 paths, one NULL */
QL_API ql_status ql_dataset_open_all(const char * const * paths, int64_t n_paths, const ql_model * model,
                                     const ql_dataset_options * options, ql_dataset ** data);
QL_API void ql_dataset_free(ql_dataset * data);

/** Splits off a part for evaluation: about `fraction` of the samples, chosen by (seed, index). */
QL_API ql_status ql_dataset_split(ql_dataset * data, double fraction, uint64_t seed, ql_dataset ** held_out);

typedef struct ql_dataset_info {
    size_t size;
    int64_t n_samples, n_tokens, n_trained; /* trained: tokens that carry loss */
    int64_t longest;                        /* tokens, before cutting */
    int64_t n_cut, n_dropped, n_bad;        /* samples cut, dropped as too long or without labels, lines skipped */
    int64_t n_ended;                        /* samples with a trained end token; if 0, a model never learns to stop */
    const char * date;                      /* what the chat template was told, "" where it asks for no date. Owned by
                                               the dataset */
    int64_t n_files;                        /* that were read */
    int64_t n_untemplated;                  /* samples of prompt and completion, which are raw, where there is a chat
                                               template that a chat would use */
} ql_dataset_info;
QL_API ql_status ql_dataset_describe(const ql_dataset * data, ql_dataset_info * info);

/** Of the first five lines that were skipped: "FILE:LINE: why". NULL past the end. Owned by the dataset. */
QL_API const char * ql_dataset_bad_line(const ql_dataset * data, int64_t i);

/** Notes on the chat template: where llama.cpp's own Jinja renders plain conversations differently from what is trained
 *  here, with the template's line. NULL past the end, and where no sample is a conversation. Owned by the dataset. */
QL_API const char * ql_dataset_note(const ql_dataset * data, int64_t i);

/** Sample i as text with its trained parts between the marks. The text is owned by the dataset until the next call. */
QL_API ql_status ql_dataset_show(const ql_dataset * data, int64_t i, const char * mark_begin, const char * mark_end,
                                 const char ** text);
/** For exact-match tests: the text up to the last answer (what a model is asked with), and that answer. Owned as above. */
QL_API ql_status ql_dataset_prompt(const ql_dataset * data, int64_t i, const char ** prompt, const char ** answer);
/** The tokens of that prompt, as training has them: BOS where the model wants one, earlier answers tokenised apart.
 *  What a model generates after them is compared with the answer byte for byte. Owned as above: a sample's prompt and
 *  tokens stay until another sample is asked for. */
QL_API ql_status ql_dataset_prompt_tokens(const ql_dataset * data, int64_t i, const int32_t ** tokens, int64_t * n);

#ifdef __cplusplus
}
#endif
#endif
