"""The tensors of a PEFT directory, as the branches and norms that they stand for. PEFT's A (r, in) and B (out, r) have our
layout, and its MiSS block (r, out) is our B transposed; but what belongs to rows of the weight changes order with them in q
and k of llama-type models."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .. import llama, safetensors
from ..errors import GgufError
from .base import Base
from .lora import LoraMatrix, check_fits, fixed_a
from .peft_config import PeftConfig
from .tokens import TokenRows
from .values import F32

PREFIX, A, B, MAGNITUDE, BLOCK, WEIGHT = ("base_model.model.", ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector",
                                          ".miss_block", ".weight")
ROWS = ".token_adapter.trainable_tokens_delta"  # whole rows, for all that it says
# By ending: what it is, its dimensions, and which of them is the rank.
_PARTS = {A: (A, 2, 0), B: (B, 2, 1), MAGNITUDE: (MAGNITUDE, 1, None), f"{MAGNITUDE}.weight": (MAGNITUDE, 1, None),
          BLOCK: (BLOCK, 2, 0)}


@dataclass
class PeftTensors:
    linears: dict[str, dict[str, str]] = field(default_factory=dict)  # names of tensors by module and ending
    norms: dict[str, F32] = field(default_factory=dict)
    rows: list[TokenRows] = field(default_factory=list)  # the embedding's first


def _copied_weight(base: Base, tensor: str) -> str | None:
    """The weight that a tensor is a copy of: PEFT writes embedding and head beside an adapter that changes the head."""
    for name in (llama.EMBEDDING, llama.HEAD):
        module = PREFIX + str(llama.hf_name(name)).removesuffix(WEIGHT)
        if tensor in (f"{module}.weight", f"{module}.base_layer.weight"):
            return llama.EMBEDDING if name == llama.HEAD and base.tied else name
    return None


def _check_copy(base: Base, weight: str, file: safetensors.SafeTensors, tensor: str) -> None:
    """There is nothing to load from a copy; one that differs belongs to another base, or was trained."""
    ours, theirs = base.weight(weight), file.weights(tensor)
    if ours is None or ours.shape != theirs.shape:
        raise GgufError(f"tensor '{tensor[:120]}' is {list(theirs.shape)}, but '{weight}' of the model '{base.name}' is not; "
                        "was its vocabulary resized?")
    error, norm = (float(np.sum(np.square(x, dtype=np.float64))) for x in (ours - theirs, ours))
    limit = 0.01 if base.is_wide(weight) else 0.2  # of rounding to 16 bits, and to four
    if not error <= limit * limit * norm:
        raise GgufError(f"tensor '{tensor[:120]}' differs from '{weight}' of the model '{base.name}': another base, or "
                        "trained itself")


def _not_lora(name: str) -> GgufError:
    hint = " (LoRA on an embedding is not supported)" if "lora_embedding" in name else ""
    return GgufError(f"tensor '{name[:120]}' is no part of a LoRA, DoRA or MiSS on a linear layer{hint}")


def _read_rows(name: str, file: safetensors.SafeTensors, config: PeftConfig) -> TokenRows:
    """PEFT keeps rows in the order of trainable_token_indices, which is any."""
    module = name[len(PREFIX):-len(ROWS)]
    weight, tokens, shape = llama.gguf_name(f"{module}{WEIGHT}"), config.tokens_of(module), file.tensors[name].shape
    if weight is None or tokens is None:
        raise GgufError(f"tensor '{name[:120]}': trainable_token_indices has no tokens of this module")
    if len(shape) != 2 or shape[0] != len(tokens):
        raise GgufError(f"tensor '{name[:120]}' has the shape {list(shape)}, trainable_token_indices has {len(tokens)} tokens")
    ids = np.array(tokens, np.int32)
    order = np.argsort(ids, kind="stable")
    twice = np.diff(ids[order]) == 0
    if twice.any():
        raise GgufError(f"trainable_token_indices names token {ids[order][twice.argmax()]} twice")
    return TokenRows(weight, ids[order], file.weights(name)[order])


class _Sorting:
    def __init__(self, file: safetensors.SafeTensors, config: PeftConfig, base: Base) -> None:
        self._file, self._config, self._modules, self._base = file, config, config.modules, base
        self.sorted, self.whole = PeftTensors(), list[str]()  # whole: modules of which the weight itself is there

    def place(self, name: str) -> None:
        if name.endswith(".lora_velora_embed"):  # of VeLoRA's backward pass
            return
        copied = _copied_weight(self._base, name)
        if copied is not None:
            self._place_copy(copied, name)
            return
        ending = next((e for e in _PARTS if name.endswith(e)), None)
        if not name.startswith(PREFIX):
            raise _not_lora(name)
        if name.endswith(ROWS):
            self.sorted.rows.append(_read_rows(name, self._file, self._config))
            return
        if ending is None:
            self._place_whole(name)
            return
        if len(name) <= len(PREFIX + ending):
            raise _not_lora(name)
        part, n_dims, rank_dim = _PARTS[ending]
        shape = self._file.tensors[name].shape
        if len(shape) != n_dims or 0 in shape:
            wrong = ("two dimensions are needed" if n_dims == 2 else "one dimension is needed") if len(shape) != n_dims else (
                "its rank is 0" if rank_dim is not None and shape[rank_dim] == 0 else "it holds nothing")
            raise GgufError(f"tensor '{name[:120]}' has the shape {list(shape)}, {wrong}")
        parts = self.sorted.linears.setdefault(name[len(PREFIX):-len(ending)], {})
        if part in parts:
            raise GgufError(f"tensor '{name[:120]}' is there under two names")
        parts[part] = name

    def _place_copy(self, weight: str, name: str) -> None:
        """Of embedding or head. A head of its own that was trained is a linear like others; all else must be the base's."""
        module = name[len(PREFIX):-len(WEIGHT)]
        if not self._modules.saves(module):
            _check_copy(self._base, weight, self._file, name)
            return
        self.whole.append(module)
        if weight == llama.HEAD:
            self.sorted.linears.setdefault(module, {})[WEIGHT] = name
            return
        try:
            _check_copy(self._base, weight, self._file, name)
        except GgufError:
            raise GgufError(f"tensor '{name[:120]}' is an embedding that was trained whole (modules_to_save), which an adapter "
                            "cannot hold; merge it in PEFT (merge_and_unload) and use the model that makes") from None

    def _place_whole(self, name: str) -> None:
        """A norm or a linear of which PEFT saved the weight itself."""
        module = name[len(PREFIX):-len(WEIGHT)]
        weight = llama.gguf_name(f"{module}{WEIGHT}") if name.endswith(WEIGHT) else None
        values = self._base.weight(weight) if weight is not None else None
        if weight is None or values is None:
            raise _not_lora(name)
        self.whole.append(module)
        if not llama.is_norm(weight):
            self.sorted.linears.setdefault(module, {})[WEIGHT] = name
            return
        shape = self._file.tensors[name].shape
        if shape != values.shape:
            raise GgufError(f"tensor '{name[:120]}' is {list(shape)}, but '{weight}' of the model '{self._base.name}' has "
                            f"{values.size} values")
        self.sorted.norms[weight] = self._file.weights(name)


def sort_tensors(file: safetensors.SafeTensors, config: PeftConfig, base: Base) -> PeftTensors:
    """raises  GgufError without a path: a tensor that belongs to no linear or norm, or an embedding other than the base's; or a
    name in modules_to_save or tokens without a tensor"""
    sorting = _Sorting(file, config, base)
    for name in file.tensors:
        sorting.place(name)
    for name in config.modules.saved:
        if not any(module.endswith(name) for module in sorting.whole):
            raise GgufError(f"modules_to_save of adapter_config.json names '{name[:80]}', of which there are no tensors")
    if len(sorting.sorted.rows) != len(config.tokens):
        raise GgufError(f"trainable_token_indices has tokens of {len(config.tokens)} modules, the tensors are of "
                        f"{len(sorting.sorted.rows)}")
    sorting.sorted.rows.sort(key=lambda rows: rows.weight, reverse=True)
    return sorting.sorted


def _check_parts(module: str, parts: dict[str, str], kind: str) -> None:
    """That the module has the tensors of its kind, and no others."""
    wrong = None
    if kind == "miss":
        wrong = "LoRA matrices, but peft_type is MISS" if parts.keys() & {A, B, MAGNITUDE} else None
    elif BLOCK in parts:
        wrong = "a miss_block, but peft_type is LORA"
    elif not {A, B} <= parts.keys():
        wrong = "only one of lora_A and lora_B"
    elif (kind == "dora") != (MAGNITUDE in parts):
        wrong = (f"{'a' if MAGNITUDE in parts else 'no'} lora_magnitude_vector, but use_dora is "
                 f"{'not ' if MAGNITUDE in parts else ''}true")
    if wrong:
        raise GgufError(f"module '{module[:120]}' has {wrong}")


def _in_gguf_order(values: F32, weight: str, base: Base) -> F32:
    return llama.rows_to_gguf(values, base.head_dim) if llama.is_permuted(weight) else values


def _read_whole(name: str, weight: str, file: safetensors.SafeTensors, config: PeftConfig, base: Base) -> LoraMatrix:
    """D = W' - W as a LoRA: one factor is D itself, the other the identity of the smaller side."""
    if config.kind != "lora":
        raise GgufError(f"tensor '{name[:120]}' is a whole weight beside a {config.kind}, which one adapter cannot hold; merge it in "
                        "PEFT (merge_and_unload) and use the model that makes")
    shape = file.tensors[name].shape
    if len(shape) != 2:
        raise GgufError(f"tensor '{name[:120]}' has the shape {list(shape)}, two dimensions are needed")
    check_fits(base, weight, (shape[0], shape[1]), name)
    old = base.weight(weight)
    assert old is not None  # check_fits
    delta = _in_gguf_order(file.weights(name), weight, base) - old
    identity = np.eye(min(delta.shape), dtype=np.float32)
    a, b = (identity, delta) if len(identity) == delta.shape[1] else (delta, identity)
    return LoraMatrix(weight, a, b, 1.0)


def _scale(module: str, shapes: dict[str, tuple[int, ...]], config: PeftConfig) -> float:
    """Of a module that the config names, and whose ranks are those that it says."""
    target = config.modules.target(module)
    if target is None:
        raise GgufError(f"module '{module[:120]}' has LoRA matrices, but target_modules of adapter_config.json does not name it, or "
                        "other fields leave it out, and so would PEFT; name it there, or take its tensors out")
    r, scale = config.scaling(target)
    if BLOCK in shapes and shapes[BLOCK][0] != r:
        raise GgufError(f"module '{module[:120]}': miss_block has rank {shapes[BLOCK][0]}, adapter_config.json says {r}")
    if BLOCK not in shapes and not shapes[A][0] == shapes[B][1] == r:
        raise GgufError(f"module '{module[:120]}': lora_A has rank {shapes[A][0]}, lora_B {shapes[B][1]}, adapter_config.json says "
                        f"{r}")
    return scale


def read_branch(module: str, parts: dict[str, str], file: safetensors.SafeTensors, config: PeftConfig, base: Base) -> LoraMatrix:
    """The branch of one linear. One that was trained whole becomes the LoRA that adds the difference to the base's.
    raises  GgufError without a path"""
    whole = parts.keys() == {WEIGHT}
    if not whole:
        _check_parts(module, parts, config.kind)
    weight = llama.gguf_name(f"{module}{WEIGHT}")
    if weight is None:
        raise GgufError(f"module '{module[:120]}' is none that the model '{base.name}' has")
    if WEIGHT in parts and not (whole and config.modules.saves(module)):
        raise GgufError(f"tensor '{parts[WEIGHT][:120]}' is a whole weight, but modules_to_save of adapter_config.json does not name "
                        "its module, or there are LoRA matrices, too")
    if whole:
        return _read_whole(parts[WEIGHT], weight, file, config, base)
    shapes = {part: file.tensors[name].shape for part, name in parts.items()}
    rows = shapes[B][0] if B in parts else shapes[BLOCK][1]
    columns = shapes[A][1] if A in parts else base.shapes.get(weight, (0, 0))[1]
    check_fits(base, weight, (rows, columns), parts.get(A, parts.get(BLOCK, "")))
    if MAGNITUDE in parts and shapes[MAGNITUDE][0] != rows:
        raise GgufError(f"tensor '{parts[MAGNITUDE][:120]}' has {shapes[MAGNITUDE][0]} values, but '{weight}' has {rows} rows")
    scale = _scale(module, shapes, config)
    if BLOCK in parts:
        a, b = fixed_a(weight, shapes[BLOCK][0], columns), np.ascontiguousarray(file.weights(parts[BLOCK]).T)
    else:
        a, b = file.weights(parts[A]), file.weights(parts[B])
    magnitude = _in_gguf_order(file.weights(parts[MAGNITUDE]), weight, base) if MAGNITUDE in parts else None
    return LoraMatrix(weight, a, _in_gguf_order(b, weight, base), scale, magnitude)
