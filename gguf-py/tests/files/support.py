"""What several tests use: golden files, places from the environment, and two functions of the C library."""
from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np
import pytest
from qlora_gguf.safetensors import SafeTensors

ROOT = Path(__file__).resolve().parents[3]


def golden(name: str) -> dict[str, np.ndarray]:
    with SafeTensors(ROOT / "tests/golden" / f"{name}.safetensors") as file:
        return {t: file.raw(t).copy() for t in file.tensors}


def from_environment(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"${variable} is not set")
    return Path(value)


class Library:
    """ql_encode and ql_decode of the C library."""

    def __init__(self, path: Path) -> None:
        self._lib = ctypes.CDLL(str(path))
        self._lib.ql_error_message.restype = ctypes.c_char_p
        self._lib.ql_dtype_bytes.restype = ctypes.c_size_t
        self._lib.ql_dtype_bytes.argtypes = [ctypes.c_int, ctypes.c_int64]
        self._lib.ql_encode.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
        self._lib.ql_decode.argtypes = [ctypes.c_int, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]

    def dtypes(self) -> list[tuple[str, int, int, bool]]:
        """Name, number, block length of the types that weights may have, and whether the library writes them."""
        self._lib.ql_dtype_count.restype = ctypes.c_int64
        self._lib.ql_dtype_at.argtypes = [ctypes.c_int64, ctypes.c_void_p]
        self._lib.ql_dtype_name.restype = ctypes.c_char_p
        self._lib.ql_dtype_block_length.restype = ctypes.c_int64
        found = []
        for i in range(self._lib.ql_dtype_count()):
            number = ctypes.c_int()
            assert self._lib.ql_dtype_at(i, ctypes.byref(number)) == 0
            if self._lib.ql_dtype_is_weight(number):
                found.append((self._lib.ql_dtype_name(number).decode(), number.value,
                              self._lib.ql_dtype_block_length(number), bool(self._lib.ql_dtype_can_encode(number))))
        return found

    def n_bytes(self, dtype: int, n: int) -> int:
        return int(self._lib.ql_dtype_bytes(dtype, n))

    def encode(self, x: np.ndarray, dtype: int) -> np.ndarray:
        x = np.ascontiguousarray(x, dtype=np.float32)
        out = np.zeros(self._lib.ql_dtype_bytes(dtype, x.size) + 64, dtype=np.uint8)
        start = -out.ctypes.data % 64
        out = out[start:start + self._lib.ql_dtype_bytes(dtype, x.size)]
        if self._lib.ql_encode(dtype, x.ctypes.data, x.size, out.ctypes.data) != 0:
            raise ValueError(self._lib.ql_error_message().decode())
        return out

    def decode(self, data: np.ndarray, dtype: int, n: int) -> np.ndarray:
        aligned = np.zeros(data.size + 64, dtype=np.uint8)
        start = -aligned.ctypes.data % 64
        aligned = aligned[start:start + data.size]
        aligned[:] = data
        out = np.empty(n, dtype=np.float32)
        assert self._lib.ql_decode(dtype, aligned.ctypes.data, n, 0, n, out.ctypes.data) == 0
        return out
