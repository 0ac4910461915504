"""The iq types: points of grids with signs (iq1, iq2, iq3), and iq4_xs. They are read only; ggml/dtypes has their layouts.

A weight is a scale times a unit; units here are whole numbers, those of iq1 eight times what its grid says."""
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .blocks import half_at
from .iq_grids import GRIDS
from .maps import F32, IQ4_NL_VALUES, U8

Whole = npt.NDArray[np.int32]


def _grid(name: str) -> F32:
    """[points, coordinates]."""
    values, length, digits = GRIDS[name]
    numbers = np.frombuffer(bytes.fromhex(digits), dtype=">u2").astype(np.int32)
    bits = 2 if len(values) <= 4 else 3
    places = numbers[:, None] >> np.arange(length) * bits & (1 << bits) - 1
    return np.array(values, dtype=np.float32)[places]


_IQ2_XXS, _IQ2_XS, _IQ2_S, _IQ3_XXS, _IQ3_S, _IQ1 = (
    _grid(name) for name in ("iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq1"))
_SIGNS: F32 = np.where(np.arange(256)[:, None] >> np.arange(8) & 1, np.float32(-1), np.float32(1))


def _even_signs(seven: Whole) -> F32:
    """Seven signs and the eighth, which makes their number even: [..., 8]."""
    ones = sum(seven >> i & 1 for i in range(7))
    signs: F32 = _SIGNS[seven | (ones & 1) << 7]
    return signs


def _u16(bytes_: U8) -> Whole:
    return np.ascontiguousarray(bytes_).view("<u2").astype(np.int32)


def _u32(bytes_: U8) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(bytes_).view("<u4").astype(np.int64)


def _nibbles(packed: U8) -> F32:
    """Each byte's lower half, then its upper half."""
    both: F32 = np.stack([packed & np.uint8(15), packed >> np.uint8(4)], axis=-1).reshape(len(packed), -1).astype(np.float32)
    return both


def _scaled(scales: F32, units: F32) -> F32:
    """Scales of equally many weights each."""
    weights: F32 = scales[:, :, None] * units.reshape(len(units), scales.shape[1], -1)
    return weights.reshape(-1, 256)


def _half_steps(d: F32, steps: F32, unit: float) -> F32:
    return d * (np.float32(0.5) + steps) * np.float32(unit)


def decode_iq2_xxs(blocks: U8) -> F32:
    words = _u32(blocks[:, 2:]).reshape(-1, 8, 2)
    points = words[:, :, 0, None] >> np.array([0, 8, 16, 24]) & 255
    signs = _even_signs((words[:, :, 1, None] >> np.array([0, 7, 14, 21]) & 127).astype(np.int32))
    scales = _half_steps(half_at(blocks, 0), (words[:, :, 1] >> 28).astype(np.float32), 0.25)
    return _scaled(scales, _IQ2_XXS[points] * signs)


def decode_iq2_xs(blocks: U8) -> F32:
    codes = _u16(blocks[:, 2:66])
    return _scaled(_half_steps(half_at(blocks, 0), _nibbles(blocks[:, 66:]), 0.25),
                   _IQ2_XS[codes & 511] * _even_signs(codes >> 9))


def decode_iq2_s(blocks: U8) -> F32:
    high = blocks[:, 66:74, None] >> np.array([0, 2, 4, 6], dtype=np.uint8) & np.uint8(3)
    points = blocks[:, 2:34].astype(np.int32) | high.reshape(-1, 32).astype(np.int32) << 8
    return _scaled(_half_steps(half_at(blocks, 0), _nibbles(blocks[:, 74:]), 0.25),
                   _IQ2_S[points] * _SIGNS[blocks[:, 34:66]])


def decode_iq3_xxs(blocks: U8) -> F32:
    words = _u32(blocks[:, 66:])
    signs = _even_signs((words[:, :, None] >> np.array([0, 7, 14, 21]) & 127).astype(np.int32))
    scales = _half_steps(half_at(blocks, 0), (words >> 28).astype(np.float32), 0.5)
    return _scaled(scales, _IQ3_XXS[blocks[:, 2:66]].reshape(signs.shape) * signs)


def decode_iq3_s(blocks: U8) -> F32:
    ninth = np.unpackbits(blocks[:, 66:74], axis=1, bitorder="little").astype(np.int32)
    signs = _SIGNS[blocks[:, 74:106]]
    scales = half_at(blocks, 0) * (np.float32(1) + np.float32(2) * _nibbles(blocks[:, 106:]))
    return _scaled(scales, _IQ3_S[blocks[:, 2:66].astype(np.int32) | ninth << 8].reshape(signs.shape) * signs)


def _eights(points: Whole, minus: npt.NDArray[np.bool_]) -> F32:
    """Eight times the coordinates plus or minus an eighth: [blocks, 32, 8]."""
    shift: F32 = np.where(minus, np.float32(-1), np.float32(1))
    units: F32 = _IQ1[points] * np.float32(8) + shift[:, :, None]
    return units


def decode_iq1_s(blocks: U8) -> F32:
    high = _u16(blocks[:, 34:])
    points = blocks[:, 2:34].astype(np.int32) | (high[:, :, None] >> np.array([0, 3, 6, 9]) & 7).reshape(-1, 32) << 8
    scales = half_at(blocks, 0) * (2 * (high >> 12 & 7) + 1).astype(np.float32) * np.float32(0.125)
    return _scaled(scales, _eights(points, np.repeat(high & 0x8000 != 0, 4, axis=1)))


def decode_iq1_m(blocks: U8) -> F32:
    packed = _u16(blocks[:, 48:])
    d = np.bitwise_or.reduce(packed >> 12 << np.array([0, 4, 8, 12]), axis=1)
    steps = (packed[:, :, None] >> np.array([0, 3, 6, 9]) & 7).reshape(-1, 16)
    high = (blocks[:, 32:48, None] >> np.array([0, 4], dtype=np.uint8)).reshape(-1, 32).astype(np.int32)
    points = blocks[:, :32].astype(np.int32) | (high & 7) << 8
    f16 = d.astype(np.uint16).view(np.float16).astype(np.float32)[:, None]
    return _scaled(f16 * (2 * steps + 1).astype(np.float32) * np.float32(0.125), _eights(points, high & 8 != 0))


def decode_iq4_xs(blocks: U8) -> F32:
    high = _u16(blocks[:, 2:4]) >> np.arange(0, 16, 2) & 3
    steps = _nibbles(blocks[:, 4:8]) + (high << 4).astype(np.float32) - np.float32(32)
    codes = blocks[:, 8:].reshape(-1, 8, 16)
    codes = np.concatenate([codes & np.uint8(15), codes >> np.uint8(4)], axis=2)
    return _scaled(half_at(blocks, 0) * steps, IQ4_NL_VALUES[codes])
