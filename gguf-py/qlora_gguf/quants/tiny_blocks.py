"""Types of one or two bits, and floats of four: tq1_0, tq2_0, q1_0, q2_0, mxfp4, nvfp4. ggml/dtypes has their layouts."""
from __future__ import annotations

import numpy as np

from .blocks import Encoded, half_at
from .group_fit import inverse_of, nearest, sum_weights
from .maps import F32, U8

_TWICE = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], dtype=np.float32)  # values of 4-bit floats


def _pairs_of_bits(codes: U8) -> U8:
    return codes >> np.array([0, 2, 4, 6], dtype=np.uint8)[:, None] & np.uint8(3)


def decode_tq1_0(blocks: U8) -> F32:
    def digits(codes: U8, n: int) -> U8:
        rest = codes[:, None, :] * np.array([1, 3, 9, 27, 81], dtype=np.uint8)[:n, None]
        return (rest.astype(np.uint16) * np.uint16(3) >> np.uint16(8)).astype(np.uint8).reshape(len(codes), -1)

    q = np.concatenate([digits(blocks[:, :32], 5), digits(blocks[:, 32:48], 5), digits(blocks[:, 48:52], 4)], axis=1)
    return half_at(blocks, 52) * (q.astype(np.float32) - np.float32(1))


def decode_tq2_0(blocks: U8) -> F32:
    q = _pairs_of_bits(blocks[:, :64].reshape(-1, 2, 1, 32)).reshape(-1, 256)
    return half_at(blocks, 64) * (q.astype(np.float32) - np.float32(1))


def decode_q1_0(blocks: U8) -> F32:
    bits = np.unpackbits(blocks[:, 2:], axis=1, bitorder="little").astype(np.float32)
    return half_at(blocks, 0) * (bits * np.float32(2) - np.float32(1))


def decode_q2_0(blocks: U8) -> F32:
    q = (blocks[:, 2:, None] >> np.array([0, 2, 4, 6], dtype=np.uint8) & np.uint8(3)).reshape(-1, 64)
    return half_at(blocks, 0) * (q.astype(np.float32) - np.float32(1))


def _halves_of(codes: U8) -> F32:
    """Values of the lower halves of a group's bytes, then of the upper ones."""
    return _TWICE[np.concatenate([codes & np.uint8(15), codes >> np.uint8(4)], axis=-1)]


def decode_mxfp4(blocks: U8) -> F32:
    e = blocks[:, :1].astype(np.uint32)
    small, power = np.uint32(0x00200000) << np.minimum(e, 1), (np.maximum(e, 1) - np.uint32(1)) << np.uint32(23)
    scale: F32 = np.where(e < 2, small, power).view(np.float32)
    return scale * _halves_of(blocks[:, 1:])


_UNITS: F32 = np.array([-12, -8, -6, -4, -3, -2, -1, 0, 0, 1, 2, 3, 4, 6, 8, 12], dtype=np.float32)
_CODES: U8 = np.array([15, 14, 13, 12, 11, 10, 9, 0, 0, 1, 2, 3, 4, 5, 6, 7], dtype=np.uint8)


def encode_mxfp4(x: F32) -> Encoded:
    exponent = (np.abs(x).max(axis=1).view(np.uint32) >> np.uint32(23)).astype(np.int32)
    e = np.where(exponent < 127 - 120, 0, exponent - 127 - 3 + 128)
    columns = np.ascontiguousarray(x.T)

    def error(scale: F32) -> F32:
        inverse = inverse_of(scale)
        rest = columns * inverse - _UNITS[nearest(columns, inverse, _UNITS)]
        return sum_weights(rest * rest)

    scale: F32 = np.where(e == 0, np.float32(0), np.ldexp(np.float32(1), e - 128)).astype(np.float32)
    larger = np.float32(4) * error(scale * np.float32(2)) < error(scale)
    scale = np.where(larger, scale * np.float32(2), scale)
    code = _CODES[nearest(columns, inverse_of(scale), _UNITS)].T
    packed = code[:, :16] | code[:, 16:] << np.uint8(4)
    return [(e + larger).astype(np.uint8)[:, None], packed], np.zeros(len(x), dtype=np.bool_)


def decode_nvfp4(blocks: U8) -> F32:
    f = blocks[:, :4]
    exponent, mantissa = (f >> np.uint8(3) & np.uint8(15)).astype(np.int32), (f & np.uint8(7)).astype(np.float32)
    whole = np.where(exponent > 0, mantissa + np.float32(8), mantissa)
    scale: F32 = np.ldexp(whole, np.maximum(exponent, 1) - 11).astype(np.float32)
    scale[(f == 0) | (f == 0x7f)] = 0
    return (scale[:, :, None] * _halves_of(blocks[:, 4:].reshape(-1, 4, 8))).reshape(-1, 64)
