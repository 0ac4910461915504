"""What must be known of an adapter's base model: its linears and the length of its heads. From a GGUF file or from a
Hugging Face directory."""
from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .. import llama
from ..errors import GgufError
from ..files import Path
from ..gguf import GgufFile
from ..gguf import open as open_gguf
from .identity import base_identity

MAX_LAYERS = 4096


@dataclass
class Base:
    name: str
    architecture: str
    head_dim: int
    n_layer: int
    tied: bool
    shapes: dict[str, tuple[int, int]]  # [rows, columns] of the linears that take LoRA, in the model's order
    weight: Callable[[str], npt.NDArray[np.float32] | None]  # any weight's values in f32
    is_wide: Callable[[str], bool]  # whether it has 16 bits or more
    all_shapes: dict[str, tuple[int, ...]]  # of every weight

    @classmethod
    def open(cls, path: Path) -> Base:
        """raises  OSError, GgufError"""
        return _from_directory(path) if os.path.isdir(path) else _from_gguf(path)

    @cached_property
    def identity(self) -> str:
        """The hash that all quantisations of a model share, as the library computes it: `qlora.base.identity`."""
        return base_identity(self.architecture, self.all_shapes, self.weight)

    def token_tables(self) -> dict[str, tuple[int, ...]]:
        """The weights that a token has a row of, with their shapes: the embedding, and a head that is not tied to it."""
        names = [llama.EMBEDDING] if self.tied else [llama.EMBEDDING, llama.HEAD]
        return {name: self.all_shapes[name] for name in names if name in self.all_shapes}


def linears(n_layer: int) -> list[str]:
    """In the order of the graph."""
    return [f"blk.{i}.{linear}.weight" for i in range(n_layer) for linear in llama.LINEARS]


def head_length(file: GgufFile) -> int:
    """raises  GgufError: no length that heads can have"""
    key, width = "llama.attention.head_count", file.get_int("llama.embedding_length")
    if key in file.keys and file.keys.element_type(key) is not None:
        array = file.get_array(key)
        heads = int(array[0]) if len(array) else 0
    else:
        heads = file.get_int(key)
    length = file.get_int("llama.attention.key_length", width // heads if heads > 0 and width % heads == 0 else 0)
    if length <= 0 or length % 2 != 0:
        raise GgufError(f"heads of {length} rows: llama.attention.key_length or head_count is wrong", file.path)
    return length


def _from_gguf(path: Path) -> Base:
    file = open_gguf(path)  # it stays open as long as the base lives
    architecture = file.get_str("general.architecture")
    if architecture != llama.ARCHITECTURE:
        raise GgufError(f"architecture '{architecture[:40]}' is not supported, only llama is", file.path)
    n_layer, head_dim = file.get_int("llama.block_count"), head_length(file)
    if not 1 <= n_layer <= MAX_LAYERS:
        raise GgufError(f"llama.block_count is {n_layer}", file.path)
    tied = llama.HEAD not in file.tensors
    shapes = {}
    for name in [*linears(n_layer), *([] if tied else [llama.HEAD])]:
        if name not in file.tensors or len(file.tensors[name].shape) != 2:
            raise GgufError(f"tensor '{name}' is missing, or no matrix", file.path)
        rows, columns = file.tensors[name].shape
        if llama.is_permuted(name) and rows % head_dim != 0:
            raise GgufError(f"tensor '{name}' has {rows} rows, no multiple of the {head_dim} of a head", file.path)
        shapes[name] = (rows, columns)

    def is_wide(name: str) -> bool:
        t = file.tensors[name]
        return t.n_bytes * 8 >= 16 * t.n_elements

    def weight(name: str) -> npt.NDArray[np.float32] | None:
        if name not in file.tensors:
            return None
        values = file.tensors[name].decode()
        scale = file.tensors.get(name.removesuffix(".weight") + ".scale")  # of the whole tensor, beside nvfp4
        if scale is None or len(values.shape) != 2:
            return values
        if scale.n_elements != 1:
            raise GgufError(f"tensor '{scale.name}' has {scale.n_elements} elements; the scale of a tensor is one number", file.path)
        scaled: npt.NDArray[np.float32] = values * scale.decode().reshape(-1)[0]
        return scaled

    return Base(file.get_str("general.name", ""), architecture, head_dim, n_layer, tied, shapes, weight, is_wide,
                {name: t.shape for name, t in file.tensors.items()})


def _from_directory(path: Path) -> Base:
    from ..checkpoints import Checkpoint  # which knows config.json

    return Checkpoint.open(path).as_base()
