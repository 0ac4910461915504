"""What the tests compare with. ctest sets QL_TEST_LIB and QL_TEST_BIN (this project's library and programs) and
QL_TEST_MODEL (SmolLM2-135M-Instruct, Q4_1); what is not there is skipped, by name."""
from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the source tree, not an installed package
from qlora_gguf.safetensors import SafeTensors  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
hypothesis.settings.register_profile("ql", deadline=None, derandomize=True, max_examples=150, database=None,
                                     suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
hypothesis.settings.load_profile("ql")


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


@pytest.fixture(scope="session")
def library() -> Library:
    return Library(from_environment("QL_TEST_LIB"))


@pytest.fixture(scope="session")
def model() -> Path:
    return from_environment("QL_TEST_MODEL")


@pytest.fixture(scope="session")
def program():
    """Runs one of the built programs; its standard output."""
    folder = from_environment("QL_TEST_BIN")

    def run(name: str, *arguments: object) -> str:
        done = subprocess.run([folder / name, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
