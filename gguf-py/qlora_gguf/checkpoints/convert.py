"""Writes a checkpoint as a GGUF file, one tensor in memory at a time. Which type a weight gets is ql-quantize's rule."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from .. import llama, quants
from ..adapters.peft import chat_template
from ..dtypes import DType
from ..errors import GgufError
from ..files import Path
from ..gguf import Writer
from .checkpoint import Checkpoint
from .tokenizer import read_tokenizer

_FILE_TYPES = {DType.F32: 0, DType.F16: 1, DType.Q4_0: 2, DType.Q4_1: 3, DType.Q8_0: 7, DType.BF16: 32}
_WIDE = (DType.F32, DType.F16, DType.BF16)
_ROPE_FACTORS = "rope_freqs.weight"


def _write_config(checkpoint: Checkpoint, w: Writer) -> None:
    c = checkpoint.config
    w.set_str("general.architecture", llama.ARCHITECTURE)
    w.set_str("general.type", "model")
    w.set_str("general.name", checkpoint.name)
    for key, number in (("block_count", c.n_layer), ("context_length", c.n_ctx), ("embedding_length", c.n_embd),
                        ("feed_forward_length", c.n_ff), ("attention.head_count", c.n_head),
                        ("attention.head_count_kv", c.n_head_kv), ("attention.key_length", c.head_dim),
                        ("attention.value_length", c.head_dim), ("rope.dimension_count", c.head_dim),
                        ("vocab_size", c.n_vocab)):
        w.set_int(f"llama.{key}", number)
    w.set_float("llama.attention.layer_norm_rms_epsilon", c.rms_eps)
    w.set_float("llama.rope.freq_base", c.rope_base)
    if c.rope_factor != 1:
        w.set_str("llama.rope.scaling.type", "linear")
        w.set_float("llama.rope.scaling.factor", c.rope_factor)


def _choose(checkpoint: Checkpoint, name: str, shape: tuple[int, ...], dtype: DType | None, say: Callable[[str], None]) -> DType:
    """Norms and biases are f32; embedding and head q8_0 where the layers' matrices have less than 16 bits; a matrix whose
    rows are no whole blocks has 16."""
    if len(shape) == 1:
        return DType.F32
    source = DType[checkpoint.source_dtype(name)]
    if dtype is None:
        return source
    if name in (llama.EMBEDDING, llama.HEAD) and dtype not in _WIDE:
        dtype = DType.Q8_0
    if shape[-1] % dtype.block_length == 0:
        return dtype
    fallback = DType.F16 if source == DType.F32 else source
    say(f"{name} is {fallback.label}: rows of {shape[-1]} are no multiple of {dtype.label}'s block of {dtype.block_length}")
    return fallback


def _values(checkpoint: Checkpoint, name: str, dtype: DType) -> npt.NDArray[np.float32]:
    """raises  GgufError: a value that is no number, or that the type makes infinite"""
    values = checkpoint.weight(name)
    with np.errstate(over="ignore"):
        held = quants.decode(quants.encode(values, dtype), dtype, values.shape) if dtype in (DType.F16, DType.BF16) else values
    if not np.isfinite(held).all():
        at = int(np.isfinite(held).reshape(-1).argmin())
        raise GgufError(f"tensor '{llama.hf_name(name)}': a value is {values.reshape(-1)[at]:g}, which {dtype.label} cannot hold",
                        checkpoint.path)
    return values


def write_checkpoint(checkpoint: Checkpoint, path: Path, dtype: DType | str | int | None = None,
                     say: Callable[[str], None] = lambda note: None) -> None:
    """dtype   of the layers' matrices; None: as in the checkpoint
    say     is told what could not be kept as it was
    raises  OSError, GgufError"""
    kind = None if dtype is None else DType.of(dtype)
    if kind is not None and not quants.can_encode(kind):
        raise GgufError(f"{kind.label} can be read, but is not written here")
    w = Writer()
    _write_config(checkpoint, w)
    vocabulary = read_tokenizer(checkpoint.path, checkpoint.config.n_vocab)
    if vocabulary is None:
        say("there is no tokenizer in the directory, and so none in the file")
    else:
        vocabulary.write_keys(w)
        for note in vocabulary.notes:
            say(note)
    template = chat_template(checkpoint.path)
    if template:
        w.set_str("tokenizer.chat_template", template)
    kinds = {name: _choose(checkpoint, name, shape, kind, say) for name, shape in checkpoint.needed()}
    matrices = kinds["blk.0.attn_q.weight"]
    if matrices in _FILE_TYPES:
        w.set_int("general.file_type", _FILE_TYPES[matrices])
    if any(k not in _WIDE for k in kinds.values()):
        w.set_int("general.quantization_version", 2)
    for name, shape in checkpoint.needed():
        w.add_tensor(name, kinds[name], shape, partial(_values, checkpoint, name, kinds[name]))
    if checkpoint.config.rope_factors:
        w.add_array(_ROPE_FACTORS, np.array(checkpoint.config.rope_factors, dtype=np.float32))
    w.write(path)
