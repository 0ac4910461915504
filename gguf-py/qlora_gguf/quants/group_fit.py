"""Scales of groups of weights by least squared error, with the bits of ggml/dtypes/group_fit.cpp, which explains them.

Weights are arrays [n, groups]: weight j of all groups side by side, so that sums run over the weights in their order."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .maps import F32

Bools = npt.NDArray[np.bool_]

LEAST_FITTED = np.float32(1e-12)
MOST_FITTED = np.float32(1e9)
_ONE = np.float32(1)


class Sums(NamedTuple):
    q: F32
    qq: F32
    xq: F32


def sum_weights(x: F32) -> F32:
    total = np.zeros(x.shape[1], dtype=np.float32)
    for row in x:
        total += row
    return total


def sums(x: F32, q: F32) -> Sums:
    return Sums(sum_weights(q), sum_weights(q * q), sum_weights(x * q))


def inverse_of(x: F32) -> F32:
    """1 / x, and 0 for 0."""
    inverse: F32 = np.where(x == 0, np.float32(0), _ONE / np.where(x == 0, _ONE, x))
    return inverse


def rounded(x: F32, minimum: F32 | np.float32, inverse: F32, low: float, top: float) -> F32:
    """The code nearest to (x + minimum) * inverse in [low, top]."""
    code: F32 = np.rint(np.minimum(np.maximum((x + minimum) * inverse, np.float32(low)), np.float32(top)))
    return code


def nearest(x: F32, inverse: F32, units: F32) -> npt.NDArray[np.intp]:
    """The number of the unit nearest to x * inverse, the lower one of two as near."""
    return np.searchsorted((units[:-1] + units[1:]) * np.float32(0.5), x * inverse, side="left")


class _Best:
    """The best line so far: of the squares, a fit explains `gain`."""

    def __init__(self, minimum: F32) -> None:
        self.gain = np.full(minimum.shape, np.finfo(np.float32).min, dtype=np.float32)
        self.scale = np.zeros_like(minimum)
        self.minimum = minimum.copy()

    def keep(self, better: Bools, gain: F32, scale: F32, minimum: F32 | None = None) -> None:
        self.gain = np.where(better, gain, self.gain)
        self.scale = np.where(better, scale, self.scale)
        if minimum is not None:
            self.minimum = np.where(better, minimum, self.minimum)

    def consider_line(self, s: Sums, sum_x: F32, n: np.float32) -> None:
        det = s.qq * n - s.q * s.q
        has_line, has_codes = det > 0, s.qq > 0
        divisor: F32 = np.where(has_line, det, _ONE)
        squares: F32 = np.where(has_codes, s.qq, _ONE)
        slope = (s.xq * n - sum_x * s.q) / divisor
        start = (sum_x - slope * s.q) / n
        through_zero = ~has_line | (start > 0)
        scale: F32 = np.where(through_zero, s.xq / squares, slope)
        at_zero: F32 = np.where(through_zero, np.float32(0), start)
        gain: F32 = scale * s.xq + at_zero * sum_x
        self.keep(has_codes & (scale > 0) & (gain > self.gain), gain, scale, np.float32(0) - at_zero)

    def consider_scale(self, s: Sums) -> None:
        has_codes = s.qq > 0
        squares: F32 = np.where(has_codes, s.qq, _ONE)
        scale: F32 = s.xq / squares
        gain: F32 = scale * s.xq
        self.keep(has_codes & (gain > self.gain), gain, scale)


def fit_affine(x: F32, top: int) -> tuple[F32, F32, F32]:
    """Scales and minima of x = scale q - minimum, q in 0..top, and the sums of the groups' weights."""
    n, sum_x = np.float32(len(x)), sum_weights(x)
    least = np.minimum(x.min(axis=0), np.float32(0))
    spread, minimum = x.max(axis=0) - least, np.float32(0) - least
    has_spread = spread >= LEAST_FITTED
    best = _Best(minimum)
    for more in np.arange(-2, 2.5, 0.5, dtype=np.float32):
        inverse = np.where(has_spread, (np.float32(top) + more) / np.where(has_spread, spread, _ONE), np.float32(0))
        best.consider_line(sums(x, rounded(x, minimum, inverse, 0, top)), sum_x, n)
    again = rounded(x, best.minimum, inverse_of(best.scale), 0, top)
    best.consider_line(sums(x, again), sum_x, n)
    return best.scale, best.minimum, sum_x


def _largest(x: F32) -> F32:
    """The weight of the largest magnitude, the first of equals."""
    found: F32 = np.take_along_axis(x, np.abs(x).argmax(axis=0)[None], axis=0)[0]
    return found


def fit_signed(x: F32, half: int) -> F32:
    """Scales of x = scale q, q in -half..half - 1."""
    largest = _largest(x)
    has_weights = np.abs(largest) >= LEAST_FITTED
    divisor = np.where(has_weights, largest, _ONE)
    best = _Best(np.zeros_like(largest))
    for more in np.arange(-4, 2, 0.5, dtype=np.float32):
        inverse = np.where(has_weights, (np.float32(-half) - more) / divisor, np.float32(0))
        best.consider_scale(sums(x, rounded(x, np.float32(0), inverse, -half, half - 1)))
    best.consider_scale(sums(x, rounded(x, np.float32(0), inverse_of(best.scale), -half, half - 1)))
    return best.scale


def fit_units(x: F32, units: F32) -> F32:
    """Scales of x = scale unit, of sixteen units in ascending order."""
    largest = _largest(x)
    has_weights = np.abs(largest) >= LEAST_FITTED
    divisor = np.where(has_weights, largest, _ONE)
    best = _Best(np.zeros_like(largest))
    for end in (units[0], units[-1]):
        for part in np.array([0.8, 0.9, 1.0, 1.1], dtype=np.float32):
            inverse = np.where(has_weights, end * part / divisor, np.float32(0))
            best.consider_scale(sums(x, units[nearest(x, inverse, units)]))
    best.scale = np.where(has_weights, best.scale, np.float32(0))
    best.consider_scale(sums(x, units[nearest(x, inverse_of(best.scale), units)]))
    return np.where(has_weights, best.scale, np.float32(0))
