"""Small Hugging Face directories with every kind of tokenizer that is converted."""
from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
from adapter_files import save
from qlora_gguf.checkpoints.byte_level import _SPLITS

PRINTABLE = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
OTHERS = [b for b in range(256) if b not in PRINTABLE]
BYTES = {b: chr(b) for b in PRINTABLE} | {b: chr(0x100 + i) for i, b in enumerate(OTHERS)}
MERGES = ["Ġ t", "h e", "Ġt he", "i n", "1 2", "12 3", "Ġ Ġ", "a t", "Ã ¼", "' t"]
SPECIAL = ["<|begin|>", "<|end|>", "<|turn|>", "<tool>"]
N_VOCAB = 300
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96,
          "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": N_VOCAB,
          "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "rope_theta": 5000.0}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
CUTS = {name: pattern for pattern, name in _SPLITS.items()}
PRE = {
    "gpt-2": BYTE_LEVEL,
    "smollm": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL]},
    **{name: {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": CUTS[name]}, "behavior": "Isolated", "invert": False},
        {**BYTE_LEVEL, "use_regex": False}]} for name in CUTS},
}


def tokenizer_json(pre: str, **changes: object) -> dict[str, object]:
    tokens = [*BYTES.values(), *(m.replace(" ", "") for m in MERGES)]
    first = len(tokens)
    added = [{"id": first + i, "content": text, "special": text != "<tool>", "normalized": False, "lstrip": False,
              "rstrip": False, "single_word": False} for i, text in enumerate(SPECIAL)]
    begin = {"SpecialToken": {"id": "<|begin|>", "type_id": 0}}
    template = {"type": "TemplateProcessing", "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
                "special_tokens": {"<|begin|>": {"id": "<|begin|>", "ids": [first], "tokens": ["<|begin|>"]}}}
    return {"version": "1.0", "normalizer": None, "pre_tokenizer": PRE[pre], "added_tokens": added,
            "post_processor": template if pre == "llama-bpe" else None, "decoder": BYTE_LEVEL,
            "model": {"type": "BPE", "ignore_merges": pre == "llama-bpe", "vocab": {t: i for i, t in enumerate(tokens)},
                      "merges": MERGES if pre != "smollm" else [m.split(" ") for m in MERGES]}, **changes}


def field(number: int, kind: int, payload: bytes) -> bytes:
    head = bytes([number << 3 | kind]) if number < 16 else bytes([(number << 3 | kind) & 0x7f | 0x80, number >> 4])
    size = len(payload)
    length = bytes([size]) if size < 128 else bytes([size & 0x7f | 0x80, size >> 7])
    return head + (length if kind == 2 else b"") + payload


def sentence_piece_model(**wrong: int) -> bytes:
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), *((f"<0x{b:02X}>", 0.0, 6) for b in range(256)),
              ("▁", -9.0, 1), ("t", -8.0, 1), ("h", -7.0, 1), ("e", -6.0, 1), ("he", -3.0, 1), ("▁t", -2.0, 1), ("▁the", -1.0, 1)]
    data = b"".join(field(1, 2, field(1, 2, text.encode()) + field(2, 5, struct.pack("<f", score)) + field(3, 0, bytes([kind])))
                    for text, score, kind in pieces)
    trainer = field(3, 0, bytes([wrong.get("algorithm", 2)])) + field(43, 0, b"\xff" * 9 + b"\1")
    normalizer = field(3, 0, b"\1") + field(4, 0, bytes([wrong.get("removes_spaces", 0)]))
    return data + field(2, 2, trainer) + field(3, 2, normalizer)


def weights(config: dict, seed: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    d, ff, head = config["hidden_size"], config["intermediate_size"], config["hidden_size"] // config["num_attention_heads"]
    kv = config["num_key_value_heads"] * head
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], d), "model.norm.weight": (d,)}
    if not config.get("tie_word_embeddings"):
        shapes["lm_head.weight"] = (config["vocab_size"], d)
    linears = {"self_attn.q_proj": (d, d), "self_attn.k_proj": (kv, d), "self_attn.v_proj": (kv, d), "self_attn.o_proj": (d, d),
               "mlp.gate_proj": (ff, d), "mlp.up_proj": (ff, d), "mlp.down_proj": (d, ff)}
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        shapes |= {f"{layer}input_layernorm.weight": (d,), f"{layer}post_attention_layernorm.weight": (d,)}
        shapes |= {f"{layer}{name}.weight": shape for name, shape in linears.items()}
        if config.get("attention_bias"):
            shapes |= {f"{layer}{name}.bias": shape[:1] for name, shape in linears.items() if name.startswith("self_attn")}
    scale = {1: (1.0, 0.1), 2: (0.0, 0.2)}
    return {name: (scale[len(s)][0] + rng.standard_normal(s) * scale[len(s)][1]).astype(np.float32) for name, s in shapes.items()}


def write_checkpoint(folder: Path, tokenizer: str = "gpt-2", dtype: str = "F32", shards: int = 1, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    full = {**CONFIG, **config}
    (folder / "config.json").write_text(json.dumps(full))
    tensors = weights(full)
    if shards == 1:
        save(folder / "model.safetensors", tensors, dtype)
    else:
        names, index = list(tensors), {}
        for i in range(shards):
            part = f"model-{i + 1:05}-of-{shards:05}.safetensors"
            save(folder / part, {n: tensors[n] for n in names[i::shards]}, dtype)
            index |= dict.fromkeys(names[i::shards], part)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    if tokenizer == "sentence piece":
        (folder / "tokenizer.model").write_bytes(sentence_piece_model())
        (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    elif tokenizer != "none":
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(tokenizer)))
        (folder / "tokenizer_config.json").write_text(json.dumps({
            "bos_token": "<|begin|>", "eos_token": {"content": "<|end|>"}, "pad_token": "<nowhere>", "chat_template": "{{ x }}"}))
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [267, 268]}))
    return folder
