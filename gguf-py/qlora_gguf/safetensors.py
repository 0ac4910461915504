"""The safetensors format: u64 header length, a JSON header of tensors, then their bytes. Read and written with NumPy
alone; bf16, which NumPy lacks, is widened to float32."""
from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from . import quants
from .errors import GgufError
from .gguf.format import to_bytes
from .files import Path, map_file, whole_file
from .json_file import parse_object

_MAX_HEADER = 100_000_000  # the format's own limit
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "U64": "<u8", "I32": "<i4", "U32": "<u4", "I16": "<i2",
          "U16": "<u2", "I8": "<i1", "U8": "<u1", "BOOL": "|b1", "BF16": "<u2", "F8_E4M3": "<u1", "F8_E5M2": "<u1"}
WEIGHTS = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class SafeTensor:
    """dtype and shape as in the file: "BF16", outermost first."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    size: int


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


class SafeTensors:
    """An open file; `tensors` by name, in the order of their bytes."""

    def __init__(self, path: Path) -> None:
        self.path = os.fspath(path)
        self._data: mmap | bytes | None = map_file(path)
        try:
            self.tensors, self.metadata = self._parse(self._data)
        except BaseException:
            self.close()
            raise

    def _parse(self, data: mmap | bytes) -> tuple[dict[str, SafeTensor], dict[str, Any]]:
        size = len(data)
        header_size = struct.unpack_from("<Q", data)[0] if size >= 8 else 0
        if size < 8 or header_size > min(size - 8, _MAX_HEADER):
            raise GgufError(f"a header of {header_size} bytes in a file of {size}; is it a whole safetensors file?", self.path)
        header = parse_object(data[8:8 + header_size], self.path, "the header ")
        metadata = header.pop("__metadata__", {})
        base = 8 + header_size
        tensors = sorted((self._entry(name, entry, base, size - base) for name, entry in header.items()),
                         key=lambda t: (t.begin, t.size))
        end, before = base, ""  # tensors cover all data, and no byte twice: the format's library refuses every other file
        for t in tensors:
            if t.begin < end:
                raise GgufError(f"tensors '{before[:80]}' and '{t.name[:80]}' overlap", self.path)
            if t.begin > end:
                raise GgufError(f"{t.begin - end} bytes in front of '{t.name[:80]}' belong to no tensor", self.path)
            end, before = t.begin + t.size, t.name
        if end < size:
            raise GgufError(f"{size - end} bytes at the end of the file belong to no tensor", self.path)
        return {t.name: t for t in tensors}, metadata if isinstance(metadata, dict) else {}

    def _entry(self, name: str, entry: Any, base: int, room: int) -> SafeTensor:
        def wrong(what: str) -> GgufError:
            return GgufError(f"tensor '{name[:80]}': {what}", self.path)

        if not isinstance(entry, dict):
            raise wrong("is no object")
        dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
        if not isinstance(dtype, str) or dtype not in _TYPES:
            raise wrong(f"type {str(dtype)[:20]!r} is unknown")
        if not isinstance(shape, list) or not all(_count(n) for n in shape):
            raise wrong("shape is no list of counts")
        if not isinstance(offsets, list) or len(offsets) != 2 or not all(_count(n) for n in offsets):
            raise wrong("data_offsets are not two counts")
        begin, end = offsets
        if begin > end or end > room:
            raise wrong(f"data_offsets [{begin}, {end}] are out of range, there are {room} bytes of data")
        n = np.dtype(_TYPES[dtype]).itemsize
        for dim in shape:
            n *= dim
        if n != end - begin or len(shape) > 32:
            raise wrong(f"{dtype} {shape[:32]} needs {n} bytes, data_offsets give {end - begin}")
        return SafeTensor(name, dtype, tuple(shape), base + begin, n)

    def raw(self, name: str) -> npt.NDArray[Any]:
        """The elements as they are in the file, read-only, not copied; bf16 as uint16, 8-bit floats as uint8."""
        if self._data is None:
            raise GgufError("the file was closed", self.path)
        t = self.tensors[name]
        return np.frombuffer(self._data, dtype=np.uint8, count=t.size, offset=t.begin).view(_TYPES[t.dtype]).reshape(t.shape)

    def weights(self, name: str) -> npt.NDArray[np.float32]:
        """F32, F16 or BF16 as a new float32 array.    raises  GgufError: another type"""
        t = self.tensors[name]
        if t.dtype not in WEIGHTS:
            raise GgufError(f"tensor '{name[:80]}' is {t.dtype}; weights must be F32, F16 or BF16", self.path)
        raw = self.raw(name)
        if t.dtype != "BF16":
            return raw.astype(np.float32)
        if raw.size == 0:
            return np.zeros(t.shape, dtype=np.float32)
        return quants.decode(np.ascontiguousarray(raw).reshape(-1).view(np.uint8), "bf16", t.shape)

    def close(self) -> None:
        data, self._data = self._data, None
        if isinstance(data, mmap):
            try:
                data.close()
            except BufferError:
                pass  # an array lives on it

    def __enter__(self) -> SafeTensors:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write(path: Path, tensors: Mapping[str, npt.NDArray[np.float32]], metadata: Mapping[str, str] | None = None) -> None:
    """A file of f32 tensors, in their order, whole or not at all; the bytes that the C++ library writes."""
    with whole_file(path) as file:
        write_to(file, tensors, metadata)


def write_to(file: IO[bytes], tensors: Mapping[str, npt.NDArray[np.float32]], metadata: Mapping[str, str] | None = None) -> None:
    """The same into an open file."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"} | dict(sorted((metadata or {}).items()))}
    at = 0
    for name, array in tensors.items():
        if not isinstance(array, np.ndarray) or array.dtype != np.float32:
            raise TypeError(f"tensor '{name[:80]}' must be an array of float32")
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    words = to_bytes(json.dumps(header, separators=(",", ":"), ensure_ascii=False))
    text = words.decode("utf-8", "replace").encode()  # of a GGUF file's names, which may be any bytes
    text += b" " * (-len(text) % 8)  # so that the data is aligned when the file is mapped
    file.write(struct.pack("<Q", len(text)) + text)
    for array in tensors.values():
        file.write(np.ascontiguousarray(array).data)
