"""The formats of blocks of 32 with a 16-bit scale: q8_0, q4_0, q4_1, iq4_nl (written), q5_0, q5_1 (read)."""
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .group_fit import MOST_FITTED, fit_units, inverse_of, nearest
from .maps import F32, IQ4_NL_VALUES, U8


def halves(scales: F32) -> U8:
    """f16 as bytes [blocks, 2]; what is too large becomes an infinity."""
    with np.errstate(over="ignore"):
        return scales.astype(np.float16).view(np.uint8).reshape(-1, 2)


def half_at(blocks: U8, at: int) -> F32:
    """The f16 at byte `at` of each block, as f32 [blocks, 1]."""
    return np.ascontiguousarray(blocks[:, at:at + 2]).view(np.float16).astype(np.float32)


def too_large(half: U8) -> npt.NDArray[np.bool_]:
    """Which of `halves` are infinities."""
    return half.view(np.uint16).reshape(-1) & 0x7fff == 0x7c00


def _inverse(d: F32) -> F32:
    """1 / d, or 0 where that is no finite number."""
    with np.errstate(divide="ignore", over="ignore"):
        inverse: F32 = np.float32(1) / d
    inverse[np.abs(inverse) > np.finfo(np.float32).max] = 0
    return inverse


def _nibbles(codes: U8) -> U8:
    """Codes [blocks, 32] to bytes: byte j = code[j] | code[j + 16] << 4."""
    return codes[:, :16] | codes[:, 16:] << np.uint8(4)


def _whole(x: F32) -> U8:
    """Truncated, at most 15."""
    return np.minimum(x.astype(np.int32), 15).astype(np.uint8)


Encoded = tuple[list[U8], npt.NDArray[np.bool_]]  # the parts of a block, in order; which blocks cannot be written


def encode_q8_0(x: F32) -> Encoded:
    d = np.abs(x).max(axis=1) / np.float32(127)
    scale = halves(d)
    v = x * _inverse(d)[:, None]
    whole = np.trunc(v)
    rest = v - whole
    q = whole + (rest >= np.float32(0.5)) - (rest <= np.float32(-0.5))  # halves away from zero
    return [scale, q.astype(np.int8).view(np.uint8)], too_large(scale)


def encode_q4_0(x: F32) -> Encoded:
    largest = np.take_along_axis(x, np.abs(x).argmax(axis=1)[:, None], axis=1)[:, 0]  # the first of equals
    largest[largest == 0] = 0  # -0 is one, too
    d: F32 = largest / np.float32(-8)
    scale = halves(d)
    return [scale, _nibbles(_whole(x * _inverse(d)[:, None] + np.float32(8.5)))], too_large(scale)


def encode_q4_1(x: F32) -> Encoded:
    least = np.take_along_axis(x, x.argmin(axis=1)[:, None], axis=1)[:, 0]  # the first of equals (0 and -0 are)
    most = np.take_along_axis(x, 31 - x[:, ::-1].argmax(axis=1)[:, None], axis=1)[:, 0]  # the last
    with np.errstate(over="ignore"):
        d = (most - least) / np.float32(15)
    scale, minimum = halves(d), halves(least)
    bad = too_large(scale) | too_large(minimum)
    x, least, d = (np.where(bad[:, None], np.float32(0), x), np.where(bad, np.float32(0), least),
                   np.where(bad, np.float32(0), d))
    q = _whole((x - least[:, None]) * _inverse(d)[:, None] + np.float32(0.5))
    return [scale, minimum, _nibbles(q)], bad


def encode_iq4_nl(x: F32) -> Encoded:
    bad = np.abs(x).max(axis=1) > MOST_FITTED
    columns = np.ascontiguousarray(np.where(bad[:, None], np.float32(0), x).T)
    scale = halves(fit_units(columns, IQ4_NL_VALUES))
    bad |= too_large(scale)
    scale[bad | (scale.view(np.uint16)[:, 0] & 0x7fff == 0)] = 0
    inverse = inverse_of(scale.view(np.float16)[:, 0].astype(np.float32))
    return [scale, _nibbles(nearest(columns, inverse, IQ4_NL_VALUES).T.astype(np.uint8))], bad


def _split(low: U8) -> U8:
    """The inverse of _nibbles."""
    return np.concatenate([low & np.uint8(15), low >> np.uint8(4)], axis=1)


def _fifth(high: U8) -> U8:
    """The fifth bits of 32 codes, as 0 or 16."""
    return np.unpackbits(high, axis=1, bitorder="little") << np.uint8(4)


def decode_q8_0(blocks: U8) -> F32:
    return half_at(blocks, 0) * blocks[:, 2:].view(np.int8).astype(np.float32)


def decode_q4_0(blocks: U8) -> F32:
    return half_at(blocks, 0) * (_split(blocks[:, 2:]).astype(np.int8) - np.int8(8)).astype(np.float32)


def decode_q4_1(blocks: U8) -> F32:
    return half_at(blocks, 0) * _split(blocks[:, 4:]).astype(np.float32) + half_at(blocks, 2)


def decode_q5_0(blocks: U8) -> F32:
    q = (_split(blocks[:, 6:]) | _fifth(blocks[:, 2:6])).astype(np.int8) - np.int8(16)
    return half_at(blocks, 0) * q.astype(np.float32)


def decode_q5_1(blocks: U8) -> F32:
    q = _split(blocks[:, 8:]) | _fifth(blocks[:, 4:8])
    return half_at(blocks, 0) * q.astype(np.float32) + half_at(blocks, 2)


def decode_iq4_nl(blocks: U8) -> F32:
    return half_at(blocks, 0) * IQ4_NL_VALUES[_split(blocks[:, 2:])]
