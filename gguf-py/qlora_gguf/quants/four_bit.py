"""nf4, nf4_dq and fp4: codes of 4 bits and a scale, the largest magnitude, for each 64 weights.

Byte j of a block's 32 is code[j] | code[j + 32] << 4, so one look-up gives two weights that are half a block apart."""
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..dtypes import GROUP_BLOCKS, DType, PlaneOffsets
from .maps import (DYNAMIC_MAP, F32, FP4_ORDER, FP4_THRESHOLDS, FP4_VALUES, NF4_THRESHOLDS, NF4_VALUES, U8,
                   dynamic_codes)

_LEAST = np.float32(1e-38)  # keeps the reciprocal of a scale finite
_PIECE = 512  # blocks at a time: pairs, weights and codes stay in the cache


def _codes_nf4(x: F32) -> U8:
    codes = np.zeros(x.shape, dtype=np.uint8)
    for threshold in NF4_THRESHOLDS:
        codes += x > threshold
    return codes


def _codes_fp4(x: F32) -> U8:
    magnitude, order = np.abs(x), np.zeros(x.shape, dtype=np.uint8)
    for threshold in FP4_THRESHOLDS:
        order += magnitude > threshold
    # bitsandbytes on a CPU takes code 0 for what lies just below zero and code 8, also a zero, for what lies just above.
    sign = np.where(order == 0, x > 0, x < 0)
    return FP4_ORDER[order] | sign.astype(np.uint8) << np.uint8(3)


def _encode_blocks(x: F32, dtype: DType, codes: U8) -> F32:
    """Fills `codes` [blocks, 32], returns the scales."""
    absmax = np.abs(x).max(axis=1)
    inverse = np.float32(1) / np.maximum(absmax, _LEAST)
    find = _codes_fp4 if dtype == DType.FP4 else _codes_nf4
    for at in range(0, len(x), _PIECE):
        found = find(x[at:at + _PIECE] * inverse[at:at + _PIECE, None])
        np.bitwise_or(found[:, :32], found[:, 32:] << np.uint8(4), out=codes[at:at + _PIECE])
    return absmax


def _encode_scales(absmax: F32, at: PlaneOffsets, out: U8) -> None:
    """The second level of nf4_dq: scales as 8-bit codes around their mean, which is summed in f64, in order."""
    offset = np.float32(np.cumsum(absmax, dtype=np.float64)[-1] / np.float64(len(absmax)))
    out[at.offset:at.end] = np.frombuffer(offset.tobytes(), dtype=np.uint8)
    starts = np.arange(0, len(absmax), GROUP_BLOCKS)
    moved = absmax - offset
    most = np.maximum.reduceat(np.abs(moved), starts)
    out[at.scales2:at.scales2 + 4 * len(most)] = most.view(np.uint8)
    spread = np.repeat(most, np.diff(np.append(starts, len(absmax))))
    # A group without spread decodes to the offset whatever its codes; the reference writes 0.
    x = np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 0)
    out[at.scales:at.scales + len(absmax)] = np.where(spread > 0, dynamic_codes(x), np.uint8(0))


def encode_four_bit(x: F32, dtype: DType) -> U8:
    """x: finite, 1-D, a multiple of 64."""
    n = len(x)
    at, out = PlaneOffsets(dtype, n), np.zeros(dtype.n_bytes(n), dtype=np.uint8)
    absmax = _encode_blocks(x.reshape(-1, 64), dtype, out[:n // 2].reshape(-1, 32))
    if dtype == DType.NF4_DQ:
        _encode_scales(absmax, at, out)
    else:
        out[at.scales:at.end] = absmax.view(np.uint8)
    return out


def block_scales(data: U8, dtype: DType, n: int, first: int = 0, count: int | None = None) -> F32:
    """The scale of each block from block `first` on, of a tensor of n weights."""
    at = PlaneOffsets(dtype, n)
    stop = n // 64 if count is None else first + count
    if dtype != DType.NF4_DQ:
        return np.frombuffer(data[at.scales + 4 * first:at.scales + 4 * stop].tobytes(), dtype=np.float32)
    scales2 = np.frombuffer(data[at.scales2:at.scales2 + 4 * (-(-n // 64 // GROUP_BLOCKS))].tobytes(), dtype=np.float32)
    offset = np.frombuffer(data[at.offset:at.end].tobytes(), dtype=np.float32)[0]
    group = np.arange(first, stop) // GROUP_BLOCKS
    scales: F32 = DYNAMIC_MAP[data[at.scales + first:at.scales + stop]] * scales2[group] + offset
    return scales


def _pairs(values: F32) -> npt.NDArray[np.uint64]:
    """For each byte its two values, the lower four bits' first, as one number of 8 bytes."""
    byte = np.arange(256)
    return np.stack([values[byte & 15], values[byte >> 4]], axis=1).view(np.uint64).reshape(-1)


_PAIRS = {DType.NF4: _pairs(NF4_VALUES), DType.NF4_DQ: _pairs(NF4_VALUES), DType.FP4: _pairs(FP4_VALUES)}


def decode_four_bit(data: U8, dtype: DType, n: int, first: int, out: F32) -> None:
    """Weights from `first` on of a tensor of n, as many as `out` has room for; both multiples of 64."""
    table, blocks = _PAIRS[dtype], len(out) // 64
    codes = data[first // 2:first // 2 + blocks * 32].reshape(-1, 32)
    scales = block_scales(data, dtype, n, first // 64, blocks)[:, None, None]
    halves = out.reshape(-1, 2, 32)
    pairs = np.empty((_PIECE, 32), dtype=np.uint64)
    for at in range(0, blocks, _PIECE):
        size = min(_PIECE, blocks - at)
        np.take(table, codes[at:at + size], out=pairs[:size], mode="clip")  # clip: take needs no check, nor a copy
        split = pairs[:size].view(np.float32).reshape(size, 32, 2).transpose(0, 2, 1)
        np.multiply(split, scales[at:at + size], out=halves[at:at + size])
