"""config.json of a Hugging Face directory: the numbers of a model, and the refusal of what llama files cannot say."""
from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .. import llama
from ..errors import GgufError
from ..json_file import JsonFile
from . import harmless

_LIMITS = {"num_hidden_layers": 1 << 14, "hidden_size": 1 << 20, "num_attention_heads": 1 << 14, "head_dim": 1 << 14,
           "intermediate_size": 1 << 22, "vocab_size": 1 << 24, "max_position_embeddings": (1 << 31) - 1}


@dataclass
class Config:
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    head_dim: int
    n_ff: int
    n_vocab: int
    n_ctx: int
    rms_eps: float
    rope_base: float
    rope_factor: float = 1.0  # of linear scaling
    rope_factors: list[float] = field(default_factory=list)  # of llama3 scaling: what divides each frequency
    tied: bool | None = None  # None: the file does not say
    biases: dict[str, bool] = field(default_factory=dict)  # by how the linears' names begin

    def rows(self, linear: str) -> tuple[int, int]:
        """Rows and columns of a linear."""
        q, kv = self.n_head * self.head_dim, self.n_head_kv * self.head_dim
        return {"attn_q": (q, self.n_embd), "attn_k": (kv, self.n_embd), "attn_v": (kv, self.n_embd),
                "attn_output": (self.n_embd, q), "ffn_gate": (self.n_ff, self.n_embd), "ffn_up": (self.n_ff, self.n_embd),
                "ffn_down": (self.n_embd, self.n_ff)}[linear]


def _refuse_other_models(config: JsonFile) -> str:
    kind = config.text("model_type")
    if kind not in llama.MODEL_TYPES:
        raise GgufError(f"model_type '{kind[:40]}' is not converted here, only {' and '.join(llama.MODEL_TYPES)} are; ql-convert, "
                        "or qlora_gguf.lib.quantize, writes the others", config.path)
    for key in ("quantization_config", "quantization"):
        if config.at(key) is not None:
            raise GgufError(f"quantised checkpoints ({key}) are not supported; use the unquantised one", config.path)
    classes = config.at("architectures")
    if classes is not None and not isinstance(classes, list):
        raise config.wrong("architectures", "must be a list")
    for name in classes or []:
        if not (isinstance(name, str) and name.endswith("ForCausalLM")):
            raise GgufError(f"architectures: '{str(name)[:60]}' is not supported, only classes ...ForCausalLM are", config.path)
    activation = config.text("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise GgufError(f"hidden_act '{activation[:40]}' is not supported, only silu is", config.path)
    return kind


def _size(config: JsonFile, key: str, missing: int | None = None) -> int:
    value = config.size(key, missing)
    if not 1 <= value <= _LIMITS[key]:
        raise config.wrong(key, f"must be 1 to {_LIMITS[key]}")
    return value


def _read_shape(config: JsonFile) -> Config:
    n_embd, n_head = _size(config, "hidden_size"), _size(config, "num_attention_heads")
    n_head_kv = config.size("num_key_value_heads", n_head)
    if n_head_kv < 1 or n_head % n_head_kv != 0:
        raise config.wrong("num_key_value_heads", f"must divide the {n_head} heads")
    if config.at("head_dim") is None and n_embd % n_head != 0:
        raise config.wrong("num_attention_heads", "must divide hidden_size where head_dim is missing")
    head_dim = _size(config, "head_dim", n_embd // n_head)
    if head_dim % 2 != 0:
        raise config.wrong("head_dim", "must be even")
    eps = config.number("rms_norm_eps", 1e-6)  # transformers' default
    if not 0 <= eps < 1:
        raise config.wrong("rms_norm_eps", "is out of range")
    if config.number("partial_rotary_factor", 1.0) != 1:
        raise config.wrong("partial_rotary_factor", "must be 1")
    return Config(_size(config, "num_hidden_layers"), n_embd, n_head, n_head_kv, head_dim, _size(config, "intermediate_size"),
                  _size(config, "vocab_size"), _size(config, "max_position_embeddings"), eps, 10000.0)


def _llama3_factors(config: JsonFile, rope: JsonFile, base: float, n_rot: int) -> list[float]:
    """What llama3 scaling divides each frequency by, in f64 and rounded once."""
    factor, low, high = (rope.number(key) for key in ("factor", "low_freq_factor", "high_freq_factor"))
    declared = config.number("original_max_position_embeddings", 0.0)
    context = rope.number("original_max_position_embeddings", declared if declared > 0 else None)
    if not (factor > 0 and low > 0 and high > low and context > 0):
        raise rope.wrong("high_freq_factor", "and the other numbers of llama3 scaling must be positive, high over low")
    factors = []
    for i in range(0, n_rot, 2):
        wavelength = 2 * math.pi / math.pow(base, -float(i) / float(n_rot))
        smooth = (context / wavelength - low) / (high - low)
        if wavelength < context / high:
            divisor = 1.0
        elif wavelength > context / low:
            divisor = factor
        else:
            divisor = 1.0 / ((1.0 - smooth) / factor + smooth)
        factors.append(float(np.float32(divisor)))
    return factors


def _read_rope(config: JsonFile, out: Config) -> None:
    parameters, scaling = config.at("rope_parameters"), config.at("rope_scaling")
    if parameters is not None and scaling is not None and parameters != scaling:
        raise config.wrong("rope_scaling", "and 'rope_parameters' say different things; take one out")
    rope = config.part("rope_scaling" if parameters is None else "rope_parameters")
    base = rope.number("rope_theta", config.number("rope_theta", 10000.0))
    out.rope_base = float(np.float32(base))
    if not out.rope_base > 0:
        raise config.wrong("rope_theta", "must be positive")
    kind = rope.text("rope_type", rope.text("type", "default"))
    if rope.number("partial_rotary_factor", 1.0) != 1:
        raise rope.wrong("partial_rotary_factor", "must be 1")
    if kind == "linear":
        out.rope_factor = rope.number("factor")
        if not out.rope_factor > 0:
            raise rope.wrong("factor", "must be positive")
    elif kind == "llama3":
        out.rope_factors = _llama3_factors(config, rope, out.rope_base, out.head_dim)
    elif kind != "default":
        raise GgufError(f"rope type '{kind[:40]}' is not supported; supported: default, linear, llama3", config.path)
    rope.refuse_unread(harmless.ROPE)


def read_config(config: JsonFile) -> Config:
    """raises  GgufError"""
    kind = _refuse_other_models(config)
    out = _read_shape(config)
    for linears, key in (("attn_", "attention_bias"), ("ffn_", "mlp_bias")):
        out.biases[linears] = config.flag(key, False)
        if out.biases[linears] and kind == "mistral":
            raise GgufError(f"a model of type '{kind}' has no biases, but {key} is set", config.path)
    if config.size("sliding_window", out.n_ctx) < out.n_ctx:
        raise config.wrong("sliding_window", "is not supported")
    layer_types = config.at("layer_types")
    if any(t != "full_attention" for t in (layer_types if isinstance(layer_types, list) else [])):
        raise config.wrong("layer_types", "must be full_attention")
    _read_rope(config, out)
    out.tied = None if config.at("tie_word_embeddings") is None else config.flag("tie_word_embeddings")
    config.refuse_unread(harmless.CONFIG)
    return out
