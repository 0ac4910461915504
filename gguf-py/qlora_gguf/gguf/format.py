"""The GGUF container, as the reader and the writer both see it.

    magic "GGUF" | u32 version | i64 n_tensors | i64 n_keys
    n_keys times:    string key | i32 type | value               string = u64 length, bytes
                     an array's value = i32 element type | u64 n | n packed elements
    n_tensors times: string name | u32 n_dims | i64 dims[n_dims] | i32 type | u64 offset from the start of the data
    padding | data: each tensor's bytes, padded                  padded = to a multiple of general.alignment

All numbers are little-endian. Dimensions are innermost first in a file, outermost first (NumPy's order) in Python.
"""
from __future__ import annotations

import enum

from ..errors import GgufError

MAGIC = b"GGUF"
VERSION = 3  # 2 differs in nothing that is read here
DEFAULT_ALIGNMENT = 32
MAX_KEY_BYTES = 65535
MAX_NAME_BYTES = 63  # upstream keeps a tensor's name in 64 bytes
MAX_DIMS = 4
MAX_ELEMENTS = (2**63 - 1) // 8  # above it bytes could overflow for some type
ALIGNMENT_KEY = "general.alignment"


class ValueType(enum.IntEnum):
    """The type of a key's value."""

    U8 = 0
    I8 = 1
    U16 = 2
    I16 = 3
    U32 = 4
    I32 = 5
    F32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    U64 = 10
    I64 = 11
    F64 = 12

    @property
    def label(self) -> str:
        return self.name.lower()

    @property
    def is_int(self) -> bool:
        return self in _CODES and self not in (ValueType.F32, ValueType.F64, ValueType.BOOL)

    @property
    def code(self) -> str:
        """The letter of `struct`; NumPy's type of an array's elements is NUMPY[code]. "" of strings and arrays."""
        return _CODES.get(self, "")

    @property
    def numpy(self) -> str:
        return _NUMPY.get(self, "")


_CODES = {ValueType.U8: "B", ValueType.I8: "b", ValueType.U16: "H", ValueType.I16: "h", ValueType.U32: "I",
          ValueType.I32: "i", ValueType.F32: "f", ValueType.BOOL: "B", ValueType.U64: "Q", ValueType.I64: "q",
          ValueType.F64: "d"}
_NUMPY = {ValueType.U8: "<u1", ValueType.I8: "<i1", ValueType.U16: "<u2", ValueType.I16: "<i2", ValueType.U32: "<u4",
          ValueType.I32: "<i4", ValueType.F32: "<f4", ValueType.BOOL: "|b1", ValueType.U64: "<u8", ValueType.I64: "<i8",
          ValueType.F64: "<f8"}


def to_text(data: bytes) -> str:
    """Strings in files are bytes: what is no UTF-8 goes into surrogates, and comes back from them."""
    return data.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """raises  GgufError: other surrogates, which are no text"""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as e:
        raise GgufError(f"the text '{excerpt(text)}': character {e.start} is no Unicode text") from None


def excerpt(text: str) -> str:
    """At most 80 characters of a string from a file, for messages."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 80 else text[:80] + "..."
