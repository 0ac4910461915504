"""The formats of blocks of 256 with 6- or 8-bit scales of their groups: q4_K, q5_K, q6_K. They are read only."""
from __future__ import annotations

import numpy as np

from .blocks import half_at
from .maps import F32, U8


def _scales(packed: U8) -> tuple[F32, F32]:
    """The eight scales and eight minima in 12 bytes (ggml/dtypes/k_scales.hpp), each [blocks, 8]."""
    low, middle, high = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    six, two = np.uint8(63), np.uint8(4)
    top = np.uint8(6)
    scales = np.concatenate([low & six, high & np.uint8(15) | low >> top << two], axis=1)
    minima = np.concatenate([middle & six, high >> two | middle >> top << two], axis=1)
    return scales.astype(np.float32), minima.astype(np.float32)


def _runs(low: U8) -> U8:
    """Codes of the eight groups, [blocks, 8, 32]: 32 bytes hold two groups, the first in the lower four bits."""
    runs = low.reshape(-1, 4, 1, 32) >> np.array([0, 4], dtype=np.uint8)[:, None]
    return runs.reshape(-1, 8, 32) & np.uint8(15)


def _decode(blocks: U8, q: U8) -> F32:
    scales, minima = _scales(blocks[:, 4:16])
    d, m = half_at(blocks, 0) * scales, half_at(blocks, 2) * minima
    return (d[:, :, None] * q.astype(np.float32) - m[:, :, None]).reshape(-1, 256)


def decode_q4_k(blocks: U8) -> F32:
    return _decode(blocks, _runs(blocks[:, 16:]))


def decode_q5_k(blocks: U8) -> F32:
    group = np.arange(8, dtype=np.uint8)[:, None]
    fifth = blocks[:, 16:48].reshape(-1, 1, 32) >> group & np.uint8(1)
    return _decode(blocks, _runs(blocks[:, 48:]) | fifth << np.uint8(4))


def decode_q6_k(blocks: U8) -> F32:
    # A block has two halves of 128 weights, each four quarters of 32: [blocks, half, quarter, weight].
    low = blocks[:, :128].reshape(-1, 2, 1, 2, 32) >> np.array([0, 4], dtype=np.uint8)[:, None, None]
    low = low.reshape(-1, 2, 4, 32) & np.uint8(15)
    shift = np.array([0, 2, 4, 6], dtype=np.uint8)[:, None]
    high = blocks[:, 128:192].reshape(-1, 2, 1, 32) >> shift & np.uint8(3)
    q = (low | high << np.uint8(4)).reshape(-1, 16, 16).astype(np.int8) - np.int8(32)
    scales = half_at(blocks, 208) * blocks[:, 192:208].view(np.int8).astype(np.float32)
    return (scales[:, :, None] * q.astype(np.float32)).reshape(-1, 256)
