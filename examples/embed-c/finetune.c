/* Fine-tunes a model and asks it a question of the training data, through the model library's C API.
 *
 *   cc -std=c99 finetune.c $(pkg-config --cflags --libs ql-models) -o finetune
 *   ./finetune model.gguf data.jsonl adapter.gguf
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ql/models.h"
#include "ql/os.h"

/* Passes a failure on; main() prints its message. */
#define TRY(call)                             \
    do {                                      \
        const ql_status status_ = (call);     \
        if (status_ != QL_OK) return status_; \
    } while (0)

typedef struct example {
    ql_device * device;
    ql_model * model;
    ql_dataset * data;
    ql_adapter * adapter;
    ql_trainer * trainer;
    ql_session * session;
    int32_t * prompt;
} example;

static volatile int interrupted = 0; /* the signal's number after Ctrl-C */

static void on_log(void * user, const char * line) {
    (void)user;
    printf("%s\n", line);
}

static int on_progress(void * user, const ql_train_progress * p) {
    (void)user;
    printf("step %d of %d  loss %.4f  %.0f tokens/s\n", (int)p->step, (int)p->n_steps, p->loss, p->tok_s);
    return 0; /* another value would stop the run */
}

static int cancelled(void * user) {
    (void)user;
    return interrupted;
}

static int on_token(void * user, const ql_generated * token) {
    (void)user;
    fputs(token->piece, stdout);
    fflush(stdout);
    return 0;
}

/* Opens model and data, makes a new adapter. Options: the struct's _init function sets the defaults, then come ours. */
static ql_status open_all(example * e, const char * model, const char * data) {
    ql_model_options model_options;
    ql_lora_options lora_options;
    ql_dataset_info info;
    ql_model_options_init(&model_options);
    model_options.base_type = QL_BASE_AUTO; /* a model in 16 or 32 bits is trained in 4 */
    ql_lora_options_init(&lora_options);
    lora_options.r = 8;
    TRY(ql_device_open(NULL, &e->device));
    TRY(ql_model_open(model, &model_options, &e->model));
    TRY(ql_dataset_open(data, e->model, NULL, &e->data));
    TRY(ql_adapter_create(e->model, &lora_options, &e->adapter));
    info.size = sizeof(info); /* says which version of the struct this program was compiled with */
    TRY(ql_dataset_describe(e->data, &info));
    printf("%d samples, %d tokens, %d of them trained\n", (int)info.n_samples, (int)info.n_tokens, (int)info.n_trained);
    return QL_OK;
}

/* Trains the adapter in place and saves it. After Ctrl-C the file holds what was learned until then. */
static ql_status train(example * e, const char * path) {
    ql_train_options options;
    ql_trainer_info info;
    ql_status status;
    TRY(ql_os_check_writable(path)); /* now rather than after the training */
    ql_train_options_init(&options);
    options.ctx = 128;
    options.grad_accum = 2;
    options.steps = 60;
    options.lr = 5e-3;
    options.on_log = on_log;
    options.on_progress = on_progress;
    options.cancelled = cancelled;
    TRY(ql_trainer_create(e->model, e->device, e->adapter, e->data, NULL, &options, &e->trainer));
    info.size = sizeof(info);
    TRY(ql_trainer_describe(e->trainer, &info));
    printf("%d steps, %.1f MB planned\n", (int)info.n_steps, (double)info.planned_peak_bytes / 1e6);

    ql_os_catch_interrupt(&interrupted);
    status = ql_trainer_run(e->trainer);
    ql_os_catch_interrupt(NULL);
    if (status != QL_OK && status != QL_CANCELLED) return status;
    TRY(ql_adapter_save(e->adapter, path));
    printf("saved %s\n", path);
    return QL_OK;
}

/* Text rendered by the dataset or the chat template has its control tokens written out: they are parsed. */
static ql_status tokenize(example * e, const char * text, int64_t * n) {
    const ql_tokenizer * tokenizer = ql_model_tokenizer(e->model);
    const int flags = QL_TOKENIZE_PARSE_SPECIAL;
    TRY(ql_tokenize(tokenizer, text, strlen(text), flags, NULL, NULL, 0, n)); /* counts */
    e->prompt = malloc((size_t)*n * sizeof(*e->prompt) + 1);
    if (!e->prompt) return ql_set_error(QL_NO_MEMORY, "no memory for the prompt");
    return ql_tokenize(tokenizer, text, strlen(text), flags, e->prompt, NULL, *n, n);
}

/* Asks for the answer of the first sample, with the adapter applied, and prints it token by token. */
static ql_status ask(example * e) {
    const ql_adapter * adapters[1];
    ql_session_options session_options;
    ql_generate_options options;
    ql_generate_result result;
    const char *prompt, *answer;
    int64_t n;
    adapters[0] = e->adapter;
    ql_session_options_init(&session_options);
    session_options.adapters = adapters;
    session_options.n_adapters = 1;
    TRY(ql_session_create(e->model, e->device, &session_options, &e->session));

    TRY(ql_dataset_prompt(e->data, 0, &prompt, &answer));
    printf("expected:  %s\ngenerated: ", answer);
    TRY(tokenize(e, prompt, &n));
    ql_generate_options_init(&options);
    options.n_predict = 64;
    options.sampling.temperature = 0; /* the most probable token each time */
    options.on_token = on_token;
    result.size = sizeof(result);
    TRY(ql_generate(e->session, e->prompt, n, &options, &result));
    printf("\n%d tokens in %.2f s\n", (int)result.n_generated, result.generation_seconds);
    return QL_OK;
}

int main(int argc, char ** argv) {
    example e = {0};
    ql_status status;
    if (argc != 4) {
        fprintf(stderr, "usage: finetune model.gguf data.jsonl adapter.gguf\n");
        return 2;
    }
    status = open_all(&e, argv[1], argv[2]);
    if (status == QL_OK) status = train(&e, argv[3]);
    if (status == QL_OK && !interrupted) status = ask(&e);
    if (status != QL_OK) fprintf(stderr, "finetune: %s\n", ql_error_message());

    free(e.prompt);
    ql_session_free(e.session); /* what was made from others goes before them */
    ql_trainer_free(e.trainer);
    ql_adapter_free(e.adapter);
    ql_dataset_free(e.data);
    ql_model_close(e.model);
    ql_device_close(e.device);
    return status == QL_OK ? 0 : 1;
}
