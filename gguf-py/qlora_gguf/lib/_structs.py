"""Structs and enumerators of the C API, for ctypes.

Written by make_capi.py from the C headers: do not edit."""

import ctypes as C

VERSION = "0.1.0"  # of the headers
DATE_SIZE = 11
TRAINING_DATE = "2024-07-26"

ENUMS = {
    "ql_compute": {
        "QL_COMPUTE_AUTO": 0,
        "QL_COMPUTE_F32": 1,
        "QL_COMPUTE_BF16": 2,
        "QL_COMPUTE_INT8": 3,
        "QL_COMPUTE_INT16": 4,
    },
    "ql_dtype": {
        "QL_F32": 0,
        "QL_F16": 1,
        "QL_Q4_0": 2,
        "QL_Q4_1": 3,
        "QL_Q5_0": 6,
        "QL_Q5_1": 7,
        "QL_Q8_0": 8,
        "QL_Q2_K": 10,
        "QL_Q3_K": 11,
        "QL_Q4_K": 12,
        "QL_Q5_K": 13,
        "QL_Q6_K": 14,
        "QL_IQ2_XXS": 16,
        "QL_IQ2_XS": 17,
        "QL_IQ3_XXS": 18,
        "QL_IQ1_S": 19,
        "QL_IQ4_NL": 20,
        "QL_IQ3_S": 21,
        "QL_IQ2_S": 22,
        "QL_IQ4_XS": 23,
        "QL_I8": 24,
        "QL_I32": 26,
        "QL_IQ1_M": 29,
        "QL_BF16": 30,
        "QL_TQ1_0": 34,
        "QL_TQ2_0": 35,
        "QL_MXFP4": 39,
        "QL_NVFP4": 40,
        "QL_Q1_0": 41,
        "QL_Q2_0": 42,
        "QL_NF4": 1313210368,
        "QL_NF4_DQ": 1313210369,
        "QL_FP4": 1313210370,
    },
    "ql_recompute": {
        "QL_RECOMPUTE_NONE": 0,
        "QL_RECOMPUTE_CHEAP": 1,
        "QL_RECOMPUTE_ALL": 2,
    },
    "ql_tokenize_flags": {
        "QL_STATE_BLOCK": 256,
        "QL_TOKENIZE_ADD_SPECIAL": 1,
        "QL_TOKENIZE_PARSE_SPECIAL": 2,
        "QL_TOKENIZE_CONTINUE": 4,
        "QL_DETOKENIZE_RENDER_SPECIAL": 1,
        "QL_MERGE_NONE": -3,
        "QL_BATCH_AUTO": 0,
        "QL_OVERWRITE_NOTHING": 0,
        "QL_OVERWRITE_ALL": 1,
        "QL_OVERWRITE_FINISHED": 2,
    },
    "ql_status": {
        "QL_OK": 0,
        "QL_INVALID_ARGUMENT": 1,
        "QL_BAD_SHAPE": 2,
        "QL_BAD_DTYPE": 3,
        "QL_BAD_FILE": 4,
        "QL_NOT_FOUND": 5,
        "QL_IO": 6,
        "QL_NO_SPACE": 7,
        "QL_NO_MEMORY": 8,
        "QL_UNSUPPORTED": 9,
        "QL_CANCELLED": 10,
        "QL_NON_FINITE": 11,
        "QL_INTERNAL": 12,
    },
    "ql_adapter_state": {
        "QL_ADAPTER_TRAINED": 0,
        "QL_ADAPTER_ZERO_B": 1,
        "QL_ADAPTER_ZERO_A": 2,
        "QL_ADAPTER_ZERO_SCALE": 3,
        "QL_ADAPTER_START_A": 4,
    },
    "ql_llama_cpp_use": {
        "QL_LLAMA_CPP_APPLIED": 0,
        "QL_LLAMA_CPP_IGNORED": 1,
        "QL_LLAMA_CPP_REFUSED": 2,
    },
    "ql_long_policy": {
        "QL_LONG_CUT": 0,
        "QL_LONG_DROP": 1,
        "QL_LONG_ERROR": 2,
    },
    "ql_text_count": {
        "QL_COUNT_EACH": 0,
        "QL_COUNT_LLAMA_CPP": 1,
    },
    "ql_base_type": {
        "QL_BASE_KEEP": -1,
        "QL_BASE_AUTO": -2,
    },
    "ql_schedule": {
        "QL_SCHEDULE_CONSTANT": 0,
        "QL_SCHEDULE_LINEAR": 1,
        "QL_SCHEDULE_COSINE": 2,
        "QL_SCHEDULE_WSD": 3,
        "QL_SCHEDULE_INVERSE_SQRT": 4,
    },
    "ql_optimizer": {
        "QL_OPTIMIZER_ADAMW": 0,
        "QL_OPTIMIZER_ADAMW8BIT": 1,
        "QL_OPTIMIZER_PAGED_ADAMW": 2,
        "QL_OPTIMIZER_PAGED_ADAMW8BIT": 3,
        "QL_OPTIMIZER_LION": 4,
        "QL_OPTIMIZER_LION8BIT": 5,
        "QL_OPTIMIZER_SGD": 6,
        "QL_OPTIMIZER_PAGED_LION": 7,
        "QL_OPTIMIZER_PAGED_LION8BIT": 8,
    },
    "ql_merge_rounding": {
        "QL_MERGE_AUTO": 0,
        "QL_MERGE_NEAREST": 1,
        "QL_MERGE_DITHERED": 2,
    },
}


class ql_backend_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("name", C.c_char_p),
        ("path", C.c_char_p),
        ("refused", C.c_char_p),
        ("devices", C.c_int64),
        ("trouble", C.c_char_p),
    ]


class ql_found_device(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("chip", C.c_char_p),
        ("memory", C.c_uint64),
    ]


class ql_device_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("name", C.c_char_p),
        ("threads", C.c_int),
        ("compute", C.c_int),
    ]


class ql_device_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("backend", C.c_char_p),
        ("isa", C.c_char_p),
        ("product", C.c_char_p),
        ("chip", C.c_char_p),
        ("threads", C.c_int),
        ("bf16", C.c_int),
        ("host_memory", C.c_int),
        ("copy_queue", C.c_int),
    ]


class ql_lora_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("r", C.c_int64),
        ("alpha", C.c_double),
        ("rslora", C.c_int),
        ("targets", C.c_char_p),
        ("seed", C.c_uint64),
        ("kind", C.c_char_p),
        ("norms", C.c_int),
        ("layers", C.c_char_p),
        ("rank_pattern", C.c_char_p),
        ("alpha_pattern", C.c_char_p),
        ("init", C.c_char_p),
        ("threads", C.c_int64),
        ("tokens", C.c_char_p),
        ("invocation", C.c_char_p),
    ]


class ql_lora_init_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("name", C.c_char_p),
        ("meaning", C.c_char_p),
    ]


class ql_adapter_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("name", C.c_char_p),
        ("base_name", C.c_char_p),
        ("n_parameters", C.c_int64),
        ("n_matrices", C.c_int64),
        ("r_min", C.c_int64),
        ("r_max", C.c_int64),
        ("architecture", C.c_char_p),
        ("base_identity", C.c_char_p),
        ("base_file_hash", C.c_char_p),
        ("base_type", C.c_char_p),
        ("init", C.c_char_p),
        ("seed", C.c_char_p),
        ("options", C.c_char_p),
        ("composed", C.c_char_p),
        ("n_runs", C.c_int64),
        ("kind", C.c_char_p),
        ("n_norms", C.c_int64),
        ("merge_type", C.c_char_p),
        ("n_row_weights", C.c_int64),
        ("n_invocation", C.c_int64),
        ("invocation", C.POINTER(C.c_int32)),
        ("merge_rounding", C.c_char_p),
        ("other_base", C.c_char_p),
    ]


class ql_adapter_rows_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("weight", C.c_char_p),
        ("n_rows", C.c_int64),
        ("n", C.c_int64),
        ("ids", C.POINTER(C.c_int32)),
        ("values", C.POINTER(C.c_float)),
    ]


class ql_adapter_run_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("data", C.c_char_p),
        ("options", C.c_char_p),
        ("library", C.c_char_p),
        ("steps", C.c_int64),
        ("tokens", C.c_int64),
        ("loss_first", C.c_double),
        ("loss_last", C.c_double),
        ("eval_best", C.c_double),
    ]


class ql_adapter_matrix_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("weight", C.c_char_p),
        ("k", C.c_int64),
        ("m", C.c_int64),
        ("r", C.c_int64),
        ("scale", C.c_double),
        ("norm", C.c_double),
        ("state", C.c_int),
    ]


class ql_llama_cpp_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("use", C.c_int),
        ("why", C.c_char_p),
        ("version", C.c_char_p),
    ]


class ql_compose_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("method", C.c_char_p),
        ("rank", C.c_int64),
        ("density", C.c_double),
        ("seed", C.c_uint64),
        ("threads", C.c_int),
    ]


class ql_compose_method_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("name", C.c_char_p),
        ("meaning", C.c_char_p),
        ("takes_rank", C.c_int),
        ("takes_density", C.c_int),
    ]


class ql_adapter_change(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("weight", C.c_char_p),
        ("k", C.c_int64),
        ("m", C.c_int64),
        ("r_from", C.c_int64),
        ("r", C.c_int64),
        ("norm", C.c_double),
        ("error", C.c_double),
        ("note", C.c_char_p),
        ("index", C.c_int64),
        ("n", C.c_int64),
    ]


class ql_extract_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("rank", C.c_int64),
        ("threads", C.c_int),
        ("on_change", C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(ql_adapter_change))),
        ("user", C.c_void_p),
    ]


class ql_resize_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("rank", C.c_int64),
        ("energy", C.c_double),
        ("threads", C.c_int),
        ("on_change", C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(ql_adapter_change))),
        ("user", C.c_void_p),
    ]


class ql_prune_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("drop", C.c_char_p),
        ("least_norm", C.c_double),
        ("energy", C.c_double),
        ("on_change", C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(ql_adapter_change))),
        ("user", C.c_void_p),
    ]


class ql_to_lora_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("rank", C.c_int64),
        ("threads", C.c_int),
        ("on_change", C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(ql_adapter_change))),
        ("user", C.c_void_p),
    ]


class ql_chat_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("chat_template", C.c_char_p),
        ("date", C.c_char_p),
        ("chat_template_kwargs", C.c_char_p),
    ]


class ql_dataset_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("ctx", C.c_int64),
        ("long_policy", C.c_int),
        ("skip_bad_lines", C.c_int),
        ("chat_template", C.c_char_p),
        ("date", C.c_char_p),
        ("train_on", C.c_int),
        ("columns", C.c_char_p),
        ("chat_template_kwargs", C.c_char_p),
    ]


class ql_dataset_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("n_samples", C.c_int64),
        ("n_tokens", C.c_int64),
        ("n_trained", C.c_int64),
        ("longest", C.c_int64),
        ("n_cut", C.c_int64),
        ("n_dropped", C.c_int64),
        ("n_bad", C.c_int64),
        ("n_ended", C.c_int64),
        ("date", C.c_char_p),
        ("n_files", C.c_int64),
        ("n_untemplated", C.c_int64),
    ]


class ql_inference_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("planned_peak_bytes", C.c_uint64),
        ("weight_bytes", C.c_uint64),
        ("page_bytes", C.c_uint64),
        ("adapter_bytes", C.c_uint64),
        ("cache_bytes", C.c_uint64),
        ("activation_bytes", C.c_uint64),
        ("workspace_bytes", C.c_uint64),
        ("input_bytes", C.c_uint64),
        ("program_bytes", C.c_uint64),
        ("read_bytes_per_pass", C.c_uint64),
        ("lanes", C.c_int64),
        ("pass_tokens", C.c_int64),
        ("sequences", C.c_int64),
    ]


class ql_session_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("ctx", C.c_int64),
        ("adapters", C.POINTER(C.c_void_p)),
        ("adapter_scales", C.POINTER(C.c_float)),
        ("n_adapters", C.c_int),
        ("cache_type", C.c_int),
        ("memory", C.c_uint64),
    ]


class ql_sampling(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("temperature", C.c_double),
        ("top_k", C.c_int64),
        ("top_p", C.c_double),
        ("min_p", C.c_double),
        ("repeat_penalty", C.c_double),
        ("seed", C.c_uint64),
    ]


class ql_logprob(C.Structure):
    _fields_ = [
        ("id", C.c_int32),
        ("logprob", C.c_float),
    ]


class ql_generated(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("token", C.c_int32),
        ("logprob", C.c_float),
        ("piece", C.c_char_p),
        ("top", C.POINTER(ql_logprob)),
        ("n_top", C.c_int),
    ]


class ql_generate_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("n_predict", C.c_int64),
        ("n_top", C.c_int),
        ("sampling", ql_sampling),
        ("on_token", C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(ql_generated))),
        ("user", C.c_void_p),
        ("cancelled", C.CFUNCTYPE(C.c_int, C.c_void_p)),
    ]


class ql_generate_result(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("text", C.c_char_p),
        ("n_prompt", C.c_int64),
        ("n_generated", C.c_int64),
        ("prompt_seconds", C.c_double),
        ("generation_seconds", C.c_double),
        ("ended", C.c_int),
    ]


class ql_nll(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("nll", C.c_double),
        ("ppl", C.c_double),
        ("tokens", C.c_int64),
        ("seconds", C.c_double),
    ]


class ql_evaluated(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("done", C.c_int64),
        ("n", C.c_int64),
        ("tokens", C.c_int64),
        ("nll", C.c_double),
    ]


class ql_evaluate_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("ctx", C.c_int64),
        ("stride", C.c_int64),
        ("on_window", C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(ql_evaluated))),
        ("user", C.c_void_p),
        ("memory", C.c_uint64),
        ("on_plan", C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(ql_inference_info))),
        ("on_sample", C.CFUNCTYPE(None, C.c_void_p, C.c_int64, C.c_double, C.c_int64)),
        ("count", C.c_int),
    ]


class ql_choices(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("questions", C.c_int64),
        ("right", C.c_int64),
        ("right_by_length", C.c_int64),
        ("nll", C.c_double),
        ("tokens", C.c_int64),
        ("seconds", C.c_double),
    ]


class ql_model_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("base_type", C.c_int64),
        ("embedding_type", C.c_int64),
        ("search", C.c_int64),
        ("spill", C.c_char_p),
    ]


class ql_model_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("name", C.c_char_p),
        ("architecture", C.c_char_p),
        ("base_type", C.c_char_p),
        ("n_layer", C.c_int64),
        ("n_embd", C.c_int64),
        ("n_head", C.c_int64),
        ("n_head_kv", C.c_int64),
        ("n_ff", C.c_int64),
        ("n_vocab", C.c_int64),
        ("n_ctx", C.c_int64),
        ("n_parameters", C.c_int64),
        ("weight_bytes", C.c_uint64),
        ("identity", C.c_char_p),
        ("file_hash", C.c_char_p),
    ]


class ql_quantized_tensor(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("name", C.c_char_p),
        ("from", C.c_char_p),
        ("to", C.c_char_p),
        ("bytes_from", C.c_uint64),
        ("bytes_to", C.c_uint64),
        ("rel_rmse", C.c_double),
        ("note", C.c_char_p),
        ("index", C.c_int64),
        ("n", C.c_int64),
        ("kept", C.c_double),
        ("part", C.c_int64),
    ]


class ql_quantize_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("type", C.c_int64),
        ("embedding_type", C.c_int64),
        ("on_tensor", C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(ql_quantized_tensor))),
        ("user", C.c_void_p),
        ("threads", C.c_int),
        ("search", C.c_int64),
        ("recipe", C.c_char_p),
        ("split_bytes", C.c_uint64),
        ("on_note", C.CFUNCTYPE(None, C.c_void_p, C.c_char_p)),
    ]


class ql_token_span(C.Structure):
    _fields_ = [
        ("begin", C.c_size_t),
        ("end", C.c_size_t),
    ]


class ql_optimizer_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("name", C.c_char_p),
        ("beta1", C.c_double),
        ("beta2", C.c_double),
        ("missing", C.c_char_p),
        ("paged", C.c_int),
    ]


class ql_train_progress(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("step", C.c_int64),
        ("n_steps", C.c_int64),
        ("epoch", C.c_double),
        ("loss", C.c_double),
        ("lr", C.c_double),
        ("grad_norm", C.c_double),
        ("tokens", C.c_int64),
        ("total_tokens", C.c_int64),
        ("tok_s", C.c_double),
        ("seconds", C.c_double),
        ("rss_bytes", C.c_uint64),
        ("skipped", C.c_char_p),
        ("has_eval", C.c_int),
        ("eval_loss", C.c_double),
        ("eval_tokens", C.c_int64),
        ("checkpointed", C.c_int),
        ("loss_scale", C.c_double),
    ]


class ql_train_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("ctx", C.c_int64),
        ("batch", C.c_int64),
        ("grad_accum", C.c_int64),
        ("epochs", C.c_double),
        ("steps", C.c_int64),
        ("lr", C.c_double),
        ("schedule", C.c_int),
        ("warmup", C.c_double),
        ("weight_decay", C.c_double),
        ("beta1", C.c_double),
        ("beta2", C.c_double),
        ("eps", C.c_double),
        ("clip", C.c_double),
        ("lora_dropout", C.c_double),
        ("lora_plus_ratio", C.c_double),
        ("seed", C.c_uint64),
        ("shuffle", C.c_int),
        ("packing", C.c_int),
        ("recompute", C.c_int),
        ("eval_every", C.c_int64),
        ("checkpoint_dir", C.c_char_p),
        ("save_every", C.c_int64),
        ("keep", C.c_int64),
        ("resume", C.c_char_p),
        ("best_path", C.c_char_p),
        ("metrics_path", C.c_char_p),
        ("on_progress", C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(ql_train_progress))),
        ("on_log", C.CFUNCTYPE(None, C.c_void_p, C.c_char_p)),
        ("cancelled", C.CFUNCTYPE(C.c_int, C.c_void_p)),
        ("user", C.c_void_p),
        ("overwrite", C.c_int),
        ("merge_type", C.c_int64),
        ("neftune_alpha", C.c_double),
        ("memory", C.c_uint64),
        ("spill", C.c_char_p),
        ("optimizer", C.c_int),
        ("lr_floor", C.c_double),
        ("decay", C.c_double),
        ("early_stop", C.c_int64),
        ("on_batch", C.CFUNCTYPE(None, C.c_void_p, C.c_int, C.c_int64, C.c_int64)),
        ("loss_scale", C.c_double),
        ("loss_scale_steps", C.c_int64),
        ("merge_rounding", C.c_int),
    ]


class ql_eva_options(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("ctx", C.c_int64),
        ("batch", C.c_int64),
        ("n_batches", C.c_int64),
        ("rounds", C.c_int64),
        ("seed", C.c_uint64),
        ("shuffle", C.c_int),
        ("packing", C.c_int),
    ]


class ql_trainer_info(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("n_steps", C.c_int64),
        ("steps_per_epoch", C.c_int64),
        ("n_sequences", C.c_int64),
        ("n_tokens", C.c_int64),
        ("n_trained", C.c_int64),
        ("n_parameters", C.c_int64),
        ("planned_peak_bytes", C.c_uint64),
        ("program_bytes", C.c_uint64),
        ("arena_bytes", C.c_uint64),
        ("leaf_bytes", C.c_uint64),
        ("weight_bytes", C.c_uint64),
        ("flops_per_step", C.c_double),
        ("first_step", C.c_int64),
        ("resumed_from", C.c_char_p),
        ("page_bytes", C.c_uint64),
        ("read_bytes_per_step", C.c_uint64),
        ("lanes", C.c_int64),
        ("spill_bytes", C.c_uint64),
        ("recomputed_layers", C.c_int64),
        ("optimizer_bytes", C.c_uint64),
        ("optimizer_paged_bytes", C.c_uint64),
        ("adapter_paged_bytes", C.c_uint64),
        ("batch", C.c_int64),
        ("grad_accum", C.c_int64),
        ("epochs", C.c_double),
        ("lr", C.c_double),
        ("schedule_start", C.c_int64),
        ("groups", C.c_int64),
        ("spill_read_bytes_per_step", C.c_uint64),
        ("spill_written_bytes_per_step", C.c_uint64),
    ]


class ql_train_summary(C.Structure):
    _fields_ = [
        ("size", C.c_size_t),
        ("steps", C.c_int64),
        ("tokens", C.c_int64),
        ("seconds", C.c_double),
        ("tok_s", C.c_double),
        ("loss_first", C.c_double),
        ("loss_last", C.c_double),
        ("skipped", C.c_int64),
        ("checkpoint", C.c_char_p),
    ]


ENUM_FIELDS = {  # (struct, field): the enumeration of its numbers
    ("ql_device_options", "compute"): "ql_compute",
    ("ql_adapter_matrix_info", "state"): "ql_adapter_state",
    ("ql_llama_cpp_info", "use"): "ql_llama_cpp_use",
    ("ql_dataset_options", "long_policy"): "ql_long_policy",
    ("ql_session_options", "cache_type"): "ql_dtype",
    ("ql_evaluate_options", "count"): "ql_text_count",
    ("ql_model_options", "base_type"): "ql_dtype",
    ("ql_model_options", "embedding_type"): "ql_dtype",
    ("ql_quantize_options", "type"): "ql_dtype",
    ("ql_quantize_options", "embedding_type"): "ql_dtype",
    ("ql_train_options", "schedule"): "ql_schedule",
    ("ql_train_options", "recompute"): "ql_recompute",
    ("ql_train_options", "merge_type"): "ql_dtype",
    ("ql_train_options", "optimizer"): "ql_optimizer",
    ("ql_train_options", "merge_rounding"): "ql_merge_rounding",
}
FLAGS = {  # (struct, field): an int that says yes or no
    ("ql_device_info", "bf16"),
    ("ql_device_info", "host_memory"),
    ("ql_device_info", "copy_queue"),
    ("ql_lora_options", "rslora"),
    ("ql_lora_options", "norms"),
    ("ql_compose_method_info", "takes_rank"),
    ("ql_compose_method_info", "takes_density"),
    ("ql_dataset_options", "skip_bad_lines"),
    ("ql_generate_result", "ended"),
    ("ql_optimizer_info", "paged"),
    ("ql_train_progress", "has_eval"),
    ("ql_train_progress", "checkpointed"),
    ("ql_train_options", "shuffle"),
    ("ql_train_options", "packing"),
}
