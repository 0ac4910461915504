"""An open GGUF file: its keys as Python values, its tensors as views of the mapped file.

A model in parts is opened by its first, NAME-00001-of-00003.gguf. The file must not be cut while it is open: like every
mapped file it would end the process."""
from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Mapping
from mmap import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import quants
from ..dtypes import DType
from ..errors import GgufError
from ..files import Path, map_file
from .format import ValueType, excerpt, to_text
from .parse import Contents, KeyPlace, TensorPlace, parse

_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf", re.DOTALL)


class _Part:
    """A mapped file until it is closed. Arrays that were handed out keep the mapping alive by themselves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._data: mmap | bytes | None = map_file(path)
        try:
            self.contents: Contents = parse(self._data, path)
        except BaseException:
            self.close()
            raise

    @property
    def data(self) -> mmap | bytes:
        if self._data is None:
            raise GgufError("the file was closed", self.path)
        return self._data

    def close(self) -> None:
        data, self._data = self._data, None
        if isinstance(data, mmap):
            try:
                data.close()
            except BufferError:
                pass  # an array lives on it


class Tensor:
    """One tensor of an open file."""

    def __init__(self, part: _Part, place: TensorPlace) -> None:
        self._part, self._place = part, place
        self.name, self.dtype, self.shape = place.name, place.dtype, place.shape

    @property
    def n_elements(self) -> int:
        n = 1
        for dim in self.shape:
            n *= dim
        return n

    @property
    def n_bytes(self) -> int:
        return self._place.size

    @property
    def offset(self) -> int:
        """Of the data from the start of its file."""
        return self._place.start

    def raw(self) -> npt.NDArray[np.uint8]:
        """The bytes in the file, uint8 1-D, read-only, not copied."""
        return np.frombuffer(self._part.data, dtype=np.uint8, count=self.n_bytes, offset=self.offset)

    def array(self) -> npt.NDArray[Any]:
        """The values of a plain type (f32, f16, integers), read-only, not copied.    raises  ValueError for others"""
        plain = quants.plain_dtype(self.dtype)
        if plain is None:
            raise ValueError(f"tensor '{self.name}' is {self.dtype.label}, which NumPy has no type for; decode() it")
        return self.raw().view(plain).reshape(self.shape)

    def decode(self, out: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
        """The values as float32, of the tensor's shape.    raises  GgufError: a type that is not decoded here"""
        if not quants.can_decode(self.dtype):
            raise GgufError(f"tensor '{excerpt(self.name)}': {self.dtype.label} is not decoded here", self._part.path)
        return quants.decode(self.raw(), self.dtype, self.shape, out)

    def __repr__(self) -> str:
        return f"<Tensor {self.name} {self.dtype.label} {list(self.shape)}>"


class Keys(Mapping[str, Any]):
    """The keys by name. Values are int, float, bool, str, an array of numbers, or a list of str."""

    def __init__(self, part: _Part) -> None:
        self._part, self._places = part, part.contents.keys

    def __getitem__(self, key: str) -> Any:
        return self._value(self._places[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def type(self, key: str) -> ValueType:
        return self._places[key].type

    def element_type(self, key: str) -> ValueType | None:
        """Of an array; None of other values."""
        return self._places[key].element

    def count(self, key: str) -> int:
        """Elements of an array; 1 of other values."""
        return self._places[key].count

    def raw(self, key: str) -> bytes:
        """The value as it is in the file, without its type."""
        place = self._places[key]
        return bytes(self._part.data[place.head:place.stop])

    def _value(self, place: KeyPlace) -> Any:
        data = self._part.data
        if place.type == ValueType.STRING:
            return to_text(data[place.start + 8:place.stop])
        if place.element == ValueType.STRING:
            return self._strings(place)
        if place.element is not None:
            return np.frombuffer(data[place.start:place.stop], dtype=place.element.numpy).copy()
        value = struct.unpack_from("<" + place.type.code, data, place.start)[0]
        return bool(value) if place.type == ValueType.BOOL else value

    def _strings(self, place: KeyPlace) -> list[str]:
        data, at, texts = self._part.data[place.start:place.stop], 0, []
        for _ in range(place.count):
            end = at + 8 + int.from_bytes(data[at:at + 8], "little")
            texts.append(to_text(data[at + 8:end]))
            at = end
        return texts


class GgufFile:
    """keys: the values by name; tensors: by name, in the file's order; of a model in parts those of all parts."""

    def __init__(self, path: Path) -> None:
        self.path = os.fspath(path)
        self._parts: list[_Part] = []
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        shard = _SHARD.fullmatch(self.path)
        stem, number, count = (shard[1], int(shard[2]), int(shard[3])) if shard else ("", 1, 1)
        if not 1 <= number <= count:
            stem, number, count = "", 1, 1
        if number != 1:
            raise GgufError(f"is part {number} of {count}; open the first, {stem}-00001-of-{count:05}.gguf", self.path)
        self._parts.append(_Part(self.path))
        first = self._parts[0].contents
        self.version, self.alignment = first.version, first.alignment
        self.keys = Keys(self._parts[0])
        if not stem and self.get_int("split.count", 1) > 1:
            raise GgufError(f"is one of {self.get_int('split.count')} parts; give them their names, "
                            f"NAME-00001-of-{self.get_int('split.count'):05}.gguf and so on, and open the first", self.path)
        for other in range(2, count + 1):
            path = f"{stem}-{other:05}-of-{count:05}.gguf"
            try:
                self._parts.append(_Part(path))
            except FileNotFoundError:
                raise GgufError(f"part {other} of {count} of the model is missing", path) from None
        self._check_parts(count if stem else 0)
        self.tensors: dict[str, Tensor] = {}
        for part in self._parts:
            for name, place in part.contents.tensors.items():
                if name in self.tensors:
                    raise GgufError(f"tensor '{excerpt(name)}' is in another part too", part.path)
                self.tensors[name] = Tensor(part, place)

    def _check_parts(self, count: int) -> None:
        """Each part says which it is; `count` is 0 where the name is that of no part."""
        for i, part in enumerate(self._parts if count else []):
            keys = Keys(part)
            for key, expected in (("split.count", count), ("split.no", i)):
                if key in keys and (not keys.type(key).is_int or keys[key] != expected):
                    raise GgufError(f"key '{key}' is {keys[key]}, by its name the part should have {expected}", part.path)

    def close(self) -> None:
        """Afterwards keys and tensors raise GgufError; arrays that were handed out stay."""
        for part in self._parts:
            part.close()

    def __enter__(self) -> GgufFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<GgufFile {self.path}>"

    # A key of another type is an error, never a conversion; a missing key gives `default`, or is an error without one.

    def get_int(self, key: str, default: int | None = None) -> int:
        return int(self._get(key, default, "an integer", lambda kind: kind.is_int))

    def get_float(self, key: str, default: float | None = None) -> float:
        floats = (ValueType.F32, ValueType.F64)
        return float(self._get(key, default, "a floating-point number", lambda kind: kind in floats))

    def get_bool(self, key: str, default: bool | None = None) -> bool:
        return bool(self._get(key, default, "a bool", lambda kind: kind == ValueType.BOOL))

    def get_str(self, key: str, default: str | None = None) -> str:
        return str(self._get(key, default, "a string", lambda kind: kind == ValueType.STRING))

    def get_strings(self, key: str, default: list[str] | None = None) -> list[str]:
        value: list[str] = self._get(key, default, "an array of strings", lambda kind: kind == ValueType.ARRAY)
        if key in self.keys and self.keys.element_type(key) != ValueType.STRING:
            raise GgufError(f"key '{excerpt(key)}' is an array of numbers, an array of strings is needed", self.path)
        return value

    def get_array(self, key: str) -> npt.NDArray[Any]:
        """Of numbers or bools, copied."""
        value = self._get(key, None, "an array of numbers", lambda kind: kind == ValueType.ARRAY)
        if not isinstance(value, np.ndarray):
            raise GgufError(f"key '{excerpt(key)}' is an array of strings, an array of numbers is needed", self.path)
        return value

    def _get(self, key: str, default: Any, wanted: str, is_wanted: Any) -> Any:
        if key not in self.keys:
            if default is None:
                raise GgufError(f"key '{excerpt(key)}' is missing", self.path)
            return default
        kind = self.keys.type(key)
        if not is_wanted(kind):
            raise GgufError(f"key '{excerpt(key)}' is of type {kind.label}, {wanted} is needed", self.path)
        return self.keys[key]


def open(path: Path) -> GgufFile:  # noqa: A001 - gguf.open reads best
    """Opens and checks a file.    raises  OSError; GgufError, which names the field and where in the file it is"""
    return GgufFile(path)


__all__ = ["DType", "GgufFile", "Keys", "Tensor", "open"]
