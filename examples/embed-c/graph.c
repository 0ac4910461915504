/* A training step built by hand: the engine alone, no language model.
 *
 * A table of 32 embeddings and one linear layer are frozen, the layer in 4 bits (nf4_dq). A LoRA branch beside it
 * learns to answer every token with another one. Two micro-batches are accumulated, then AdamW steps, as a trainer
 * does.
 *
 *   cc -std=c99 graph.c $(pkg-config --cflags --libs ql) -lm -o graph && ./graph
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ql/ql.h"

enum { WIDTH = 64, TOKENS = 32, RANK = 8, MICRO_BATCHES = 2, BATCH = TOKENS / MICRO_BATCHES, STEPS = 150 };

/* Passes a failure on; main() prints its message. Builders need no such care: the graph keeps their first error. */
#define TRY(call)                             \
    do {                                      \
        const ql_status status_ = (call);     \
        if (status_ != QL_OK) return status_; \
    } while (0)

typedef struct trained { /* a parameter with what its optimizer needs */
    ql_tensor *value, *sum, *m, *v;
} trained;

typedef struct example {
    ql_graph * graph;
    ql_device * device;
    ql_plan *micro_batch, *optimizer;
    void * weights; /* borrowed by the graph until its plans are freed */
    ql_tensor *ids, *targets, *token_weights, *hyper, *loss, *norm;
    trained a, b;
} example;

/* Uniform in [-range, range), the same on every machine. */
static float uniform(float range) {
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return range * ((float)(state >> 8) / 8388608.0f - 1.0f);
}

static ql_status fill(ql_tensor * parameter, float range) {
    size_t i;
    for (i = 0; i < ql_tensor_bytes(parameter); i += sizeof(float)) {
        const float value = uniform(range);
        TRY(ql_tensor_write(parameter, &value, i, sizeof(value)));
    }
    return QL_OK;
}

/* Random weights: the table of embeddings in f32 at the front of the block, the linear layer in nf4_dq behind it.
 * Tensors of the NF4 family start at a multiple of 64 bytes. */
static ql_status make_weights(example * e, const void ** table, const void ** linear) {
    static float values[TOKENS * WIDTH + WIDTH * WIDTH];
    const size_t table_bytes = sizeof(float) * TOKENS * WIDTH;
    uintptr_t start;
    int i;
    for (i = 0; i < TOKENS * WIDTH + WIDTH * WIDTH; ++i) values[i] = uniform(i < TOKENS * WIDTH ? 1.0f : 0.2f);
    e->weights = malloc(64 + table_bytes + ql_dtype_bytes(QL_NF4_DQ, WIDTH * WIDTH));
    if (!e->weights) return ql_set_error(QL_NO_MEMORY, "no memory for the weights");
    start = ((uintptr_t)e->weights + 63) / 64 * 64;
    *table = (const void *)start;
    *linear = (const void *)(start + table_bytes);
    TRY(ql_encode(QL_F32, values, TOKENS * WIDTH, (void *)start));
    return ql_encode(QL_NF4_DQ, values + TOKENS * WIDTH, WIDTH * WIDTH, (void *)(start + table_bytes));
}

static trained new_trained(ql_graph * g, const char * name, int64_t rows, int64_t columns) {
    const int64_t ne[2] = {rows, columns};
    trained t;
    t.value = ql_param(g, name, 2, ne);
    t.sum = ql_state(g, "gradient sum", QL_F32, 2, ne);
    t.m = ql_state(g, "first moment", QL_F32, 2, ne);
    t.v = ql_state(g, "second moment", QL_F32, 2, ne);
    return t;
}

/* ids -> embeddings x -> norm(x + W x + s B A x) -> loss, and the gradients of A and B added to their sums. */
static ql_status plan_micro_batch(example * e) {
    const int64_t batch[1] = {BATCH}, width[1] = {WIDTH}, square[2] = {WIDTH, WIDTH}, shape[2] = {WIDTH, TOKENS};
    static float gains[WIDTH];
    const void *table_data, *linear_data;
    ql_graph * g = e->graph;
    ql_tensor *table, *linear, *gain, *x, *y, *params[2], *grads[2], *outputs[3];
    int i;
    for (i = 0; i < WIDTH; ++i) gains[i] = 0.5f;
    TRY(make_weights(e, &table_data, &linear_data));
    table = ql_weight(g, "embeddings", QL_F32, 2, shape, table_data);
    linear = ql_weight(g, "linear", QL_NF4_DQ, 2, square, linear_data);
    gain = ql_weight(g, "gain", QL_F32, 1, width, gains);
    e->ids = ql_input(g, "ids", QL_I32, 1, batch);
    e->targets = ql_input(g, "targets", QL_I32, 1, batch);
    e->token_weights = ql_input(g, "token weights", QL_F32, 1, batch);
    e->a = new_trained(g, "lora A", WIDTH, RANK);
    e->b = new_trained(g, "lora B", RANK, WIDTH);

    x = ql_get_rows(g, table, e->ids);
    y = ql_lora(g, ql_mul_mat(g, linear, x), x, e->a.value, e->b.value, 2.0f);
    y = ql_rms_norm(g, ql_add(g, x, y), gain, 1e-5f);
    e->loss = ql_head_loss(g, y, table, e->targets, e->token_weights, NULL);

    params[0] = e->a.value;
    params[1] = e->b.value;
    TRY(ql_gradients(g, e->loss, params, 2, QL_RECOMPUTE_CHEAP, grads));
    outputs[0] = e->loss;
    outputs[1] = ql_accumulate(g, e->a.sum, grads[0]);
    outputs[2] = ql_accumulate(g, e->b.sum, grads[1]);
    return ql_plan_create(g, e->device, outputs, 3, &e->micro_batch);
}

/* Clip by the norm of all gradients, step, and empty the sums for the next step. */
static ql_status plan_optimizer(example * e) {
    const int64_t n_hyper[1] = {QL_HYPER_N};
    ql_graph * g = e->graph;
    ql_tensor *sums[2], *outputs[5];
    sums[0] = e->a.sum;
    sums[1] = e->b.sum;
    e->hyper = ql_input(g, "hyper-parameters", QL_F32, 1, n_hyper);
    e->norm = ql_global_norm(g, sums, 2);
    outputs[0] = e->norm;
    outputs[1] = ql_adamw(g, e->a.value, e->a.sum, e->a.m, e->a.v, e->norm, e->hyper, 1.0f);
    outputs[2] = ql_adamw(g, e->b.value, e->b.sum, e->b.m, e->b.v, e->norm, e->hyper, 1.0f);
    outputs[3] = ql_zero(g, e->a.sum);
    outputs[4] = ql_zero(g, e->b.sum);
    return ql_plan_create(g, e->device, outputs, 5, &e->optimizer);
}

/* One step over all tokens; *loss is their mean. */
static ql_status train_step(example * e, int step, float * loss) {
    float hyper[QL_HYPER_N] = {0};
    int i, t;
    *loss = 0.0f;
    for (i = 0; i < MICRO_BATCHES; ++i) {
        int32_t ids[BATCH], targets[BATCH];
        float weights[BATCH], part;
        for (t = 0; t < BATCH; ++t) {
            ids[t] = i * BATCH + t;
            targets[t] = (11 * ids[t] + 5) % TOKENS;
            weights[t] = 1.0f / TOKENS; /* of the whole step: accumulation then equals one large batch */
        }
        TRY(ql_tensor_write(e->ids, ids, 0, sizeof(ids)));
        TRY(ql_tensor_write(e->targets, targets, 0, sizeof(targets)));
        TRY(ql_tensor_write(e->token_weights, weights, 0, sizeof(weights)));
        TRY(ql_plan_run(e->micro_batch));
        TRY(ql_plan_read(e->micro_batch, e->loss, &part, 0, sizeof(part)));
        *loss += part;
    }
    hyper[QL_HYPER_LR] = 0.01f;
    hyper[QL_HYPER_BETA1] = 0.9f;
    hyper[QL_HYPER_BETA2] = 0.999f;
    hyper[QL_HYPER_EPS] = 1e-8f;
    hyper[QL_HYPER_BIAS1] = 1.0f - (float)pow(0.9, step);
    hyper[QL_HYPER_BIAS2] = 1.0f - (float)pow(0.999, step);
    hyper[QL_HYPER_CLIP] = 1.0f;
    TRY(ql_tensor_write(e->hyper, hyper, 0, sizeof(hyper)));
    return ql_plan_run(e->optimizer);
}

static ql_status train(example * e) {
    ql_plan_info info;
    float loss = 0.0f;
    int step;
    info.size = sizeof(info); /* says which version of the struct this program was compiled with */
    TRY(ql_graph_create(&e->graph));
    TRY(ql_device_open(NULL, &e->device));
    TRY(plan_micro_batch(e));
    TRY(plan_optimizer(e));
    TRY(ql_plan_describe(e->micro_batch, &info));
    printf("a micro-batch: %d kernels, %lu bytes at its peak\n", (int)info.n_nodes, (unsigned long)info.peak_bytes);
    TRY(fill(e->a.value, 0.125f)); /* B stays zero: the branch adds nothing before training */
    for (step = 1; step <= STEPS; ++step) {
        TRY(train_step(e, step, &loss));
        if (step == 1 || step % 50 == 0) printf("step %3d  loss %.4f\n", step, loss);
    }
    if (!(loss < 0.1f)) return ql_set_error(QL_INTERNAL, "the loss did not fall");
    return QL_OK;
}

int main(void) {
    example e = {0};
    const ql_status status = train(&e);
    if (status != QL_OK) fprintf(stderr, "graph: %s\n", ql_error_message());
    ql_plan_free(e.optimizer); /* plans, then their graph, then the device that its parameters live on */
    ql_plan_free(e.micro_batch);
    ql_graph_free(e.graph);
    ql_device_close(e.device);
    free(e.weights);
    return status == QL_OK ? 0 : 1;
}
