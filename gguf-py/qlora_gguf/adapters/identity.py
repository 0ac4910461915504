"""Which model an adapter belongs to, as a hash. Quantising changes every matrix but no norm: norms, and the shapes of
embedding and matrices, name the model, and an adapter that was trained on its NF4 form is known to fit its Q4_1 form."""
from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from .. import llama
from ..gguf.format import MAX_DIMS, to_bytes

_START, _PRIME = 0xcbf29ce484222325, 0x100000001b3  # FNV-1a, 64 bits                       (Fowler, Noll, Vo; RFC 9923)


def _mix(value: int, data: bytes) -> int:
    for byte in data:
        value = (value ^ byte) * _PRIME & 0xffffffffffffffff
    return value


def base_identity(architecture: str, shapes: Mapping[str, tuple[int, ...]],
                  weight: Callable[[str], npt.NDArray[np.float32] | None]) -> str:
    """Of weights by their GGUF names; the order of tensors does not count. 16 hexadecimal digits.    raises  GgufError"""
    value = _mix(_START, to_bytes(architecture))
    for name in sorted(shapes, key=to_bytes):
        shape = shapes[name]
        is_row = all(n == 1 for n in shape[:-1])
        is_norm = name.endswith("norm.weight") and is_row
        if is_norm or name == llama.EMBEDDING or (name.startswith("blk.") and not is_row):
            dims = (*reversed(shape), *[1] * (MAX_DIMS - len(shape)))  # innermost first
            value = _mix(value, to_bytes(name) + struct.pack(f"<{MAX_DIMS}q", *dims))
        if is_norm:
            values = weight(name)
            assert values is not None  # it has a shape
            value = _mix(value, values.astype("<f4").tobytes())
    return f"{value:016x}"
