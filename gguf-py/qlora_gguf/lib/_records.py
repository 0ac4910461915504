"""What the library reports, and the options that it takes, by name.

Written by make_capi.py from the C headers: do not edit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict


@dataclass(frozen=True)
class BackendInfo:
    """ql_backend_info of the C headers."""
    name: str  # "cpu"; "" for one that was refused
    path: str  # of its shared object; "" for one that is built in
    refused: str  # "", or why it is not used: "cannot be opened: ...", "was built for another version"
    devices: int  # that it can open; 0 for one that was refused. The first call may start a driver
    trouble: str  # "", or why there are no devices: "no driver: ..."


@dataclass(frozen=True)
class FoundDevice:
    """ql_found_device of the C headers."""
    chip: str  # the maker's name; "" where unknown
    memory: int  # bytes of the memory that it computes in; 0: unknown


class DeviceOptions(TypedDict, total=False):
    """ql_device_options of the C headers."""
    # "auto", "cpu"; "cuda:0" ... where such a backend is installed; "cuda:0,cuda:1,cpu": several, over which a plan
    # shares out a model's layers
    name: str
    threads: int  # CPU threads; 0: the physical cores, or $QL_THREADS
    compute: Literal["auto", "f32", "bf16", "int8", "int16"]  # how products are computed


@dataclass(frozen=True)
class DeviceInfo:
    """ql_device_info of the C headers."""
    backend: str  # "cpu"; for several devices their names: the rest then describes the first
    isa: str  # what the kernels are made for: "scalar", "baseline", "avx2", "avx512", ...
    product: str  # the path of quantised products: "f32", "int8", "int16", "avx512_bf16", ...
    chip: str  # the processor's own name
    threads: int  # that share a kernel
    bf16: bool  # 1 if products round their operands to bf16
    host_memory: bool  # 1 if it reads host memory: weights are used where they are
    copy_queue: bool  # 1 if copies run beside kernels


class LoraOptions(TypedDict, total=False):
    """ql_lora_options of the C headers."""
    r: int  # rank, at least 1 and at most the smaller side of the largest target
    alpha: float  # s = alpha / r; greater than 0
    rslora: bool  # 1: s = alpha / sqrt(r) instead (Kalajdzievski 2023)
    # "all" | "attn" | "mlp" | a regular expression (PCRE2) that is searched for in weight names such as
    # "blk.7.attn_q.weight"; embedding and head are never targets. None: "all"
    targets: str
    seed: int  # of A's values
    # what is trained: "lora": A and B; "miss": B alone, A adds up tiles of x, and s is 1 (Kang & Yin 2024); "dora": A,
    # B and a magnitude for each row of the weight (Liu et al. 2024). None: "lora"
    kind: str
    norms: bool  # 1: all norms are trained, too, as a whole
    layers: str  # "0-9,20,-1": numbers and ranges of layers, -1 is the last one; None or "": all
    # "REGEX=R,...", as "attn_q=32,blk\.0\.=4": the first that is found in a weight's name gives its rank instead of r
    # (PEFT's rank_pattern); None or "": none
    rank_pattern: str
    alpha_pattern: str  # the same of alpha; s = alpha / r of the weight's own r. A "miss" takes neither this nor rslora
    # how the values start; None: "default" (ql_lora_init lists them): "default" A uniform in +-1/sqrt(k), B zero
    # "gaussian" A normal with deviation 1/r, B zero "orthogonal" B A = 0 though neither is zero; even ranks "pissa" the
    # r largest singular vectors of the weight (Meng, Wang, Zhang 2024) "loftq" those of W - deq(Q(W)); the model must
    # have been opened from unquantised weights, which are read again (Li et al. 2023)
    init: str
    threads: int  # that dora, pissa and loftq work with; 0: one for each core
    # "<|tool|>,</tool>,128011": tokens, by id or by what they write, whose rows of the embedding, and of a head that is
    # not tied to it, are trained too, as a whole; None or "": none
    tokens: str
    # "<|im_start|>assistant\n": the adapter acts from the last occurrence of this text's tokens in a sequence on, and
    # not before it: what comes before has the keys and values of the base (activated LoRA). None or "": everywhere
    # (Greenewald et al. 2025)
    invocation: str


@dataclass(frozen=True)
class LoraInitInfo:
    """ql_lora_init_info of the C headers."""
    name: str  # strings are the library's
    meaning: str  # in a line


@dataclass(frozen=True)
class AdapterInfo:
    """ql_adapter_info of the C headers."""
    name: str  # strings are owned by the adapter, "" where unknown
    base_name: str  # of the model that the adapter was made for
    n_parameters: int  # that training changes
    n_matrices: int  # linears that the adapter changes
    r_min: int  # smallest and largest rank; 0 without matrices
    r_max: int  # smallest and largest rank; 0 without matrices
    architecture: str  # of the base: "llama"
    base_identity: str  # of ql_model_info: the model that it was trained on, in whatever quantisation
    base_file_hash: str  # of ql_model_info: the very file
    base_type: str  # of the weights that it was trained over: "nf4_dq"
    init: str  # how A began: "uniform"
    seed: str  # of A's first values, decimal
    options: str  # of the new adapter: "kind=lora;r=16;alpha=32;rslora=0;norms=0;targets=all;..."
    composed: str  # "cat: a x 0.7 + b x 0.3", "resize, rank 8: a"
    n_runs: int  # runs of training that it went through; of a composed one those of its parts
    kind: str  # ql_lora_options'
    n_norms: int  # norms that the adapter replaces
    # "q4_0", or "keep": trained for this merge (ql_train_options), which gives what was trained bit for bit; "" for
    # none
    merge_type: str
    n_row_weights: int  # weights of which it replaces rows: 0 to 2 (ql_adapter_rows)
    n_invocation: int  # tokens of its invocation, from which on it acts; 0: everywhere
    merge_rounding: str  # of that merge: "" to the nearest value, "dithered" or "all dithered" (ql_merge_rounding)
    # "", or over which base it was taken though it was trained on another one (ql_adapter_open_any_base): it stays with
    # what is made of the adapter
    other_base: str


@dataclass(frozen=True)
class AdapterRowsInfo:
    """ql_adapter_rows_info of the C headers."""
    weight: str  # "token_embd.weight", the head too where that is tied to it, or "output.weight"
    n_rows: int  # rows, and values of a row
    n: int  # rows, and values of a row


@dataclass(frozen=True)
class AdapterRunInfo:
    """ql_adapter_run_info of the C headers."""
    data: str  # a hash of the samples' tokens; strings are owned by the adapter, "" where unknown
    options: str  # "ctx=512;batch=1;grad-accum=8;...;lr=0.0002;..."
    library: str  # ql_version() of the library that trained
    steps: int
    tokens: int
    loss_first: float  # of a step, nats per trained token; NaN where unknown
    loss_last: float  # of a step, nats per trained token; NaN where unknown
    eval_best: float  # the lowest evaluation loss, where a best adapter was kept; else NaN


@dataclass(frozen=True)
class AdapterMatrixInfo:
    """ql_adapter_matrix_info of the C headers."""
    weight: str  # "blk.0.attn_q.weight"; owned by the adapter
    k: int
    m: int
    r: int
    scale: float  # s
    norm: float  # Frobenius norm of s B A: 0 where the branch changes nothing
    state: Literal["trained", "zero_b", "zero_a", "zero_scale", "start_a"]


@dataclass(frozen=True)
class LlamaCppInfo:
    """ql_llama_cpp_info of the C headers."""
    use: Literal["applied", "ignored", "refused"]
    why: str  # in a line; "" where it is applied. Strings are the library's
    version: str  # of llama.cpp that this was read in


class ComposeOptions(TypedDict, total=False):
    """ql_compose_options of the C headers."""
    # "cat": the sum of w s B A, exactly; ranks add up. "svd": the same at a rank. "linear", "ties", "ties_svd",
    # "dare_linear", "dare_ties", "magnitude_prune" ...: as in PEFT (ql_compose_method)
    method: str
    rank: int  # of the methods that end in svd; 0: the largest of the adapters'
    density: float  # of the methods that drop values: the fraction that is kept, above 0 and at most 1
    seed: int  # of those that drop at random
    threads: int  # 0: the physical cores, or $QL_THREADS. The result does not depend on it


@dataclass(frozen=True)
class ComposeMethodInfo:
    """ql_compose_method_info of the C headers."""
    name: str  # strings are the library's
    meaning: str  # in a line
    takes_rank: bool
    takes_density: bool


@dataclass(frozen=True)
class AdapterChange:
    """ql_adapter_change of the C headers."""
    weight: str
    k: int
    m: int
    r_from: int  # rank before and now; 0: no branch
    r: int  # rank before and now; 0: no branch
    norm: float  # Frobenius norms: of D, and of what the new adapter lacks of it
    error: float  # Frobenius norms: of D, and of what the new adapter lacks of it
    note: str  # "" or why D is not in the adapter
    index: int  # of the weights that were looked at
    n: int  # of the weights that were looked at


class ExtractOptions(TypedDict, total=False):
    """ql_extract_options of the C headers."""
    rank: int  # at least 1 and at most the smaller side of the largest linear
    threads: int  # 0: the physical cores, or $QL_THREADS. The result does not depend on it


class ResizeOptions(TypedDict, total=False):
    """ql_resize_options of the C headers."""
    rank: int  # at most; 0: each matrix's own
    energy: float  # below 1: of each matrix the smallest rank that keeps this part of |D|^2
    threads: int  # 0: the physical cores, or $QL_THREADS. The result does not depend on it


class PruneOptions(TypedDict, total=False):
    """ql_prune_options of the C headers."""
    drop: str  # a regular expression (PCRE2) searched for in weight names; None: none
    least_norm: float  # linears whose |s B A| is smaller go
    energy: float  # below 1: the smallest go, as long as the others keep this part of the sum of all |s B A|^2


class ToLoraOptions(TypedDict, total=False):
    """ql_to_lora_options of the C headers."""
    rank: int  # of a DoRA's matrices, at most; 0: each matrix's own
    threads: int  # 0: the physical cores, or $QL_THREADS. The result does not depend on it


class ChatOptions(TypedDict, total=False):
    """ql_chat_options of the C headers."""
    chat_template: str  # Jinja text; None: the model's own
    date: str  # what the template is told, YYYY-MM-DD; None: the day of the call, where this machine is
    # values that the template reads by name, a JSON object such as {"enable_thinking": false}; None and "": none
    chat_template_kwargs: str


class DatasetOptions(TypedDict, total=False):
    """ql_dataset_options of the C headers."""
    ctx: int  # longest sample in tokens; 0: min(512, the model's)
    # what happens to longer ones; cut: the first ctx tokens stay, so a cut answer has no end token, and a sample whose
    # answers are all cut off is dropped
    long_policy: Literal["cut", "drop", "error"]
    skip_bad_lines: bool  # 1: bad lines are skipped and counted; 0: they are an error
    chat_template: str  # Jinja text, see ql/chat.h; None: the model's own
    # what the template is told, YYYY-MM-DD; None: QL_TRAINING_DATE. A run must give the same tokens on any day, so the
    # date is never taken from a clock
    date: str
    train_on: int  # of ql_train_on; 0: QL_TRAIN_ANSWERS. A sample in which nothing of it is found is a bad one
    # "question=ask,answer=reply": the names that fields have in the data; one with a comma in quotes (a quote is
    # doubled): text="Body, in full"; "_=id" leaves id out; None: none
    columns: str
    chat_template_kwargs: str  # values that the template reads by name, as in ql_chat_options


@dataclass(frozen=True)
class DatasetInfo:
    """ql_dataset_info of the C headers."""
    n_samples: int  # trained: tokens that carry loss
    n_tokens: int  # trained: tokens that carry loss
    n_trained: int  # trained: tokens that carry loss
    longest: int  # tokens, before cutting
    n_cut: int  # samples cut, dropped as too long or without labels, lines skipped
    n_dropped: int  # samples cut, dropped as too long or without labels, lines skipped
    n_bad: int  # samples cut, dropped as too long or without labels, lines skipped
    n_ended: int  # samples with a trained end token; if 0, a model never learns to stop
    date: str  # what the chat template was told, "" where it asks for no date. Owned by the dataset
    n_files: int  # that were read
    # samples of prompt and completion, which are raw, where there is a chat template that a chat would use
    n_untemplated: int


@dataclass(frozen=True)
class InferenceInfo:
    """ql_inference_info of the C headers."""
    planned_peak_bytes: int  # of the process: all that follows, but workspace_bytes and read_bytes_per_pass
    weight_bytes: int  # of the model, in memory
    page_bytes: int  # room for weights that are read and dropped
    adapter_bytes: int  # of adapters, as they are applied
    cache_bytes: int  # keys and values
    activation_bytes: int  # results of the layers, logits, workspace
    workspace_bytes: int  # of these, the most that one kernel needs while it runs
    input_bytes: int
    program_bytes: int  # code, tokenizer, texts, the plans themselves
    read_bytes_per_pass: int  # of weights, from their file, whatever the lanes; 0: all are in memory
    lanes: int  # windows of an evaluation that go through a layer side by side; else 1
    pass_tokens: int  # the most that go through the model in one pass, of one lane
    sequences: int  # whose keys and values have room at the same time; 0 of an evaluation


class SessionOptions(TypedDict, total=False):
    """ql_session_options of the C headers."""
    ctx: int  # tokens that the cache holds; 0: min(2048, the model's)
    cache_type: str | int  # of keys and values: QL_F16, or QL_F32, which is exact and twice as large
    memory: int  # as in ql_engine_options: bytes that the process may take; 0: no limit


class Sampling(TypedDict, total=False):
    """ql_sampling of the C headers."""
    temperature: float  # 0: the most probable token
    top_k: int  # 0: all
    top_p: float  # 1 and 0: off
    min_p: float  # 1 and 0: off
    repeat_penalty: float  # 1: off; over the last 64 tokens
    seed: int


@dataclass(frozen=True)
class Generated:
    """ql_generated of the C headers."""
    token: int
    logprob: float
    piece: str  # UTF-8 that became complete with this token; may be empty
    n_top: int


class GenerateOptions(TypedDict, total=False):
    """ql_generate_options of the C headers."""
    n_predict: int  # most tokens to generate; < 0: until the end or a full context
    n_top: int  # entries of ql_generated::top, 0 to 100


@dataclass(frozen=True)
class GenerateResult:
    """ql_generate_result of the C headers."""
    text: str  # the whole text; owned by the session until the next call
    n_prompt: int
    n_generated: int
    prompt_seconds: float
    generation_seconds: float
    ended: bool  # 1: the model ended its turn; 0: n_predict, a full context or the callback


@dataclass(frozen=True)
class Nll:
    """ql_nll of the C headers."""
    nll: float  # mean per predicted token, nats; exp of it
    ppl: float  # mean per predicted token, nats; exp of it
    tokens: int  # predictions
    seconds: float


@dataclass(frozen=True)
class Evaluated:
    """ql_evaluated of the C headers."""
    done: int  # windows of the text, or packed sequences of the dataset
    n: int  # windows of the text, or packed sequences of the dataset
    tokens: int  # predictions so far
    nll: float  # their mean


class EvaluateOptions(TypedDict, total=False):
    """ql_evaluate_options of the C headers."""
    ctx: int  # tokens of a window, 2 to the model's; 0: min(512, the model's)
    stride: int  # of a text: by how many tokens windows advance, 0 to ctx; 0: ctx
    # bytes that the process may take; 0: no limit. As in ql_engine_options, and as many windows as fit share a pass. No
    # bit of the result changes
    memory: int
    count: Literal["each", "llama_cpp"]  # of a text: which tokens; QL_COUNT_LLAMA_CPP without a stride


@dataclass(frozen=True)
class Choices:
    """ql_choices of the C headers."""
    questions: int
    right: int  # questions whose right choice has the smallest sum of NLL over its tokens
    right_by_length: int  # the smallest sum divided by the choice's length in bytes
    nll: float  # mean over the tokens of the right choices, nats
    tokens: int  # of the right choices
    seconds: float


class ModelOptions(TypedDict, total=False):
    """ql_model_options of the C headers."""
    base_type: str | int  # of the block matrices: a ql_dtype, QL_BASE_KEEP or QL_BASE_AUTO
    # of embedding and head: a ql_dtype, QL_BASE_KEEP, or QL_BASE_AUTO: where they have more than 8 bits and base_type
    # converts, base_type if that has 16 or more, else q8_0
    embedding_type: str | int
    # 1: scales of converted blocks by least squared error (ql_encode_search), where the type has that: q4_0, nf4,
    # nf4_dq; 0: by the largest weight
    search: int
    # None, or a folder: converted weights are kept there, in a file without a name that is gone with the model, instead
    # of in memory; a plan with a budget then pages them
    spill: str | None


@dataclass(frozen=True)
class ModelInfo:
    """ql_model_info of the C headers."""
    name: str  # strings are owned by the model
    architecture: str
    base_type: str  # of most block matrices
    n_layer: int
    n_embd: int
    n_head: int  # of the first layer; a GGUF file may give each layer its own
    n_head_kv: int  # of the first layer; a GGUF file may give each layer its own
    n_ff: int  # of the first layer; a GGUF file may give each layer its own
    n_vocab: int
    n_ctx: int
    n_parameters: int
    weight_bytes: int
    identity: str  # a hash that all quantisations of a model share: of norms and shapes, 16 hex digits
    file_hash: str  # a hash of the weights as they are stored: of this quantisation


@dataclass(frozen=True)
class QuantizedTensor:
    """ql_quantized_tensor of the C headers."""
    name: str
    from_: str  # type names
    to: str  # type names
    bytes_from: int
    bytes_to: int
    rel_rmse: float  # norm of the error over norm of the weights; 0 where nothing changed
    note: str  # "" or why it is not the requested type
    index: int  # of the file's tensors
    n: int  # of the file's tensors
    # where an adapter was merged: <m - q, d> / <d, d>, the part of its change d that is in merged weights m; q: without
    # it, in the new type. Of many millions 4 are looked at. NaN elsewhere
    kept: float
    part: int  # which of the files of a split model it is in, from 0


class QuantizeOptions(TypedDict, total=False):
    """ql_quantize_options of the C headers."""
    type: str | int  # of block matrices, a ql_dtype; -1 (QL_BASE_KEEP): their own
    # a ql_dtype; -1 (QL_BASE_KEEP): its own; -2 (QL_BASE_AUTO): kept where it has at most 8 bits, else `type` where
    # that has 16 or more, else q8_0
    embedding_type: str | int
    threads: int  # 0: the physical cores, or $QL_THREADS. The file does not depend on it
    # 1: scales of blocks by least squared error (ql_encode_search) where a matrix's new type has that: q4_0, nf4,
    # nf4_dq, of which `type` is to be one; 0: by the largest weight
    search: int
    # a mix of types by its name, "q4_K_M" (ql_quantize_recipe_at), which takes the place of `type`; None: none. With
    # QL_BASE_AUTO the head becomes q6_K, the embedding the mix's type
    recipe: str
    # most bytes of tensors in a file: OUT.gguf becomes OUT-00001-of-0000N.gguf and so on, which ql_gguf_open reads by
    # the first; 0: one file. All of them appear, or none
    split_bytes: int


@dataclass(frozen=True)
class OptimizerInfo:
    """ql_optimizer_info of the C headers."""
    name: str  # "adamw8bit"
    beta1: float  # the usual ones
    beta2: float  # the usual ones
    missing: str | None  # None, or why it cannot be taken, and what to take instead: none is missing now
    paged: bool  # 1: it needs ql_train_options.spill


@dataclass(frozen=True)
class TrainProgress:
    """ql_train_progress of the C headers."""
    step: int  # done, in all
    n_steps: int  # done, in all
    epoch: float  # done, with its fraction
    loss: float  # mean per trained token of the step, nats
    lr: float
    grad_norm: float  # before clipping
    tokens: int  # of the step, without padding
    total_tokens: int  # of this run so far
    tok_s: float  # of the step
    seconds: float  # of this run
    rss_bytes: int
    skipped: str | None  # None, or why the step changed nothing ("loss is not finite")
    has_eval: bool  # 1 if an evaluation was made after this step
    eval_loss: float
    eval_tokens: int
    checkpointed: bool  # 1 if a checkpoint was written after this step
    loss_scale: float  # that the step had; 0: none


class TrainOptions(TypedDict, total=False):
    """ql_train_options of the C headers."""
    ctx: int  # tokens of a sequence; 0: min(512, the model's)
    # sequences of a micro-batch; QL_BATCH_AUTO: the most, up to some 2048 tokens, that `memory`, or without it the
    # memory that the machine has free, takes without more being computed or read again; on_log says which and why,
    # ql_trainer_describe has it, and a run that goes on takes that of its checkpoint
    batch: int
    grad_accum: int  # micro-batches of a step; with QL_BATCH_AUTO: sequences of a step; 0: chosen
    # times over the data, to the nearest step; 0: chosen. What is chosen follows from the numbers of sequences and
    # trained tokens (docs/hyperparameters.md). on_log says what and why, ql_trainer_describe has it; a run that goes on
    # keeps what it was begun with
    epochs: float
    steps: int  # > 0: the run ends after this many steps instead
    lr: float  # 0: chosen
    schedule: Literal["constant", "linear", "cosine", "wsd", "inverse_sqrt"]
    warmup: float  # below 1: a fraction of the steps; else steps
    weight_decay: float
    beta1: float  # below 0: those usual for the optimizer, ql_optimizer_describe; sgd's momentum is beta1
    beta2: float  # below 0: those usual for the optimizer, ql_optimizer_describe; sgd's momentum is beta1
    eps: float
    clip: float  # largest gradient norm; 0: none
    lora_dropout: float
    lora_plus_ratio: float  # learning rate of B divided by that of A; 1: plain LoRA
    seed: int
    shuffle: bool
    packing: bool
    recompute: Literal["none", "cheap", "all"]
    eval_every: int  # steps between evaluations; 0: at the end of each epoch (with evaluation data)
    checkpoint_dir: str | None  # None: no checkpoints
    save_every: int  # steps; 0: at the end of each epoch alone
    keep: int  # checkpoints kept, >= 1
    # None: a new run (the directory must hold no checkpoint); "auto": the newest there, if any; else a directory to go
    # on from (if not checkpoint_dir, that must hold none), or a checkpoint: of checkpoint_dir, those of later steps go
    # when the first step begins. A run that has ended may go on for more epochs or steps: a schedule that depends on
    # the end starts again, warm-up included, over the added steps; constant and inverse_sqrt go on. The optimizer's
    # states are kept
    resume: str | None
    # None, or the file for the adapter with the lowest evaluation loss; if it is gone when a run goes on, on_log says
    # so, and the best of the steps from then on is kept
    best_path: str | None
    # None, or a JSONL file: a new one, an empty one, or that of the resumed run, which is cut back to the step it goes
    # on after; locked while the trainer lives
    metrics_path: str | None
    # QL_OVERWRITE_ALL: checkpoints of an earlier run in checkpoint_dir, and any content of metrics_path, go when the
    # first step begins; QL_OVERWRITE_FINISHED: checkpoints do, where that run has ended; else they are an error of
    # ql_trainer_create
    overwrite: int
    # QL_MERGE_NONE, or a ql_dtype: the forward pass uses base + s B A rounded to this type, so that ql_adapter_merge
    # into it gives the trained model bit for bit; the gradient of A and B goes straight through the rounding. A second
    # packed copy of each trained linear. QL_BASE_KEEP: each linear into the type that it has, as in a mix such as
    # q4_K_M
    merge_type: str | int
    # > 0: noise uniform in +-alpha / sqrt(L n_embd) on the embeddings of a sample of L tokens, in training alone; it
    # follows from seed and step (NEFTune, Jain et al. 2023)
    neftune_alpha: float
    # bytes that the process may take in training, program and data included; 0: no limit. Below what is needed, weights
    # are read from the model's file again when they are needed, layers are computed again, and micro-batches go through
    # a layer side by side. No bit of the result changes; it may be another one when a run goes on
    memory: int
    # None, or a folder: with `memory`, the inputs of layers that are computed again may wait there, in a file without a
    # name, for the backward pass; the states of a paged optimizer are there
    spill: str | None
    optimizer: Literal["adamw", "adamw8bit", "paged_adamw", "paged_adamw8bit", "lion", "lion8bit", "sgd", "paged_lion", "paged_lion8bit"]
    lr_floor: float  # part of lr at which the schedule ends, 0 to 1
    decay: float  # of QL_SCHEDULE_WSD; below 1: a fraction of the steps; else steps
    # > 0: the run ends after so many evaluations in a row without a lower loss than the best; it goes on from its
    # checkpoint with more of them, or 0, as it would have from the start
    early_stop: int
    # 0: none; else a power of two from 1 to 2^24: the scale of the first step, for products that round to f16, in which
    # small gradients are 0 without. The loss, and so each gradient, is multiplied by the scale, and a gradient is
    # divided by it before it is added to the others of its step: norm, clipping and optimizer see what they see
    # without. A step whose gradient is not finite changes nothing, and halves the scale; loss_scale_steps good ones in
    # a row double it. It is in the checkpoint. Without f16 no bit changes where nothing under- or overflows.
    # (torch.amp.GradScaler)
    loss_scale: float
    loss_scale_steps: int  # >= 1
    merge_rounding: Literal["auto", "nearest", "dithered"]  # with merge_type


class EvaOptions(TypedDict, total=False):
    """ql_eva_options of the C headers."""
    ctx: int  # as in ql_train_options, as are seed, shuffle and packing
    batch: int  # as in ql_train_options, as are seed, shuffle and packing
    n_batches: int  # micro-batches that are looked at: the first ones of training
    rounds: int  # passes over them: each makes the directions sharper
    seed: int
    shuffle: int
    packing: int


@dataclass(frozen=True)
class TrainerInfo:
    """ql_trainer_info of the C headers."""
    n_steps: int  # sequences and tokens of an epoch
    steps_per_epoch: int  # sequences and tokens of an epoch
    n_sequences: int  # sequences and tokens of an epoch
    n_tokens: int  # sequences and tokens of an epoch
    n_trained: int  # sequences and tokens of an epoch
    n_parameters: int
    planned_peak_bytes: int  # of the process: weights, adapter, optimizer, activations, and the program itself
    program_bytes: int  # of these, what is held besides the plan: code, tokenizer, data
    arena_bytes: int  # activations; adapter, optimizer, inputs; weights
    leaf_bytes: int  # activations; adapter, optimizer, inputs; weights
    weight_bytes: int  # activations; adapter, optimizer, inputs; weights
    flops_per_step: float
    first_step: int  # > 0 when resumed
    resumed_from: str  # "" for a new run
    page_bytes: int  # of planned_peak_bytes: room for what is read and dropped
    read_bytes_per_step: int  # of weights, from their file: 0 where all are in memory
    lanes: int  # micro-batches that go through a layer side by side
    spill_bytes: int  # of results that wait on disk
    recomputed_layers: int  # whose results are computed again in the backward pass
    optimizer_bytes: int  # of leaf_bytes, the optimizer's states
    optimizer_paged_bytes: int  # its states on disk, which a step reads and writes once
    # parameters and gradient sums on disk: with a paged optimizer, where `memory` is too small for them; micro-batches
    # read and write them, too
    adapter_paged_bytes: int
    batch: int  # as in ql_train_options, or as they were chosen
    grad_accum: int  # as in ql_train_options, or as they were chosen
    epochs: float  # the same
    lr: float  # the same
    schedule_start: int  # > 0: the schedule began after this step: a run that had ended goes on
    groups: int  # of micro-batches in a step, one after the other: each reads the weights again
    spill_read_bytes_per_step: int  # of results that wait on disk
    spill_written_bytes_per_step: int  # of results that wait on disk


@dataclass(frozen=True)
class TrainSummary:
    """ql_train_summary of the C headers."""
    steps: int  # done by this trainer: of a run that was resumed, from first_step on, as all figures here
    tokens: int  # done by this trainer: of a run that was resumed, from first_step on, as all figures here
    seconds: float
    tok_s: float
    loss_first: float  # of its first and last step; NaN if it made none
    loss_last: float  # of its first and last step; NaN if it made none
    skipped: int
    checkpoint: str  # the newest, "" if none


__all__ = [
    "BackendInfo",
    "FoundDevice",
    "DeviceOptions",
    "DeviceInfo",
    "LoraOptions",
    "LoraInitInfo",
    "AdapterInfo",
    "AdapterRowsInfo",
    "AdapterRunInfo",
    "AdapterMatrixInfo",
    "LlamaCppInfo",
    "ComposeOptions",
    "ComposeMethodInfo",
    "AdapterChange",
    "ExtractOptions",
    "ResizeOptions",
    "PruneOptions",
    "ToLoraOptions",
    "ChatOptions",
    "DatasetOptions",
    "DatasetInfo",
    "InferenceInfo",
    "SessionOptions",
    "Sampling",
    "Generated",
    "GenerateOptions",
    "GenerateResult",
    "Nll",
    "Evaluated",
    "EvaluateOptions",
    "Choices",
    "ModelOptions",
    "ModelInfo",
    "QuantizedTensor",
    "QuantizeOptions",
    "OptimizerInfo",
    "TrainProgress",
    "TrainOptions",
    "EvaOptions",
    "TrainerInfo",
    "TrainSummary",
]
