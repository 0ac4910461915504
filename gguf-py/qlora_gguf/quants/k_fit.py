"""Blocks of 256 weights before their bits are packed: ggml/dtypes/k_block.cpp, with its bits."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .blocks import too_large
from .group_fit import (LEAST_FITTED, MOST_FITTED, Bools, Sums, fit_affine, fit_signed, inverse_of, rounded, sums)
from .maps import F32, U8

F64 = npt.NDArray[np.float64]


def _half(x: F32) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore"):
        return x.astype(np.float16)


def _fitted(x: F32) -> tuple[F32, Bools]:
    """The blocks, zeros instead of those that are too small or too large; which are too large."""
    most = np.abs(x).max(axis=1)
    return np.where(((most < LEAST_FITTED) | (most > MOST_FITTED))[:, None], np.float32(0), x), most > MOST_FITTED


def _multiples(x: F32, d: F32, least: int, most: int) -> F32:
    """How many times d: x [blocks, groups], d [blocks, 1]."""
    n: F32 = np.clip(np.rint(x / np.where(d == 0, np.float32(1), d)), np.float32(least), np.float32(most))
    return np.where(d == 0, np.float32(0), n)


def _sum_groups(x: F64) -> F64:
    total = np.zeros(len(x))
    for group in x.T:
        total += group
    return total


class AffineBlocks:
    """Eight groups of 32 a block: weight j of group g is d scale[g] code[g, j] - dmin minimum[g]; code 0 to top."""

    def __init__(self, x: F32, top: int) -> None:
        x, self.bad = _fitted(x)
        self._top, self._count = top, len(x)
        self._x = np.ascontiguousarray(x.reshape(-1, 32).T)  # [32, groups of all blocks]
        scale, minimum, sum_x = fit_affine(self._x, top)
        scale, minimum, sum_x = (v.reshape(-1, 8) for v in (scale, minimum, sum_x))
        self.d, self.dmin = (_half(v.max(axis=1) / np.float32(63)) for v in (scale, minimum))
        self.bad |= too_large(self.d.view(np.uint8)) | too_large(self.dmin.view(np.uint8))
        self.d[self.bad], self.dmin[self.bad] = 0, 0
        self.scale = _multiples(scale, self._wide(self.d), 0, 63)
        self.minimum = _multiples(minimum, self._wide(self.dmin), 0, 63)
        s = self._set_codes()
        d = self._wide(self.d) * self.scale
        self.minimum = _multiples((d * s.q - sum_x) / np.float32(32), self._wide(self.dmin), 0, 63)
        self._fit_halves(self._set_codes(), sum_x)
        self._set_codes()

    @staticmethod
    def _wide(half: npt.NDArray[np.float16]) -> F32:
        return half.astype(np.float32)[:, None]

    def _set_codes(self) -> Sums:
        scale = (self._wide(self.d) * self.scale).reshape(-1)
        minimum = (self._wide(self.dmin) * self.minimum).reshape(-1)
        code = rounded(self._x, minimum, inverse_of(scale), 0, self._top)
        self.code: U8 = code.astype(np.uint8).T.reshape(-1, 8, 32)
        return Sums(*(v.reshape(-1, 8) for v in sums(self._x, code)))

    def _fit_halves(self, of: Sums, sum_x: F32) -> None:
        """d and dmin by least squares, everything else as it is."""
        s, m = self.scale.astype(np.float64), -self.minimum.astype(np.float64)
        ss, sm, mm = _sum_groups(s * s * of.qq), _sum_groups(s * m * of.q), _sum_groups(m * m * 32)
        xs, xm = _sum_groups(s * of.xq), _sum_groups(m * sum_x)
        det, alone = ss * mm - sm * sm, mm == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            d = np.where(alone, xs / ss, (xs * mm - xm * sm) / det)
            dmin = np.where(alone, 0, (ss * xm - sm * xs) / det)
            half, half_min = _half(d.astype(np.float32)), _half(dmin.astype(np.float32))
            solved = (ss != 0) & (alone | (det > 1e-6 * ss * mm)) & (d > 0) & (dmin >= 0) & (half != 0)
        solved &= ~too_large(half.view(np.uint8)) & ~too_large(half_min.view(np.uint8))
        self.d, self.dmin = np.where(solved, half, self.d), np.where(solved, half_min, self.dmin)


class SignedBlocks(NamedTuple):
    """Sixteen groups of 16 a block: weight j of group g is d scale[g] (code[g, j] - half)."""

    d: npt.NDArray[np.float16]
    scale: npt.NDArray[np.int8]  # [blocks, 16]
    code: U8  # [blocks, 16, 16]
    bad: Bools


def signed_blocks(x: F32, half: int, most: int) -> SignedBlocks:
    """Codes 0 to 2 half - 1, scales -most to most - 1."""
    x, bad = _fitted(x)
    columns = np.ascontiguousarray(x.reshape(-1, 16).T)
    fitted = fit_signed(columns, half).reshape(-1, 16)
    largest = np.take_along_axis(fitted, np.abs(fitted).argmax(axis=1)[:, None], axis=1)[:, 0]
    d = _half(largest / np.float32(-most))
    bad |= too_large(d.view(np.uint8))
    d[(d == 0) | bad] = 0
    scale = _multiples(fitted, d.astype(np.float32)[:, None], -most, most - 1)

    def codes(d: npt.NDArray[np.float16]) -> F32:
        each = (d.astype(np.float32)[:, None] * scale).reshape(-1)
        return rounded(columns, np.float32(0), inverse_of(each), -half, half - 1)

    of = Sums(*(v.reshape(-1, 16) for v in sums(columns, codes(d))))
    s = scale.astype(np.float64)
    ss, xs = _sum_groups(s * s * of.qq), _sum_groups(s * of.xq)
    new = _half((xs / np.where(ss == 0, 1, ss)).astype(np.float32))
    d = np.where((ss == 0) | (new == 0) | too_large(new.view(np.uint8)), d, new)
    code: U8 = (codes(d) + np.float32(half)).astype(np.uint8).T.reshape(-1, 16, 16)
    return SignedBlocks(d, scale.astype(np.int8), code, bad)
