"""A Hugging Face model directory of the llama architecture: config.json and one or several safetensors files."""
from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .. import llama
from ..adapters.base import Base, linears
from ..errors import GgufError
from ..files import Path
from ..json_file import JsonFile, read_object
from ..safetensors import WEIGHTS, SafeTensors
from .config import Config, read_config

F32 = npt.NDArray[np.float32]
_SINGLE = "model.safetensors"


def _files(directory: str) -> list[str]:
    """The names of the weights' files, and what the index says of them is there."""
    if os.path.exists(os.path.join(directory, _SINGLE)):
        return [_SINGLE]
    index = os.path.join(directory, f"{_SINGLE}.index.json")
    if not os.path.exists(index):
        raise GgufError(f"neither {_SINGLE} nor {_SINGLE}.index.json is there", directory)
    names = JsonFile(index, read_object(index)).at("weight_map")
    if not isinstance(names, dict) or not names:
        raise GgufError("'weight_map' lists no tensors", index)
    for tensor, name in names.items():
        if not isinstance(name, str) or not name or os.path.basename(name) != name or name.startswith(".") or "\0" in name:
            raise GgufError(f"the file of tensor '{tensor[:80]}' is not the name of a file in the same directory", index)
    return sorted(set(names.values()))


class Checkpoint:
    """Weights by their GGUF names; values come in GGUF's order of rows."""

    def __init__(self, directory: Path) -> None:
        self.path = os.fspath(directory)
        self.name = os.path.basename(os.path.abspath(self.path))
        self.config: Config = read_config(JsonFile.open(os.path.join(self.path, "config.json")))
        self._places: dict[str, tuple[SafeTensors, str]] = {}  # the file and the tensor's name there
        self._files: list[SafeTensors] = []
        try:
            for name in _files(self.path):
                self._files.append(SafeTensors(os.path.join(self.path, name)))
                self._add(self._files[-1])
            self._check()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, directory: Path) -> Checkpoint:
        """raises  OSError, GgufError"""
        return cls(directory)

    def _add(self, file: SafeTensors) -> None:
        for tensor in file.tensors:
            if tensor.endswith(".rotary_emb.inv_freq"):
                continue
            name = llama.gguf_name(tensor)
            if name is None:
                raise GgufError(f"tensor '{tensor[:80]}' is not one that a llama model has", file.path)
            if name in self._places:
                raise GgufError(f"tensor '{tensor[:80]}' is in two files", file.path)
            self._places[name] = (file, tensor)

    def needed(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names and shapes, as the file will have them."""
        c = self.config
        yield llama.EMBEDDING, (c.n_vocab, c.n_embd)
        for i in range(c.n_layer):
            yield f"blk.{i}.attn_norm.weight", (c.n_embd,)
            yield f"blk.{i}.ffn_norm.weight", (c.n_embd,)
            for linear in llama.LINEARS:
                yield f"blk.{i}.{linear}.weight", c.rows(linear)
                if any(there and linear.startswith(begin) for begin, there in c.biases.items()):
                    yield f"blk.{i}.{linear}.bias", c.rows(linear)[:1]
        yield "output_norm.weight", (c.n_embd,)
        if c.tied is False or (c.tied is None and llama.HEAD in self._places):
            yield llama.HEAD, (c.n_vocab, c.n_embd)

    def _check(self) -> None:
        wanted = dict(self.needed())
        for name, shape in wanted.items():
            if name not in self._places:
                raise GgufError(f"tensor '{llama.hf_name(name)}' is missing", self.path)
            file, tensor = self._places[name]
            t = file.tensors[tensor]
            if t.shape != shape:
                raise GgufError(f"tensor '{tensor}' is {list(t.shape)}, {list(shape)} is needed", file.path)
            if t.dtype not in WEIGHTS:
                raise GgufError(f"tensor '{tensor}' is {t.dtype}; weights must be F32, F16 or BF16", file.path)
        if self.config.tied and llama.HEAD in self._places:
            self._check_tied_head()
        unneeded = [name for name in self._places if name not in wanted and not (name == llama.HEAD and self.config.tied)]
        if unneeded:
            raise GgufError(f"tensor '{llama.hf_name(unneeded[0])}' is there, but config.json speaks of none", self.path)

    def _check_tied_head(self) -> None:
        (file, head), (other, embedding) = self._places[llama.HEAD], self._places[llama.EMBEDDING]
        if file.raw(head).tobytes() != other.raw(embedding).tobytes():
            raise GgufError(f"tie_word_embeddings says that the head is the embedding, but '{head}' is there and differs",
                            file.path)

    @property
    def tied(self) -> bool:
        return llama.HEAD not in dict(self.needed())

    def source_dtype(self, name: str) -> str:
        file, tensor = self._places[name]
        return file.tensors[tensor].dtype

    def weight(self, name: str) -> F32:
        """By its GGUF name, in f32 and GGUF's order of rows."""
        file, tensor = self._places[name]
        values = file.weights(tensor)
        return llama.rows_to_gguf(values, self.config.head_dim) if llama.is_permuted(name) else values

    def as_base(self) -> Base:
        shapes = {name: self.config.rows(name.split(".")[2]) for name in linears(self.config.n_layer)}
        if not self.tied:
            shapes[llama.HEAD] = (self.config.n_vocab, self.config.n_embd)
        return Base(self.name, llama.ARCHITECTURE, self.config.head_dim, self.config.n_layer, self.tied, shapes,
                    lambda name: self.weight(name) if name in self._places else None, lambda name: True,
                    dict(self.needed()))

    def close(self) -> None:
        for file in self._files:
            file.close()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
