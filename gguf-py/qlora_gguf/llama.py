"""Llama and what is built like it: names on both sides, and the order of the rows of q and k.

Hugging Face rotates element j of a head with j + d/2; GGUF files of llama-type models hold rows so that pairs are neighbours:
per head of d rows, Hugging Face's row h * d/2 + j (h = 0, 1) is GGUF's 2j + h. A wrong order gives no error, only bad text.
"""
from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

ARCHITECTURE = "llama"
MODEL_TYPES = ("llama", "mistral")  # mistral is the same model, without biases
EMBEDDING, HEAD = "token_embd.weight", "output.weight"

_WHOLE = {
    "model.embed_tokens.weight": EMBEDDING,
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": HEAD,
}
_LINEARS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_IN_LAYER = {
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    **{f"{hf}.{end}": f"{gguf}.{end}" for hf, gguf in _LINEARS.items() for end in ("weight", "bias")},
}
_WHOLE_HF = {gguf: hf for hf, gguf in _WHOLE.items()}
_IN_LAYER_HF = {gguf: hf for hf, gguf in _IN_LAYER.items()}
_HF_LAYER = re.compile(r"model\.layers\.(0|[1-9]\d{0,5})\.(.+)", re.ASCII)
_GGUF_LAYER = re.compile(r"blk\.(0|[1-9]\d{0,5})\.(.+)", re.ASCII)

LINEARS = tuple(_LINEARS.values())  # in the order of the graph, which adapters have


def gguf_name(hf: str) -> str | None:
    """ "blk.0.attn_q.weight" of "model.layers.0.self_attn.q_proj.weight"; None of what the model has not."""
    layer = _HF_LAYER.fullmatch(hf)
    if layer is None:
        return _WHOLE.get(hf)
    inner = _IN_LAYER.get(layer[2])
    return f"blk.{layer[1]}.{inner}" if inner else None


def hf_name(gguf: str) -> str | None:
    layer = _GGUF_LAYER.fullmatch(gguf)
    if layer is None:
        return _WHOLE_HF.get(gguf)
    inner = _IN_LAYER_HF.get(layer[2])
    return f"model.layers.{layer[1]}.{inner}" if inner else None


def is_permuted(gguf: str) -> bool:
    """Whether the rows of a weight or bias are in another order than Hugging Face's."""
    layer = _GGUF_LAYER.fullmatch(gguf)
    return layer is not None and layer[2].split(".")[0] in ("attn_q", "attn_k")


def is_norm(gguf: str) -> bool:
    """Whether a weight is a norm's, which an adapter may hold whole."""
    return gguf.endswith("_norm.weight")


def rows_to_gguf(rows: npt.NDArray[np.float32], head_dim: int) -> npt.NDArray[np.float32]:
    """Rows (the first dimension, whole heads) from Hugging Face's order to GGUF's."""
    split = rows.reshape(-1, 2, head_dim // 2, *rows.shape[1:])
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(rows.shape)


def rows_to_hf(rows: npt.NDArray[np.float32], head_dim: int) -> npt.NDArray[np.float32]:
    """The inverse."""
    split = rows.reshape(-1, head_dim // 2, 2, *rows.shape[1:])
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(rows.shape)
