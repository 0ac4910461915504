"""Fields of config.json that change nothing of what a model computes, or nothing while they have this value; the list of
models/hf/harmless_fields.hpp. A field that is neither here nor read is refused by name."""
from __future__ import annotations

_ANY = """
    _name_or_path auto_map dtype is_llama_config name_or_path torch_dtype transformers.js_config transformers_version
    unsloth_fixed unsloth_version
    bos_token_id decoder_start_token_id eos_token_id image_token_id pad_token_id prefix sep_token_id tokenizer_class unk_token_id
    _attn_implementation _attn_implementation_autoset _attn_implementation_internal _flash_attn_2_enabled attn_implementation
    chunk_size_feed_forward experts_implementation flash_attn gradient_checkpointing output_attentions output_hidden_states
    pretraining_tp return_dict return_dict_in_generate tf_legacy_loss torchscript use_bfloat16 use_cache use_flash_attention
    use_flash_attn
    attention_dropout attn_pdrop classifier_dropout embd_pdrop finetuning_task hidden_dropout id2label initializer_range label2id
    neftune_noise_alpha problem_type resid_pdrop residual_dropout router_aux_loss_coef task_specific_params
    z_loss_coefficient
    bad_words_ids begin_suppress_tokens diversity_penalty do_sample early_stopping encoder_no_repeat_ngram_size
    exponential_decay_length_penalty forced_bos_token_id forced_eos_token_id length_penalty max_length max_new_tokens min_length
    no_repeat_ngram_size num_beam_groups num_beams num_return_sequences output_scores remove_invalid_values
    repetition_penalty suppress_tokens temperature top_k top_p typical_p
    original_max_position_embeddings
""".split()

CONFIG: dict[str, float | None] = {
    **dict.fromkeys(_ANY),
    "attention_multiplier": 1,
    "embedding_multiplier": 1,
    "is_causal": 1,
    "logits_scaling": 1,
    "num_experts": 0,
    "num_local_experts": 0,
    "qk_layernorm": 0,
    "residual_multiplier": 1,
    "rope_interleaved": 0,
    "rotary_pct": 1,
    "scale_attn_weights": 1,
}
ROPE: dict[str, float | None] = {"attention_factor": 1, "factor": 1, "finetuned": None, "original_max_position_embeddings": None}
