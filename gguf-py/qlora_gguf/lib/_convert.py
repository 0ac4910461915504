"""Values between Python and C: options by name, records with attributes, texts, arrays.

Whatever ctypes would cut short in silence (a number too large, a text with a NUL, another dtype) is refused here.
"""
from __future__ import annotations

import ctypes
import dataclasses
import difflib
import math
import numbers
import operator
import os
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from ._library import capi, check, library_version
from ._structs import ENUM_FIELDS, ENUMS, FLAGS
from .errors import BadDtype, BadShape, InvalidArgument, Unsupported

T = TypeVar("T")
_INTEGERS = {ctypes.c_int: (32, True), ctypes.c_int32: (32, True), ctypes.c_int64: (64, True), ctypes.c_uint64: (64, False),
             ctypes.c_size_t: (64, False)}

_LEAST_F32, _MOST_F32 = float(np.finfo(np.float32).smallest_subnormal), float(np.finfo(np.float32).max)


def field_types(struct: Any) -> dict[str, Any]:
    """The ctypes of a struct's fields."""
    return dict(struct._fields_)


def text_bytes(value: str, what: str) -> bytes:
    """A text for C, in UTF-8."""
    if not isinstance(value, str):
        raise TypeError(f"{what}: a str is needed, not {type(value).__name__}")
    try:
        data = value.encode()
    except UnicodeEncodeError as e:
        raise InvalidArgument(f"{what}: character {e.start} is no Unicode text ({value[e.start]!a})") from None
    if b"\0" in data:
        raise InvalidArgument(f"{what}: the text holds a NUL at byte {data.index(0)}")
    return data


def data_of(text: str | bytes, what: str) -> bytes:
    """A text for C with its length, NUL and all; bytes are in UTF-8 already, or are to be read as it."""
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TypeError(f"{what}: a str or bytes is needed, not {type(text).__name__}")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as e:
        raise InvalidArgument(f"{what}: character {e.start} is no Unicode text ({text[e.start]!a})") from None


def path_bytes(value: str | os.PathLike[str], what: str = "path") -> bytes:
    """A path for C, in the file system's encoding."""
    try:
        data = os.fsencode(value)
    except TypeError:
        raise TypeError(f"{what}: a str or path is needed, not {type(value).__name__}") from None
    except UnicodeEncodeError as e:
        raise InvalidArgument(f"{what}: character {e.start} is none of a path ({e.object[e.start]!a})") from None
    if b"\0" in data:
        raise InvalidArgument(f"{what}: the path holds a NUL")
    return data


def text_of(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")


def owned_text(pointer: ctypes.c_void_p) -> str:
    """A text that the library gave away: taken over and freed."""
    try:
        return text_of(ctypes.string_at(pointer.value or 0))
    finally:
        capi.ql_os_free(pointer)


def integer(value: Any, ctype: Any, what: str) -> int:
    bits, signed = _INTEGERS[ctype]
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what}: an integer is needed, not {type(value).__name__}") from None
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if not low <= number <= high:
        raise InvalidArgument(f"{what}: {number} is out of range, {low} to {high} are possible")
    return number


def real(value: Any, what: str) -> float:
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{what}: a number is needed, not {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        raise InvalidArgument(f"{what}: {str(value)[:40]} is out of range") from None
    # The library computes in f32: what that makes infinite or zero would not be the number that was given.
    if math.isfinite(number) and number != 0 and not _LEAST_F32 <= abs(number) <= _MOST_F32:
        raise InvalidArgument(f"{what}: {number:g} is out of range, 0 and {_LEAST_F32:.2g} to {_MOST_F32:.2g} are possible")
    return number


def words_of(enum: str) -> dict[str, int]:
    """An enumeration's numbers by what they are called here: QL_SCHEDULE_COSINE is "cosine"."""
    names = ENUMS[enum]
    common = os.path.commonprefix(list(names))
    prefix = common[:common.rindex("_") + 1]
    return {name.removeprefix(prefix).lower(): number for name, number in names.items()}


def dtype_number(value: str | int, what: str) -> int:
    """A ql_dtype by name ("nf4_dq"), or "keep" and "auto" where an option has them."""
    if not isinstance(value, str):
        return integer(value, ctypes.c_int, what)
    bases = words_of("ql_base_type")
    if value in bases:
        return bases[value]
    number = ctypes.c_int()
    check(capi.ql_dtype_from_name(text_bytes(value, what), ctypes.byref(number)))
    return number.value


def enum_number(value: str | int, enum: str, what: str) -> int:
    if enum == "ql_dtype":
        return dtype_number(value, what)
    words = words_of(enum)
    if isinstance(value, str):
        if value not in words:
            raise InvalidArgument(f"{what}: {value!r} is unknown; there are {', '.join(words)}")
        return words[value]
    return integer(value, ctypes.c_int, what)


_OTHERS = (ctypes.c_double, ctypes.c_float, ctypes.c_char_p)


class Options:
    """A struct of options: the library's defaults, then a caller's values by name.

    The library fills in a struct of its own size, which may be larger than this package knows: there is room."""

    def __init__(self, struct: type[ctypes.Structure], values: Mapping[str, Any], who: str, inner: str | None = None) -> None:
        self._memory = (ctypes.c_char * 4096)()
        self.struct: Any = struct.from_buffer(self._memory)
        self.who = who
        self._inner = inner
        self._kept: list[Any] = []  # texts and arrays that the struct points to
        getattr(capi, f"{struct.__name__}_init")(ctypes.byref(self.struct))
        for name, value in values.items():
            self._set(name, value)

    @property
    def pointer(self) -> Any:
        return ctypes.byref(self.struct)

    def point(self, name: str, value: Any) -> None:
        """Sets a field that is none of the user's: a callback, an array."""
        self._kept.append(value)
        setattr(self.struct, name, value)

    def _places(self) -> dict[str, tuple[Any, Any]]:
        """Name -> the struct that holds it, its ctype, for what a user may set."""
        structs = [self.struct] + ([getattr(self.struct, self._inner)] if self._inner else [])
        return {name: (struct, ctype) for struct in structs for name, ctype in struct._fields_
                if name not in ("size", "n_adapters") and (ctype in _INTEGERS or ctype in _OTHERS)}

    def _set(self, name: str, value: Any) -> None:
        places = self._places()
        if name not in places:
            near = difflib.get_close_matches(name, places, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(places)}"
            raise TypeError(f"{self.who}: no option {name!r}; {hint}")
        struct, ctype = places[name]
        kind, what = type(struct).__name__, f"{self.who}: {name}"
        field = getattr(type(struct), name)
        if field.offset + field.size > struct.size:
            raise Unsupported(f"{what}: the library (version {library_version()}) is older than this package and has no "
                              "such option")
        data: Any
        if value is None and ctype is ctypes.c_char_p:
            data = None
        elif ctype is ctypes.c_char_p:
            data = path_bytes(value, what) if isinstance(value, os.PathLike) else text_bytes(value, what)
        elif ctype in (ctypes.c_double, ctypes.c_float):
            data = real(value, what)
        elif (kind, name) in ENUM_FIELDS:
            data = enum_number(value, ENUM_FIELDS[kind, name], what)
        else:
            data = integer(value, ctype, what)
        self._kept.append(data)
        setattr(struct, name, data)


def _value(struct: ctypes.Structure, name: str, kind: str) -> Any:
    value = getattr(struct, name)
    if isinstance(value, bytes):
        return text_of(value)
    if (type(struct).__name__, name) in FLAGS:
        return bool(value)
    return "" if value is None and "None" not in kind else value


def record(cls: type[T], struct: ctypes.Structure, **more: Any) -> T:
    """A struct that the library has filled in, as an object of Python's own memory."""
    names = [f.name for f in dataclasses.fields(typing.cast(Any, cls)) if f.name not in more]
    kinds = cls.__annotations__
    known = {f[0] for f in struct._fields_}
    return cls(**{n: _value(struct, n if n in known else n.rstrip("_"), kinds.get(n, "")) for n in names}, **more)


def describe(cls: type[T], struct: type[ctypes.Structure], call: Callable[..., int], *arguments: Any) -> T:
    """Calls a function that fills in a struct of information."""
    info: Any = struct()
    info.size = ctypes.sizeof(struct)
    check(call(*arguments, ctypes.byref(info)))
    return record(cls, info)


def array_of(values: np.ndarray, dtype: Any, what: str) -> np.ndarray:
    """An array for the library as it is, never a converted copy: one of another dtype or order is refused."""
    wanted = np.dtype(dtype)
    if values.dtype != wanted:
        raise BadDtype(f"{what}: an array of {values.dtype}, {wanted} is needed; convert it with .astype(np.{wanted})")
    if not values.flags.c_contiguous:
        raise BadShape(f"{what}: the array is not contiguous; copy it with np.ascontiguousarray")
    return values


def tokens_of(tokens: Any, what: str) -> np.ndarray:
    """Token ids: an int32 array as it is, or any sequence of integers."""
    if isinstance(tokens, np.ndarray):
        if tokens.ndim != 1:
            raise BadShape(f"{what}: an array of {tokens.ndim} dimensions, one is needed")
        return array_of(tokens, np.int32, what)
    if isinstance(tokens, (str, bytes)):
        raise TypeError(f"{what}: token ids are needed, not a text; encode it with the model's tokenizer")
    return np.array([integer(t, ctypes.c_int32, what) for t in tokens], np.int32)


def pointer_to(array: np.ndarray, ctype: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctype))
