"""The tables of the 4-bit types and of the 8-bit codes of their scales; ggml/dtypes says where each comes from."""
from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

# Quantiles of N(0, 1) scaled to [-1, 1], with an exact 0. (Dettmers et al. 2023)
NF4_VALUES: F32 = np.array(
    [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
     -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
     0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], dtype=np.float32)
# A code is how many of these a value lies above; on a threshold the lower code is taken.
NF4_THRESHOLDS: F32 = np.array(
    [-0.8480964005, -0.6106329262, -0.4599952698, -0.3396794349, -0.2346074060, -0.1379117332, -0.0455250181,
     0.0397901498, 0.1202552505, 0.2035212517, 0.2920137718, 0.3893125355, 0.5016634166, 0.6427869201, 0.8614784181],
    dtype=np.float32)

# fp4: codes 0..7 of a magnitude, not in the order of their values; code + 8 has the sign. Code 8 is a 0 without a sign,
# as bitsandbytes decodes it.
_FP4_MAGNITUDES = np.array([0, 0.0625, 8, 12, 4, 6, 2, 3], dtype=np.float32) / np.float32(12)
FP4_VALUES: F32 = np.concatenate([_FP4_MAGNITUDES, np.float32(0) - _FP4_MAGNITUDES])
FP4_ORDER: U8 = np.array([0, 1, 6, 7, 4, 5, 2, 3], dtype=np.uint8)  # the codes by magnitude
FP4_THRESHOLDS: F32 = np.array([0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333],
                               dtype=np.float32)

IQ4_NL_VALUES: F32 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113],
                              dtype=np.float32)


def _dynamic_map() -> F32:
    """The signed dynamic map: for i = 0..6 the means of neighbours of linspace(0.1, 1, 2^i + 1) times 10^(i - 6), with
    both signs; then 0 and 1; sorted. All in f32, each point rounded once.               (Dettmers et al. 2022, 1.3)"""
    f32, tenth = np.float32, np.float32(0.1)
    values = [f32(0), f32(1)]
    for i in range(7):
        n = (1 << i) + 1
        step = np.float64((f32(1) - tenth) / f32(n - 1))
        points = [f32(np.float64(tenth) + step * j) if j < n // 2 else f32(1.0 - step * (n - 1 - j)) for j in range(n)]
        for low, high in zip(points, points[1:]):
            value = (low + high) / f32(2) * f32(10.0 ** (i - 6))
            values += [value, -value]
    return np.sort(np.array(values, dtype=np.float32))


DYNAMIC_MAP: F32 = _dynamic_map()


def _dynamic_codes() -> U8:
    """For each of 65,536 points of [-1, 1] the nearest entry of the map; of two as near the lower."""
    points = np.float32(2) * np.arange(65536, dtype=np.float32) / np.float32(65535) - np.float32(1)
    low = np.clip(np.searchsorted(DYNAMIC_MAP, points, side="right") - 1, 0, 254)
    up = DYNAMIC_MAP[low + 1] - points < points - DYNAMIC_MAP[low]
    return (low + up).astype(np.uint8)


_DYNAMIC_CODES: U8 = _dynamic_codes()


def dynamic_codes(x: F32) -> U8:
    """The codes of x in [-1, 1] as bitsandbytes on a CPU chooses them: first rounded to the grid of 65,536 points."""
    point = (x + np.float32(1)) / np.float32(2) * np.float32(65535) + np.float32(0.5)
    return _DYNAMIC_CODES[point.astype(np.int32)]
