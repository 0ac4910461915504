/* ql/train.h - fine-tuning: a trainer takes a model, an adapter and a dataset through optimizer steps.
 *
 * A step is batch * grad_accum sequences of ctx tokens; its loss and gradient are divided by the step's trained tokens,
 * counted ahead, so that accumulation equals the large batch. The same run gives the same bits for any number of threads
 * and across an interruption. A trainer is used by one thread at a time; sessions of other threads on its device take
 * turns with it. */
#ifndef QL_TRAIN_H
#define QL_TRAIN_H

#include "ql/adapter.h"
#include "ql/backend.h"
#include "ql/dataset.h"
#include "ql/grad.h"
#include "ql/model.h"
#include "ql/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_trainer ql_trainer;

/** The learning rate of step t of n, after the warm-up of w steps in which it rises in a line to lr:
 *    constant      lr
 *    linear        falls in a line to lr * lr_floor
 *    cosine        falls along half a cosine to lr * lr_floor               (Loshchilov & Hutter 2017)
 *    wsd           lr, then falls in a line to lr * lr_floor over the last `decay` steps   (Hu et al. 2024, MiniCPM)
 *    inverse_sqrt  lr * sqrt(max(w, 1) / t), not below lr * lr_floor        (Vaswani et al. 2017) */
typedef enum ql_schedule {
    QL_SCHEDULE_CONSTANT = 0,
    QL_SCHEDULE_LINEAR = 1,
    QL_SCHEDULE_COSINE = 2,
    QL_SCHEDULE_WSD = 3,
    QL_SCHEDULE_INVERSE_SQRT = 4
} ql_schedule;

/** Those of bitsandbytes; decay is decoupled in all of them. 8 bits: states of parameters of 4,096 elements or more.
 *  Paged: the bits of the optimizer without "paged"; its states are in a file without a name in ql_train_options.spill,
 *  and in memory only while their parameter is updated. Formulas: ql/optim.h. */
typedef enum ql_optimizer {
    QL_OPTIMIZER_ADAMW = 0,
    QL_OPTIMIZER_ADAMW8BIT = 1,
    QL_OPTIMIZER_PAGED_ADAMW = 2,
    QL_OPTIMIZER_PAGED_ADAMW8BIT = 3,
    QL_OPTIMIZER_LION = 4,
    QL_OPTIMIZER_LION8BIT = 5,
    QL_OPTIMIZER_SGD = 6,
    QL_OPTIMIZER_PAGED_LION = 7,
    QL_OPTIMIZER_PAGED_LION8BIT = 8
} ql_optimizer;

/** How merge-aware training, and the merge that it is for, round a weight to the type of the merge: to the nearest value, or
 *  by thresholds (ql_encode_dithered) where the type has them. A weight that has the type already sits on the values: with
 *  the nearest, it stays there until it has changed by half a step, which small learning rates take long to reach; by
 *  thresholds, a part of the weights moves at once, as many as the mean of the change asks for.
 *    auto      by thresholds, of weights that have the type of the merge already; the others to the nearest
 *    nearest   all to the nearest
 *    dithered  all by thresholds */
typedef enum ql_merge_rounding { QL_MERGE_AUTO = 0, QL_MERGE_NEAREST = 1, QL_MERGE_DITHERED = 2 } ql_merge_rounding;

typedef struct ql_optimizer_info {
    size_t size;
    const char * name;     /* "adamw8bit" */
    double beta1, beta2;   /* the usual ones */
    const char * missing;  /* NULL, or why it cannot be taken, and what to take instead: none is missing now */
    int paged;             /* 1: it needs ql_train_options.spill */
} ql_optimizer_info;
/** errors  QL_INVALID_ARGUMENT: there is no such optimizer; those that there are have the numbers from 0 on */
QL_API ql_status ql_optimizer_describe(ql_optimizer optimizer, ql_optimizer_info * info);

/** What a step reports. */
typedef struct ql_train_progress {
    size_t size;
    int64_t step, n_steps;   /* done, in all */
    double epoch;            /* done, with its fraction */
    double loss;             /* mean per trained token of the step, nats */
    double lr;
    double grad_norm;        /* before clipping */
    int64_t tokens;          /* of the step, without padding */
    int64_t total_tokens;    /* of this run so far */
    double tok_s;            /* of the step */
    double seconds;          /* of this run */
    uint64_t rss_bytes;
    const char * skipped;    /* NULL, or why the step changed nothing ("loss is not finite") */
    int has_eval;            /* 1 if an evaluation was made after this step */
    double eval_loss;
    int64_t eval_tokens;
    int checkpointed;        /* 1 if a checkpoint was written after this step */
    double loss_scale;       /* that the step had; 0: none */
} ql_train_progress;

typedef struct ql_train_options {
    size_t size;             /* set by ql_train_options_init */
    int64_t ctx;             /* tokens of a sequence; 0: min(512, the model's) */
    int64_t batch;           /* sequences of a micro-batch; QL_BATCH_AUTO: the most, up to some 2048 tokens, that `memory`,
                                or without it the memory that the machine has free, takes without more being computed
                                or read again; on_log says which and why, ql_trainer_describe has it, and a run that goes on
                                takes that of its checkpoint */
    int64_t grad_accum;      /* micro-batches of a step; with QL_BATCH_AUTO: sequences of a step; 0: chosen */
    double epochs;           /* times over the data, to the nearest step; 0: chosen. What is chosen follows from the
                                numbers of sequences and trained tokens (docs/hyperparameters.md). on_log says
                                what and why, ql_trainer_describe has it; a run that goes on keeps what it was begun with */
    int64_t steps;           /* > 0: the run ends after this many steps instead */
    double lr;               /* 0: chosen */
    ql_schedule schedule;
    double warmup;           /* below 1: a fraction of the steps; else steps */
    double weight_decay;
    double beta1, beta2;     /* below 0: those usual for the optimizer, ql_optimizer_describe; sgd's momentum is beta1 */
    double eps;
    double clip;             /* largest gradient norm; 0: none */
    double lora_dropout;
    double lora_plus_ratio;  /* learning rate of B divided by that of A; 1: plain LoRA */
    uint64_t seed;
    int shuffle, packing;
    ql_recompute recompute;
    int64_t eval_every;      /* steps between evaluations; 0: at the end of each epoch (with evaluation data) */
    const char * checkpoint_dir; /* NULL: no checkpoints */
    int64_t save_every;      /* steps; 0: at the end of each epoch alone */
    int64_t keep;            /* checkpoints kept, >= 1 */
    const char * resume;     /* NULL: a new run (the directory must hold no checkpoint); "auto": the newest there, if
                                any; else a directory to go on from (if not checkpoint_dir, that must hold none), or a
                                checkpoint: of checkpoint_dir, those of later steps go when the first step begins. A run
                                that has ended may go on for more epochs or steps: a schedule that depends on the end
                                starts again, warm-up included, over the added steps; constant and inverse_sqrt go on.
                                The optimizer's states are kept */
    const char * best_path;  /* NULL, or the file for the adapter with the lowest evaluation loss; if it is gone when
                                a run goes on, on_log says so, and the best of the steps from then on is kept */
    const char * metrics_path; /* NULL, or a JSONL file: a new one, an empty one, or that of the resumed run, which is
                                cut back to the step it goes on after; locked while the trainer lives */
    /** Called after every step; returning non-zero stops the run, a checkpoint is written first. */
    int (*on_progress)(void * user, const ql_train_progress * progress);
    /** One line for a person; NULL: none. */
    void (*on_log)(void * user, const char * line);
    /** Asked between micro-batches; non-zero stops the run after saving. */
    int (*cancelled)(void * user);
    void * user;
    int overwrite;           /* QL_OVERWRITE_ALL: checkpoints of an earlier run in checkpoint_dir, and any content of
                                metrics_path, go when the first step begins; QL_OVERWRITE_FINISHED: checkpoints do, where
                                that run has ended; else they are an error of ql_trainer_create */
    int64_t merge_type;      /* QL_MERGE_NONE, or a ql_dtype: the forward pass uses base + s B A rounded to this type, so
                                that ql_adapter_merge into it gives the trained model bit for bit; the gradient of A and
                                B goes straight through the rounding. A second packed copy of each trained linear.
                                QL_BASE_KEEP: each linear into the type that it has, as in a mix such as q4_K_M */
    double neftune_alpha;    /* > 0: noise uniform in +-alpha / sqrt(L n_embd) on the embeddings of a sample of L tokens,
                                in training alone; it follows from seed and step       (NEFTune, Jain et al. 2023) */
    uint64_t memory;         /* bytes that the process may take in training, program and data included; 0: no limit. Below
                                what is needed, weights are read from the model's file again when they are needed,
                                layers are computed again, and micro-batches go through a layer side by side. No bit of
                                the result changes; it may be another one when a run goes on */
    const char * spill;      /* NULL, or a folder: with `memory`, the inputs of layers that are computed again may wait there, in
                                a file without a name, for the backward pass; the states of a paged optimizer are there */
    ql_optimizer optimizer;
    double lr_floor;         /* part of lr at which the schedule ends, 0 to 1 */
    double decay;            /* of QL_SCHEDULE_WSD; below 1: a fraction of the steps; else steps */
    int64_t early_stop;      /* > 0: the run ends after so many evaluations in a row without a lower loss than the best; it
                                goes on from its checkpoint with more of them, or 0, as it would have from the start */
    /** Called after every micro-batch, those of evaluations too: `done` of `n` of the step or the evaluation. */
    void (*on_batch)(void * user, int evaluates, int64_t done, int64_t n);
    double loss_scale;       /* 0: none; else a power of two from 1 to 2^24: the scale of the first step, for products that
                                round to f16, in which small gradients are 0 without. The loss, and so each gradient, is
                                multiplied by the scale, and a gradient is divided by it before it is added to the others
                                of its step: norm, clipping and optimizer see what they see without. A step whose gradient
                                is not finite changes nothing, and halves the scale; loss_scale_steps good ones in a row
                                double it. It is in the checkpoint. Without f16 no bit changes where
                                nothing under- or overflows. (torch.amp.GradScaler) */
    int64_t loss_scale_steps; /* >= 1 */
    ql_merge_rounding merge_rounding; /* with merge_type */
} ql_train_options;
enum { QL_MERGE_NONE = -3, QL_BATCH_AUTO = 0 }; /* -1 is QL_BASE_KEEP */
enum { QL_OVERWRITE_NOTHING = 0, QL_OVERWRITE_ALL = 1, QL_OVERWRITE_FINISHED = 2 };

QL_API void ql_train_options_init(ql_train_options * options);

typedef struct ql_eva_options {
    size_t size;             /* set by ql_eva_options_init */
    int64_t ctx, batch;      /* as in ql_train_options, as are seed, shuffle and packing */
    int64_t n_batches;       /* micro-batches that are looked at: the first ones of training */
    int64_t rounds;          /* passes over them: each makes the directions sharper */
    uint64_t seed;
    int shuffle, packing;
} ql_eva_options;
/** Defaults: those of training; 4 batches, 3 rounds. */
QL_API void ql_eva_options_init(ql_eva_options * options);
/** Gives a new adapter a start that follows the data: A holds, as orthonormal rows, the directions in which the input of
 *  its linear varies most (the largest singular vectors of the centred inputs, by subspace iteration); B stays zero.
 *  Linears that share an input share the work.                                                   (Paischer et al. 2024)
 *  options  NULL takes the defaults
 *  errors   QL_INVALID_ARGUMENT (a number out of range; a dataset of another model; fewer tokens than the rank),
 *           QL_BAD_FILE (the adapter does not fit the model), QL_NON_FINITE, QL_NO_MEMORY */
QL_API ql_status ql_adapter_start_eva(ql_adapter * adapter, const ql_model * model, ql_device * device,
                                      const ql_dataset * data, const ql_eva_options * options);

/** Plans a training run; nothing runs yet. Model, device, datasets must outlive the trainer. Training starts from what
 *  `adapter` holds at the first run or evaluation, and ends in it. `eval` may be NULL. The caller owns *trainer.
 *  errors  QL_INVALID_ARGUMENT (an option, its value and its limits; a dataset that was opened for another model, that
 *          has a sample of more than ctx tokens, or none that is trained; a paged optimizer without spill), QL_BAD_FILE (the
 *          adapter does not fit the model), QL_NO_MEMORY, everything that planning can say */
QL_API ql_status ql_trainer_create(const ql_model * model, ql_device * device, ql_adapter * adapter,
                                   const ql_dataset * data, const ql_dataset * eval, const ql_train_options * options,
                                   ql_trainer ** trainer);
QL_API void ql_trainer_free(ql_trainer * trainer);

typedef struct ql_trainer_info {
    size_t size;
    int64_t n_steps, steps_per_epoch, n_sequences, n_tokens, n_trained; /* sequences and tokens of an epoch */
    int64_t n_parameters;
    uint64_t planned_peak_bytes; /* of the process: weights, adapter, optimizer, activations, and the program itself */
    uint64_t program_bytes;      /* of these, what is held besides the plan: code, tokenizer, data */
    uint64_t arena_bytes, leaf_bytes, weight_bytes; /* activations; adapter, optimizer, inputs; weights */
    double flops_per_step;
    int64_t first_step;        /* > 0 when resumed */
    const char * resumed_from; /* "" for a new run */
    uint64_t page_bytes;          /* of planned_peak_bytes: room for what is read and dropped */
    uint64_t read_bytes_per_step; /* of weights, from their file: 0 where all are in memory */
    int64_t lanes;                /* micro-batches that go through a layer side by side */
    uint64_t spill_bytes;         /* of results that wait on disk */
    int64_t recomputed_layers;    /* whose results are computed again in the backward pass */
    uint64_t optimizer_bytes;  /* of leaf_bytes, the optimizer's states */
    uint64_t optimizer_paged_bytes; /* its states on disk, which a step reads and writes once */
    uint64_t adapter_paged_bytes;   /* parameters and gradient sums on disk: with a paged optimizer, where `memory` is too
                                       small for them; micro-batches read and write them, too */
    int64_t batch, grad_accum;      /* as in ql_train_options, or as they were chosen */
    double epochs, lr;              /* the same */
    int64_t schedule_start;         /* > 0: the schedule began after this step: a run that had ended goes on */
    int64_t groups;                 /* of micro-batches in a step, one after the other: each reads the weights again */
    uint64_t spill_read_bytes_per_step, spill_written_bytes_per_step; /* of results that wait on disk */
} ql_trainer_info;
QL_API ql_status ql_trainer_describe(const ql_trainer * trainer, ql_trainer_info * info);

/** The compiled parts of a step. */
typedef enum ql_train_plan { QL_TRAIN_PLAN_MICRO_BATCH = 0, QL_TRAIN_PLAN_UPDATE = 1 } ql_train_plan;
/** One of a trainer's plans, for profiles (ql_plan_set_profiling, ql_plan_node). The trainer owns it.
 *  returns  NULL if trainer is NULL or `which` is neither of the two */
QL_API ql_plan * ql_trainer_plan(ql_trainer * trainer, ql_train_plan which);

/** Mean loss per trained token over the evaluation data with the parameters as they are now.
 *  errors  QL_INVALID_ARGUMENT without evaluation data; QL_NON_FINITE if the loss is not finite; QL_CANCELLED */
QL_API ql_status ql_trainer_evaluate(ql_trainer * trainer, double * loss, int64_t * tokens);

/** Gives the trainer's adapter the parameters as they are now, as at the end of ql_trainer_run; the run's own state stays as
 *  it is. Allowed in on_progress: the adapter can then be saved, or a session made with it, while the run goes on.
 *  errors  QL_INVALID_ARGUMENT: trainer is NULL; QL_IO: parameters that lie on disk */
QL_API ql_status ql_trainer_read_adapter(ql_trainer * trainer);

/** Deletes the checkpoints of a run that has ended, and their folder if nothing else is in it. The adapter should be saved
 *  by then.        errors  QL_INVALID_ARGUMENT: the run has not ended; QL_IO */
QL_API ql_status ql_trainer_remove_checkpoints(ql_trainer * trainer);

/** Trains to the end. The adapter then holds the parameters, also on QL_CANCELLED, and a checkpoint was written then.
 *  errors  QL_CANCELLED; QL_NON_FINITE if the run has diverged: ten steps in a row without a finite gradient, or with one
 *          of exactly 0 where there is a loss, or fewer at the very end (names the last good checkpoint; a state that
 *          cannot learn is never saved over it); QL_IO ... */
QL_API ql_status ql_trainer_run(ql_trainer * trainer);

typedef struct ql_train_summary {
    size_t size;
    int64_t steps, tokens;     /* done by this trainer: of a run that was resumed, from first_step on, as all figures here */
    double seconds, tok_s;
    double loss_first, loss_last; /* of its first and last step; NaN if it made none */
    int64_t skipped;
    const char * checkpoint;   /* the newest, "" if none */
} ql_train_summary;
QL_API ql_status ql_trainer_summary(const ql_trainer * trainer, ql_train_summary * summary);

#ifdef __cplusplus
}
#endif
#endif
