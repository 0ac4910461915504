"""Checks a file's bytes and lists what is in them. Every rule of the C++ reader holds here, and nothing is allocated
before the bytes that it is for were seen."""
from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from mmap import mmap
from typing import Any, NoReturn

from ..dtypes import PLANE_ALIGNMENT, DType, align
from ..errors import GgufError
from .format import (ALIGNMENT_KEY, DEFAULT_ALIGNMENT, MAGIC, MAX_DIMS, MAX_ELEMENTS, MAX_KEY_BYTES, MAX_NAME_BYTES,
                     ValueType, excerpt, to_text)

_MIN_KEY_BYTES = 8 + 1 + 4 + 1  # name of one byte, type, a value of one byte
_MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8  # name of one byte, n_dims, one dim, type, offset
_U64 = struct.Struct("<Q")


@dataclass(frozen=True)
class KeyPlace:
    """Where a value is; of an array start is behind its head."""

    type: ValueType
    element: ValueType | None
    count: int
    start: int
    stop: int
    head: int  # where the whole value begins


@dataclass(frozen=True)
class TensorPlace:
    name: str
    dtype: DType
    shape: tuple[int, ...]  # outermost first
    start: int
    size: int


@dataclass
class Contents:
    version: int = 0
    alignment: int = DEFAULT_ALIGNMENT
    keys: dict[str, KeyPlace] = field(default_factory=dict)
    tensors: dict[str, TensorPlace] = field(default_factory=dict)
    data_start: int = 0


class Cursor:
    """A walk through a file's bytes that reads nothing past the end."""

    def __init__(self, data: mmap | bytes, path: str | os.PathLike[str]) -> None:
        self.data, self.size, self.path, self.at = data, len(data), path, 0

    def bad(self, what: str, offset: int, why: str) -> NoReturn:
        raise GgufError(f"{what} (offset {offset}): {why}", self.path)

    @property
    def rest(self) -> int:
        return self.size - self.at

    def need(self, what: str, n: int) -> None:
        if n > self.rest:
            self.bad(what, self.at, f"the file ends: {n} bytes are needed, {self.rest} are left")

    def number(self, what: str, code: str) -> Any:
        form = "<" + code
        size = struct.calcsize(form)
        self.need(what, size)
        value = struct.unpack_from(form, self.data, self.at)[0]
        self.at += size
        return value

    def skip_string(self, what: str) -> tuple[int, int]:
        start, length = self.at, self.number(what, "Q")
        if length > self.rest:
            self.bad(what, start, f"a string of {length} bytes, but the file has only {self.rest} more")
        begin = self.at
        self.at += length
        return begin, self.at

    def name(self, what: str, most: int) -> str:
        offset = self.at
        begin, end = self.skip_string(what)
        if begin == end:
            self.bad(what, offset, "is empty")
        if end - begin > most:
            text = excerpt(to_text(self.data[begin:begin + 80]))
            self.bad(what, offset, f"'{text}' has {end - begin} bytes, at most {most} are allowed")
        data = self.data[begin:end]
        if b"\0" in data:
            self.bad(what, offset, "contains a NUL byte")
        return to_text(data)


def _check_version(cursor: Cursor, version: int) -> None:
    if version in (2, 3):
        return
    if version != 0 and version & 0xffff == 0:
        cursor.bad("version", 4, f"0x{version:08x}: a big-endian file; only little-endian files can be read")
    if version == 0:
        cursor.bad("version", 4, "0 is no version")
    way = "convert the model again" if version == 1 else "a newer program is needed"
    cursor.bad("version", 4, f"GGUF version {version} cannot be read, only 2 and 3; {way}")


def _count(cursor: Cursor, what: str, least: int) -> int:
    offset, count = cursor.at, int(cursor.number(what, "q"))
    if count < 0:
        cursor.bad(what, offset, f"{count} is negative")
    if count > cursor.rest // least:
        cursor.bad(what, offset, f"{count} do not fit into the {cursor.rest} bytes that follow")
    return count


def _skip_strings(cursor: Cursor, what: str, count: int) -> None:
    """The inner loop of reading a vocabulary: a hundred thousand strings."""
    at, data, last = cursor.at, cursor.data, cursor.size - 8
    read = _U64.unpack_from
    for _ in range(count):
        if at > last:
            break
        at += 8 + read(data, at)[0]
    else:
        if at <= cursor.size:
            cursor.at = at
            return
    for _ in range(count):  # again, slowly: it says which is wrong
        cursor.skip_string(what)


def _check_bools(cursor: Cursor, what: str, start: int, stop: int) -> None:
    for at in range(start, stop, 1 << 20):
        piece = cursor.data[at:min(at + (1 << 20), stop)]
        rest = piece.translate(None, b"\0\1")
        if rest:
            cursor.bad(what, at + piece.index(rest[:1]), f"a bool of {rest[0]}, must be 0 or 1")


def _parse_array(cursor: Cursor, what: str) -> KeyPlace:
    head = cursor.at
    number, count = cursor.number(what, "i"), 0
    if number == ValueType.ARRAY:
        cursor.bad(what, head, "an array of arrays is not allowed")
    if not 0 <= number <= ValueType.F64:
        cursor.bad(what, head, f"an array of unknown element type {number}")
    element = ValueType(number)
    count = cursor.number(what, "Q")
    size = 8 if element == ValueType.STRING else struct.calcsize(element.code)  # at least
    if count > cursor.rest // size:
        cursor.bad(what, head, f"an array of {count} {element.label}s, but the file has only {cursor.rest} more bytes")
    start = cursor.at
    if element == ValueType.STRING:
        _skip_strings(cursor, what, count)
    else:
        cursor.at += count * size
    if element == ValueType.BOOL:
        _check_bools(cursor, what, start, cursor.at)
    return KeyPlace(ValueType.ARRAY, element, count, start, cursor.at, head)


def _parse_value(cursor: Cursor, key: str) -> KeyPlace:
    what, offset = f"key '{excerpt(key)}'", cursor.at
    number = cursor.number(what, "i")
    if not 0 <= number <= ValueType.F64:
        cursor.bad(what, offset, f"unknown value type {number}")
    kind, start = ValueType(number), cursor.at
    if kind == ValueType.ARRAY:
        return _parse_array(cursor, what)
    if kind == ValueType.STRING:
        cursor.skip_string(what)
    else:
        cursor.number(what, kind.code)
    if kind == ValueType.BOOL:
        _check_bools(cursor, what, start, cursor.at)
    return KeyPlace(kind, None, 1, start, cursor.at, start)


def _alignment(cursor: Cursor, place: KeyPlace, offset: int) -> int:
    if place.type != ValueType.U32:
        cursor.bad(ALIGNMENT_KEY, offset, f"is a {place.type.label}, must be a u32")
    value = int(struct.unpack_from("<I", cursor.data, place.start)[0])
    if value < 8 or value & (value - 1) != 0:
        cursor.bad(ALIGNMENT_KEY, offset, f"is {value}, must be a power of two from 8")
    return value


def _parse_keys(cursor: Cursor, count: int, contents: Contents) -> None:
    for _ in range(count):
        offset = cursor.at
        key = cursor.name("key", MAX_KEY_BYTES)
        if key in contents.keys:
            cursor.bad("key", offset, f"'{excerpt(key)}' is there twice")
        place = contents.keys[key] = _parse_value(cursor, key)
        if key == ALIGNMENT_KEY:
            contents.alignment = _alignment(cursor, place, offset)


def _parse_dims(cursor: Cursor, what: str) -> list[int]:
    start, n_dims = cursor.at, cursor.number(what, "I")
    if not 1 <= n_dims <= MAX_DIMS:
        cursor.bad(what, start, f"{n_dims} dimensions, must be 1 to {MAX_DIMS}")
    dims, product = [], 1
    for i in range(n_dims):
        offset, dim = cursor.at, cursor.number(what, "q")
        if dim <= 0:
            cursor.bad(what, offset, f"dimension {i} is {dim}, must be positive")
        product *= dim
        if product > MAX_ELEMENTS:
            cursor.bad(what, offset, "the product of its dimensions overflows")
        dims.append(dim)
    return dims


def _parse_dtype(cursor: Cursor, what: str, row: int) -> DType:
    offset, number = cursor.at, cursor.number(what, "i")
    try:
        dtype = DType(number)
    except ValueError:
        kind = "a type of a newer version" if number >> 16 == DType.NF4 >> 16 else "unknown or removed type"
        cursor.bad(what, offset, f"{kind}, {number}")
    if row % dtype.block_length != 0:
        cursor.bad(what, offset, f"rows of {row} elements are no multiple of the {dtype.block_length} of a block of "
                                 f"{dtype.label}")
    return dtype


def _parse_tensor(cursor: Cursor, contents: Contents, end: int) -> int:
    """Adds a tensor; `end` is the padded sum of what came before, the result the sum with this one."""
    start = cursor.at
    name = cursor.name("tensor name", MAX_NAME_BYTES)
    if name in contents.tensors:
        cursor.bad("tensor name", start, f"'{excerpt(name)}' is there twice")
    what = f"tensor '{excerpt(name)}'"
    dims = _parse_dims(cursor, what)
    dtype = _parse_dtype(cursor, what, dims[0])
    n = 1
    for dim in dims:
        n *= dim
    offset, value = cursor.at, cursor.number(what, "Q")
    if value % contents.alignment != 0:
        cursor.bad(what, offset, f"data offset {value} is no multiple of the alignment, {contents.alignment}")
    if value != end:
        cursor.bad(what, offset, f"data offset {value} is out of sequence, must be {end}")
    size = dtype.n_bytes(n)
    contents.tensors[name] = TensorPlace(name, dtype, tuple(reversed(dims)), value, size)
    return end + align(size, contents.alignment)


def _place_tensors(cursor: Cursor, contents: Contents) -> None:
    """Moves offsets to the file's start, and checks that it holds the data, with the padding behind the last."""
    base = contents.data_start = align(cursor.at, contents.alignment)
    for name, t in contents.tensors.items():
        what, start = f"data of tensor '{excerpt(name)}'", base + t.start
        padded, left = align(t.size, contents.alignment), max(cursor.size - start, 0)
        if padded > left:
            cursor.bad(what, start, f"the file is cut: {padded} bytes (with padding) are needed, {left} are left")
        if t.dtype.planar and start % PLANE_ALIGNMENT != 0:
            cursor.bad(what, start, f"{t.dtype.label} data must start at a multiple of {PLANE_ALIGNMENT}")
        contents.tensors[name] = TensorPlace(name, t.dtype, t.shape, start, t.size)


def parse(data: mmap | bytes, path: str | os.PathLike[str]) -> Contents:
    """raises  GgufError, which names the field and where in the file it is"""
    cursor = Cursor(data, path)
    if cursor.size == 0:
        raise GgufError("is empty, not a GGUF file", path)
    if data[:4] != MAGIC[:cursor.size]:
        cursor.bad("magic", 0, "not a GGUF file: it must start with 'GGUF'")
    cursor.need("magic", 4)
    cursor.at = 4
    contents = Contents(version=cursor.number("version", "I"))
    _check_version(cursor, contents.version)
    n_tensors = _count(cursor, "tensor count", _MIN_TENSOR_BYTES)
    n_keys = _count(cursor, "key count", _MIN_KEY_BYTES)
    _parse_keys(cursor, n_keys, contents)
    end = 0
    for _ in range(n_tensors):
        end = _parse_tensor(cursor, contents, end)
    _place_tensors(cursor, contents)
    return contents
