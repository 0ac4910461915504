"""Codecs of the tensor types, with the bits of the C++ library: all arithmetic is f32, in the same order.

    data = quants.encode(w, "nf4_dq")                  # uint8, 1-D: the tensor as it is in a file
    w2 = quants.decode(data, "nf4_dq", w.shape)        # float32
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..dtypes import DType
from ..errors import EncodeError
from . import blocks, iq_blocks, k_blocks, tiny_blocks
from .four_bit import block_scales, decode_four_bit, encode_four_bit
from .maps import F32, U8

__all__ = ["block_scales", "can_decode", "can_encode", "decode", "decode_range", "encode"]

_ENCODE_BLOCKS = {
    DType.Q8_0: blocks.encode_q8_0,
    DType.Q4_0: blocks.encode_q4_0,
    DType.Q4_1: blocks.encode_q4_1,
    DType.IQ4_NL: blocks.encode_iq4_nl,
    DType.MXFP4: tiny_blocks.encode_mxfp4,
    DType.Q3_K: k_blocks.encode_q3_k,
    DType.Q4_K: k_blocks.encode_q4_k,
    DType.Q5_K: k_blocks.encode_q5_k,
    DType.Q6_K: k_blocks.encode_q6_k,
}
_DECODE_BLOCKS = {
    DType.Q8_0: blocks.decode_q8_0,
    DType.Q4_0: blocks.decode_q4_0,
    DType.Q4_1: blocks.decode_q4_1,
    DType.Q5_0: blocks.decode_q5_0,
    DType.Q5_1: blocks.decode_q5_1,
    DType.IQ4_NL: blocks.decode_iq4_nl,
    DType.Q2_K: k_blocks.decode_q2_k,
    DType.Q3_K: k_blocks.decode_q3_k,
    DType.Q4_K: k_blocks.decode_q4_k,
    DType.Q5_K: k_blocks.decode_q5_k,
    DType.Q6_K: k_blocks.decode_q6_k,
    DType.IQ1_M: iq_blocks.decode_iq1_m,
    DType.IQ1_S: iq_blocks.decode_iq1_s,
    DType.IQ2_S: iq_blocks.decode_iq2_s,
    DType.IQ2_XS: iq_blocks.decode_iq2_xs,
    DType.IQ2_XXS: iq_blocks.decode_iq2_xxs,
    DType.IQ3_S: iq_blocks.decode_iq3_s,
    DType.IQ3_XXS: iq_blocks.decode_iq3_xxs,
    DType.IQ4_XS: iq_blocks.decode_iq4_xs,
    DType.TQ1_0: tiny_blocks.decode_tq1_0,
    DType.TQ2_0: tiny_blocks.decode_tq2_0,
    DType.Q1_0: tiny_blocks.decode_q1_0,
    DType.Q2_0: tiny_blocks.decode_q2_0,
    DType.MXFP4: tiny_blocks.decode_mxfp4,
    DType.NVFP4: tiny_blocks.decode_nvfp4,
}
_PLAIN: dict[DType, npt.DTypeLike] = {DType.F32: "<f4", DType.F16: "<f2", DType.I8: "<i1", DType.I16: "<i2",
                                      DType.I32: "<i4", DType.I64: "<i8", DType.F64: "<f8"}
_PIECE = 1 << 15  # weights at a time: what is between bytes and weights stays in the cache


def can_encode(dtype: DType | str | int) -> bool:
    kind = DType.of(dtype)
    return kind in _ENCODE_BLOCKS or kind.planar or kind in (DType.F32, DType.F16, DType.BF16)


def can_decode(dtype: DType | str | int) -> bool:
    kind = DType.of(dtype)
    return kind in _DECODE_BLOCKS or kind.planar or kind in _PLAIN or kind == DType.BF16


def plain_dtype(dtype: DType) -> np.dtype[Any] | None:
    """NumPy's type of the elements, None where it has none."""
    return np.dtype(_PLAIN[dtype]) if dtype in _PLAIN else None


def _refuse_non_finite(x: F32, dtype: DType) -> None:
    finite = np.isfinite(x)
    if not finite.all():
        at = int(finite.argmin())
        what = "NaN" if np.isnan(x[at]) else "infinite"
        raise EncodeError(f"element {at} is {what}, which {dtype.label} cannot hold")


def _to_bf16(x: F32) -> U8:
    bits = x.view(np.uint32)
    rounded = bits + np.uint32(0x7fff) + (bits >> np.uint32(16) & np.uint32(1)) >> np.uint32(16)
    quiet = bits >> np.uint32(16) | np.uint32(0x40)
    return np.where(np.isnan(x), quiet, rounded).astype(np.uint16).view(np.uint8)


def _encode_blocks(x: F32, dtype: DType) -> U8:
    length = dtype.block_length
    rows, out = x.reshape(-1, length), np.empty((len(x) // length, dtype.n_bytes(length)), dtype=np.uint8)
    step = _PIECE // length
    for at in range(0, len(rows), step):
        parts, bad = _ENCODE_BLOCKS[dtype](rows[at:at + step])
        if bad.any():
            block = at + int(bad.argmax())
            raise EncodeError(f"elements {block * length} to {block * length + length - 1} reach "
                              f"{np.abs(rows[block]).max():g}, too large for the 16-bit scale of {dtype.label}; keep f32 "
                              "or bf16")
        np.concatenate(parts, axis=1, out=out[at:at + step])
    return out.reshape(-1)


def encode(array: npt.NDArray[Any], dtype: DType | str | int) -> U8:
    """Encodes a whole tensor, in any memory order, to the bytes that a file holds.

    raises  TypeError: no array of float32 or float16; ValueError: no encoder for the type, rows (the last dimension)
            that are no multiple of its block; EncodeError: NaN, infinities or too large values where it is quantised"""
    kind = DType.of(dtype)
    if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float16):
        got = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"weights must be an array of float32 or float16, not {got}")
    if not can_encode(kind):
        raise ValueError(f"{kind.label} can be read, but is not written here")
    if array.ndim == 0 or array.size == 0 or array.shape[-1] % kind.block_length != 0:
        raise ValueError(f"rows of the shape {array.shape} are no multiple of the {kind.block_length} elements of a block "
                         f"of {kind.label}")
    x = np.ascontiguousarray(array, dtype=np.float32).reshape(-1)
    if kind == DType.F32:
        return x.view(np.uint8).copy()
    if kind == DType.F16:
        return np.ascontiguousarray(blocks.halves(x)).reshape(-1)
    if kind == DType.BF16:
        return _to_bf16(x)
    _refuse_non_finite(x, kind)
    return encode_four_bit(x, kind) if kind.planar else _encode_blocks(x, kind)


def _shaped_out(n: int, out: F32 | None) -> F32:
    if out is None:
        return np.empty(n, dtype=np.float32)
    if not isinstance(out, np.ndarray) or out.dtype != np.float32:
        raise TypeError("out must be an array of float32")
    if out.size != n or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be contiguous and writeable and have {n} elements")
    return out.reshape(-1)


def decode(data: npt.NDArray[Any], dtype: DType | str | int, shape: int | Sequence[int], out: F32 | None = None) -> F32:
    """Decodes a whole tensor to float32 of `shape`; into `out` where it is given.

    data    uint8, 1-D, as `encode` returns it and as files hold it
    raises  TypeError: data or out of another type; ValueError: the sizes disagree, or no decoder for the type"""
    n = int(np.prod(shape, dtype=np.object_))
    return decode_range(data, dtype, n, 0, n, out).reshape(shape)


def decode_range(data: npt.NDArray[Any], dtype: DType | str | int, n: int, first: int, count: int,
                 out: F32 | None = None) -> F32:
    """`count` elements from element `first` of a tensor of n elements; both multiples of the block length."""
    kind = DType.of(dtype)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8:
        raise TypeError("data must be an array of uint8")
    if not can_decode(kind):
        raise ValueError(f"{kind.label} is not decoded here")
    if data.ndim != 1 or data.size != kind.n_bytes(n):
        raise ValueError(f"{n} elements of {kind.label} are {kind.n_bytes(n)} bytes, got an array {data.shape}")
    length = kind.block_length
    if first < 0 or count < 0 or first + count > n or first % length != 0 or count % length != 0:
        raise ValueError(f"elements {first} to {first + count} are no whole blocks of the {n} of the tensor")
    result = _shaped_out(count, out)
    data = np.ascontiguousarray(data)
    if kind.planar:
        decode_four_bit(data, kind, n, first, result)
    elif kind in _DECODE_BLOCKS:
        _decode_blocks(data, kind, first, result)
    else:
        _decode_plain(data, kind, first, result)
    return result


def _decode_blocks(data: U8, dtype: DType, first: int, out: F32) -> None:
    length = dtype.block_length
    rows, step = data.reshape(-1, dtype.n_bytes(length)), _PIECE // length
    result = out.reshape(-1, length)
    for at in range(0, len(result), step):
        piece = result[at:at + step]
        piece[:] = _DECODE_BLOCKS[dtype](rows[first // length + at:first // length + at + len(piece)])


def _decode_plain(data: U8, dtype: DType, first: int, out: F32) -> None:
    size, stop = dtype.n_bytes(1), first + len(out)
    raw = data[first * size:stop * size]
    if dtype == DType.BF16:
        np.left_shift(raw.view(np.uint16), 16, out=out.view(np.uint32), dtype=np.uint32)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            out[:] = raw.view(_PLAIN[dtype])
