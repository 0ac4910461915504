"""The formats of blocks of 256 with 6- or 8-bit scales of their groups: q2_K to q6_K."""
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .blocks import Encoded, half_at
from .k_fit import AffineBlocks, signed_blocks
from .maps import F32, U8


def _scales(packed: U8) -> tuple[F32, F32]:
    """The eight scales and eight minima in 12 bytes (ggml/dtypes/k_scales.hpp), each [blocks, 8]."""
    low, middle, high = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    six, two = np.uint8(63), np.uint8(4)
    top = np.uint8(6)
    scales = np.concatenate([low & six, high & np.uint8(15) | low >> top << two], axis=1)
    minima = np.concatenate([middle & six, high >> two | middle >> top << two], axis=1)
    return scales.astype(np.float32), minima.astype(np.float32)


def _packed_scales(scale: F32, minimum: F32) -> U8:
    """The inverse of _scales: [blocks, 12]."""
    s, m, four, six = scale.astype(np.uint8), minimum.astype(np.uint8), np.uint8(4), np.uint8(6)
    high = (s[:, 4:] & np.uint8(15)) | (m[:, 4:] & np.uint8(15)) << four
    return np.concatenate([s[:, :4] | s[:, 4:] >> four << six, m[:, :4] | m[:, 4:] >> four << six, high], axis=1)


def _packed_runs(code: U8) -> U8:
    """The inverse of _runs: [blocks, 128]."""
    pairs = (code & np.uint8(15)).reshape(-1, 4, 2, 32)
    return (pairs[:, :, 0] | pairs[:, :, 1] << np.uint8(4)).reshape(-1, 128)


def _bytes(half: npt.NDArray[np.float16]) -> U8:
    return np.ascontiguousarray(half).view(np.uint8).reshape(-1, 2)


def encode_q4_k(x: F32) -> Encoded:
    b = AffineBlocks(x, 15)
    return [_bytes(b.d), _bytes(b.dmin), _packed_scales(b.scale, b.minimum), _packed_runs(b.code)], b.bad


def encode_q5_k(x: F32) -> Encoded:
    b = AffineBlocks(x, 31)
    fifth = b.code >> np.uint8(4) << np.arange(8, dtype=np.uint8)[:, None]
    high = np.bitwise_or.reduce(fifth, axis=1)
    return [_bytes(b.d), _bytes(b.dmin), _packed_scales(b.scale, b.minimum), high, _packed_runs(b.code)], b.bad


def encode_q6_k(x: F32) -> Encoded:
    b = signed_blocks(x, 32, 128)
    code = b.code.reshape(-1, 2, 4, 32)
    low = code & np.uint8(15)
    low = (low[:, :, :2] | low[:, :, 2:] << np.uint8(4)).reshape(-1, 128)
    high = np.bitwise_or.reduce(code >> np.uint8(4) << np.arange(0, 8, 2, dtype=np.uint8)[:, None], axis=2)
    return [low, high.reshape(-1, 64), b.scale.view(np.uint8), _bytes(b.d)], b.bad


def encode_q3_k(x: F32) -> Encoded:
    b = signed_blocks(x, 4, 32)
    third = (b.code >> np.uint8(2)).reshape(-1, 8, 32) << np.arange(8, dtype=np.uint8)[:, None]
    quarters = (b.code & np.uint8(3)).reshape(-1, 2, 4, 32) << np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    scale = (b.scale + np.int8(32)).view(np.uint8)
    low = scale[:, :8] & np.uint8(15) | (scale[:, 8:] & np.uint8(15)) << np.uint8(4)
    top = (scale >> np.uint8(4)).reshape(-1, 4, 4) << np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    parts = [np.bitwise_or.reduce(third, axis=1), np.bitwise_or.reduce(quarters, axis=2).reshape(-1, 64), low,
             np.bitwise_or.reduce(top, axis=1), _bytes(b.d)]
    return parts, b.bad


def decode_q2_k(blocks: U8) -> F32:
    shift = np.array([0, 2, 4, 6], dtype=np.uint8)[:, None]
    q = (blocks[:, 16:80].reshape(-1, 2, 1, 32) >> shift & np.uint8(3)).reshape(-1, 16, 16)
    scales, minima = blocks[:, :16] & np.uint8(15), blocks[:, :16] >> np.uint8(4)
    d, m = half_at(blocks, 80) * scales.astype(np.float32), half_at(blocks, 82) * minima.astype(np.float32)
    return (d[:, :, None] * q.astype(np.float32) - m[:, :, None]).reshape(-1, 256)


def decode_q3_k(blocks: U8) -> F32:
    shift = np.array([0, 2, 4, 6], dtype=np.uint8)[:, None]
    low = blocks[:, 32:96].reshape(-1, 2, 1, 32) >> shift & np.uint8(3)
    third = blocks[:, :32].reshape(-1, 1, 32) >> np.arange(8, dtype=np.uint8)[:, None] & np.uint8(1)
    q = (low.reshape(-1, 8, 32) | third << np.uint8(2)).reshape(-1, 16, 16).astype(np.int8) - np.int8(4)
    packed = blocks[:, 96:108]
    fours = np.concatenate([packed[:, :8] & np.uint8(15), packed[:, :8] >> np.uint8(4)], axis=1)
    twos = (packed[:, None, 8:] >> shift & np.uint8(3)).reshape(-1, 16)
    scale = (fours | twos << np.uint8(4)).astype(np.int8) - np.int8(32)
    d = half_at(blocks, 108) * scale.astype(np.float32)
    return (d[:, :, None] * q.astype(np.float32)).reshape(-1, 256)


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
