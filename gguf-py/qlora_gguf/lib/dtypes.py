"""The formats of weights: their names, and the library's own codecs (the package's NumPy codecs give the same bits)."""
from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ._convert import array_of, dtype_number, pointer_to, text_of
from ._library import capi, check
from .errors import BadShape, InvalidArgument


def _aligned(size: int) -> np.ndarray:
    """Bytes at an address from which a tensor's planes can be read."""
    room = np.empty(size + 64, np.uint8)
    first = -room.ctypes.data % 64
    return room[first:first + size]


def dtypes() -> list[str]:
    """The names of all formats."""
    names, number = [], ctypes.c_int()
    for i in range(capi.ql_dtype_count()):
        check(capi.ql_dtype_at(i, ctypes.byref(number)))
        names.append(text_of(capi.ql_dtype_name(number)))
    return names


def encode(dtype: str, values: np.ndarray) -> np.ndarray:
    """The bytes (uint8) of float32 values in a format: all values of a tensor, rows one after another."""
    number = dtype_number(dtype, "encode: dtype")
    array_of(values, np.float32, "encode: values")
    size = capi.ql_dtype_bytes(number, values.size)
    if size == 0 and values.size:
        raise BadShape(f"encode: {values.size} values are no whole blocks of {dtype}, {capi.ql_dtype_block_length(number)} each")
    data = _aligned(size)
    check(capi.ql_encode(number, pointer_to(values, ctypes.c_float), values.size, data.ctypes.data))
    return data


def decode(dtype: str, data: Any, n: int) -> np.ndarray:
    """The n float32 values of a tensor's bytes (a uint8 array)."""
    number = dtype_number(dtype, "decode: dtype")
    array_of(data, np.uint8, "decode: data")
    if n < 0 or capi.ql_dtype_bytes(number, n) != data.size:
        raise InvalidArgument(f"decode: {n} values of {dtype} have {capi.ql_dtype_bytes(number, max(n, 0))} bytes, not "
                              f"{data.size}")
    if data.ctypes.data % 64:
        data, unaligned = _aligned(data.size), data
        data[:] = unaligned.reshape(-1)
    values = np.empty(n, np.float32)
    check(capi.ql_decode(number, data.ctypes.data, n, 0, n, pointer_to(values, ctypes.c_float)))
    return values
