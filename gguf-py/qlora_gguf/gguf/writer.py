"""Writes GGUF files: keys and tensors are collected, checked against the rules that the reader will apply, and written
in one pass. A tensor may be given as a function that makes it, so a model of any size takes the memory of one tensor."""
from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from .. import quants
from ..dtypes import PLANE_ALIGNMENT, DType, align
from ..errors import GgufError
from ..files import Path, whole_file
from .format import (ALIGNMENT_KEY, DEFAULT_ALIGNMENT, MAGIC, MAX_DIMS, MAX_ELEMENTS, MAX_KEY_BYTES, MAX_NAME_BYTES, VERSION,
                     ValueType, excerpt, to_bytes)
from .reader import GgufFile

_ARRAY_TYPES = {"u1": ValueType.U8, "i1": ValueType.I8, "u2": ValueType.U16, "i2": ValueType.I16, "u4": ValueType.U32,
                "i4": ValueType.I32, "u8": ValueType.U64, "i8": ValueType.I64, "f4": ValueType.F32, "f8": ValueType.F64,
                "b1": ValueType.BOOL}
Bytes = npt.NDArray[np.uint8]


def _string(text: str) -> bytes:
    data = to_bytes(text)
    return struct.pack("<Q", len(data)) + data


def _expect(key: str, value: object, kind: type | tuple[type, ...]) -> None:
    if not isinstance(key, str):
        raise TypeError(f"a key is a string, not {type(key).__name__}")
    wrong_bool = isinstance(value, (bool, np.bool_)) and kind is not bool
    if wrong_bool or not isinstance(value, kind):
        raise TypeError(f"key '{excerpt(key)}': a value of type {type(value).__name__}")


def _expect_type(key: str, kind: ValueType) -> None:
    if not isinstance(kind, ValueType):
        raise TypeError(f"key '{excerpt(key)}': its type is a ValueType, not {type(kind).__name__}")


def _dims(name: str, shape: Sequence[SupportsIndex]) -> tuple[int, ...]:
    for n in shape:
        if isinstance(n, bool) or not isinstance(n, SupportsIndex):
            raise TypeError(f"tensor '{excerpt(str(name))}': a shape holds whole numbers, not {type(n).__name__}")
    return tuple(operator.index(n) for n in shape)


def _dtype(name: str, dtype: DType | str | SupportsIndex) -> DType:
    try:
        return DType.of(dtype)
    except ValueError as e:
        raise GgufError(f"tensor '{excerpt(str(name))}': {e}") from None


def _encoded(name: str, array: npt.NDArray[Any], dtype: DType) -> Bytes:
    try:
        return quants.encode(array, dtype)
    except ValueError as e:  # EncodeError is one
        raise GgufError(f"tensor '{excerpt(str(name))}': {e}") from None


@dataclass
class _Source:
    name: str
    dtype: DType
    shape: tuple[int, ...]
    size: int
    produce: Callable[[], Bytes]


class Writer:
    """Setting a key again replaces its value, in place. general.alignment is the writer's own.

    raises  TypeError: a value of another Python type than its setter's; GgufError: what the format has no place for"""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}
        self._tensors: dict[str, _Source] = {}

    def set_int(self, key: str, value: int, kind: ValueType = ValueType.U32) -> None:
        _expect(key, value, (int, np.integer))
        _expect_type(key, kind)
        if not kind.is_int:
            raise GgufError(f"key '{excerpt(key)}': {kind.label} is no integer type")
        try:
            self._set(key, kind, struct.pack("<" + kind.code, int(value)))
        except struct.error:
            raise GgufError(f"key '{excerpt(key)}': {value} does not fit into a {kind.label}") from None

    def set_float(self, key: str, value: float, kind: ValueType = ValueType.F32) -> None:
        _expect(key, value, (int, float, np.floating, np.integer))
        _expect_type(key, kind)
        if kind not in (ValueType.F32, ValueType.F64):
            raise GgufError(f"key '{excerpt(key)}': {kind.label} is no floating-point type")
        try:
            self._set(key, kind, struct.pack("<" + kind.code, float(value)))
        except OverflowError:
            raise GgufError(f"key '{excerpt(key)}': {str(value)[:40]} does not fit into a {kind.label}") from None

    def set_bool(self, key: str, value: bool) -> None:
        _expect(key, value, bool)
        self._set(key, ValueType.BOOL, bytes([value]))

    def set_str(self, key: str, value: str) -> None:
        _expect(key, value, str)
        self._set(key, ValueType.STRING, _string(value))

    def set_strings(self, key: str, values: Sequence[str]) -> None:
        if isinstance(values, (str, bytes)):  # is a sequence, too
            raise TypeError(f"key '{excerpt(str(key))}': a list of texts is needed, not {type(values).__name__}")
        for value in values:
            _expect(key, value, str)
        head = struct.pack("<iQ", ValueType.STRING, len(values))
        self._set(key, ValueType.ARRAY, head + b"".join(_string(value) for value in values))

    def set_array(self, key: str, values: npt.NDArray[Any]) -> None:
        """Numbers or bools, 1-D, of the array's own type."""
        _expect(key, values, np.ndarray)
        kind = _ARRAY_TYPES.get(values.dtype.str[1:])
        if kind is None or values.ndim != 1:
            raise TypeError(f"key '{excerpt(key)}': arrays of {values.dtype} with {values.ndim} dimensions are not written")
        data = np.ascontiguousarray(values, dtype=kind.numpy)
        self._set(key, ValueType.ARRAY, struct.pack("<iQ", kind, len(data)) + data.tobytes())

    def unset(self, key: str) -> None:
        self._keys.pop(key, None)

    def copy_keys(self, file: GgufFile) -> None:
        """Every key but those that describe the other file and not its model: general.alignment and split.*"""
        for key in file.keys:
            if key != ALIGNMENT_KEY and not key.startswith("split."):
                self._set(key, file.keys.type(key), file.keys.raw(key))

    def add_array(self, name: str, array: npt.NDArray[Any], dtype: DType | str | SupportsIndex = DType.F32) -> None:
        """Encodes now.    raises  also EncodeError as GgufError, with the tensor's name"""
        kind = _dtype(name, dtype)
        data = _encoded(name, array, kind)
        self.add_raw(name, kind, array.shape, lambda: data)

    def add_raw(self, name: str, dtype: DType | str | SupportsIndex, shape: Sequence[SupportsIndex],
                data: Bytes | Callable[[], Bytes]) -> None:
        """Bytes as a file holds them, borrowed until `write`; or a function that makes them while writing.
        The shape is outermost first."""
        kind, dims = _dtype(name, dtype), _dims(name, shape)
        self._check_name("tensor name", name, MAX_NAME_BYTES)
        if name in self._tensors:
            raise GgufError(f"tensor '{excerpt(name)}' was added already")
        n = self._count(name, dims)
        try:
            if dims[-1] % kind.block_length != 0:
                raise ValueError(f"rows of {dims[-1]} elements are no multiple of the {kind.block_length} of a block of "
                                 f"{kind.label}")
            source = _Source(name, kind, dims, kind.n_bytes(n), data if callable(data) else lambda: data)
        except ValueError as e:
            raise GgufError(f"tensor '{excerpt(name)}': {e}") from None
        if not callable(data):
            self._check_data(source, data)
        self._tensors[name] = source

    def add_tensor(self, name: str, dtype: DType | str | SupportsIndex, shape: Sequence[SupportsIndex],
                   produce: Callable[[], npt.NDArray[Any]]) -> None:
        """Values that `produce` makes while the file is written, and that are encoded then."""
        kind, dims = _dtype(name, dtype), _dims(name, shape)
        if not quants.can_encode(kind):
            raise GgufError(f"tensor '{excerpt(name)}': {kind.label} can be read, but is not written here")

        def encoded() -> Bytes:
            array = produce()
            if array.shape != dims:
                raise GgufError(f"tensor '{excerpt(name)}': got the shape {array.shape}, not {dims}")
            return _encoded(name, array, kind)

        self.add_raw(name, kind, dims, encoded)

    @property
    def alignment(self) -> int:
        return PLANE_ALIGNMENT if any(t.dtype.planar for t in self._tensors.values()) else DEFAULT_ALIGNMENT

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all.    raises  OSError, GgufError"""
        alignment = self.alignment
        with whole_file(path) as file:
            file.write(self._head())
            for source in self._tensors.values():
                data = source.produce()
                self._check_data(source, data)
                file.write(np.ascontiguousarray(data).data)
                file.write(bytes(align(source.size, alignment) - source.size))

    def _set(self, key: str, kind: ValueType, value: bytes) -> None:
        self._check_name("key", key, MAX_KEY_BYTES)
        if key == ALIGNMENT_KEY:
            raise GgufError(f"{ALIGNMENT_KEY} is chosen by the writer and cannot be set")
        self._keys[key] = struct.pack("<i", kind) + value

    @staticmethod
    def _check_name(what: str, name: str, most: int) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a {what} is a string, not {type(name).__name__}")
        size = len(to_bytes(name))
        if size == 0 or size > most or "\0" in name:
            raise GgufError(f"the {what} '{excerpt(name)}' has {size} bytes; it must have 1 to {most}, without a NUL")

    @staticmethod
    def _count(name: str, dims: tuple[int, ...]) -> int:
        n = 1
        for dim in dims:
            n *= dim
        if not 1 <= len(dims) <= MAX_DIMS or min(dims) <= 0 or n > MAX_ELEMENTS:
            raise GgufError(f"tensor '{excerpt(name)}': the shape {dims} is none of 1 to {MAX_DIMS} positive dimensions")
        return n

    @staticmethod
    def _check_data(source: _Source, data: Bytes) -> None:
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8:
            raise TypeError(f"tensor '{excerpt(source.name)}': its bytes must be an array of uint8")
        if data.ndim != 1 or data.size != source.size:
            raise GgufError(f"tensor '{excerpt(source.name)}': {data.size} bytes, its type and shape need {source.size}")

    def _head(self) -> bytes:
        """Everything before the data, padded."""
        alignment, keys = self.alignment, dict(self._keys)
        if alignment != DEFAULT_ALIGNMENT:
            keys[ALIGNMENT_KEY] = struct.pack("<iI", ValueType.U32, alignment)
        parts = [MAGIC, struct.pack("<Iqq", VERSION, len(self._tensors), len(keys))]
        for key, value in keys.items():
            parts += [_string(key), value]
        offset = 0
        for t in self._tensors.values():
            dims = tuple(reversed(t.shape))
            parts += [_string(t.name), struct.pack(f"<I{len(dims)}qiQ", len(dims), *dims, t.dtype, offset)]
            offset += align(t.size, alignment)
        head = b"".join(parts)
        return head + bytes(align(len(head), alignment) - len(head))
