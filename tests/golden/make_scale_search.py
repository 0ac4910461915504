#!/usr/bin/env python3
"""scale_search.safetensors: weights, and what nf4 and q4_0 with searched scales decode to.

    tests/golden/make_scale_search.py            (numpy, safetensors)

The search of ggml/dtypes/scale_search.hpp written a second time, with numpy's f32 and f64 in the same order of
operations.
"""
import os

import numpy as np
from safetensors.numpy import save_file

F = np.float32
CODEBOOK = np.array([-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
                     -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
                     0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
                     0.7229568362236023, 1], F)
THRESHOLDS = np.array([-.8480964005, -.6106329262, -.4599952698, -.3396794349, -.2346074060, -.1379117332, -.0455250181,
                       .0397901498, .1202552505, .2035212517, .2920137718, .3893125355, .5016634166, .6427869201,
                       .8614784181], F)


def nf4_units(v):
    return CODEBOOK[(v[..., None] > THRESHOLDS).sum(-1)]


def q4_0_units(v):
    return np.trunc(np.clip(v + F(8.5), F(0), F(15))).astype(F) - F(8)


def in_order(terms, dtype):
    total = np.zeros(terms.shape[1:], dtype)
    for term in terms:
        total = total + term
    return total


def propose(x, w, units, largest_unit):
    """The scale, in units of the largest magnitude."""
    step = (F(1.5) - F(.7)) / F(15)
    best, gain = F(0), F(0)

    def improve(scales, best, gain):
        u = units(x[:, None] * (F(1) / scales)[None])
        wxu, wuu = in_order((w * x)[:, None] * u, F), in_order(w[:, None] * (u * u), F)
        for a, b in zip(wxu, wuu):
            if b == 0:
                continue
            scale = a / b
            if a * scale > gain:
                best, gain = scale, a * scale
        return best, gain

    for sign in (F(1), F(-1)):
        scales = np.array([sign * (F(.7) + step * F(i)) / F(largest_unit) for i in range(16)], F)
        best, gain = improve(scales, best, gain)
    around = best
    return improve(np.array([around * (F(1) + step / F(16) * F(i - 8)) for i in range(16)], F), best, gain)[0]


def searched(block, units, largest_unit, plain, round_scale):
    """plain: the block as the largest weight's scale decodes it; round_scale: to what the format can hold."""
    most = np.abs(block).max()
    error = ((block.astype(np.float64) - plain.astype(np.float64)) ** 2).sum()
    x = block * (F(1) / most)
    mean = in_order(x * x, F) / F(len(x))
    w = np.sqrt(mean + x * x)
    proposed = propose(x, w, units, largest_unit) * most
    if largest_unit == 8:
        proposed = round_scale(proposed)
    u = units(block * (F(1) / proposed))
    u64, w64 = u.astype(np.float64), w.astype(np.float64)
    scale = round_scale(F(in_order(w64 * u64 * block.astype(np.float64), np.float64) /
                          in_order(w64 * u64 * u64, np.float64)))
    decoded = u * scale
    return decoded if ((block.astype(np.float64) - decoded.astype(np.float64)) ** 2).sum() < error else plain


def nf4(block):
    most = np.abs(block).max()
    return searched(block, nf4_units, 1, nf4_units(block * (F(1) / most)) * most, lambda s: s)


def q4_0(block):
    def half(s):
        return F(np.float16(s))

    d = block[np.abs(block).argmax()] / F(-8)
    return searched(block, q4_0_units, 8, q4_0_units(block * (F(1) / d)) * half(d), half)


def main():
    rng = np.random.default_rng(12)
    w = rng.standard_normal((48, 64)).astype(F)
    w[16:32] *= np.exp(rng.standard_normal((16, 64))).astype(F)  # longer tails
    w[32:40] *= np.exp2(np.arange(-8, 8, 2))[:, None].astype(F)
    tensors = {"w": w.ravel(), "nf4": np.concatenate([nf4(b) for b in w]),
               "q4_0": np.concatenate([q4_0(b) for b in w.reshape(-1, 32)])}
    for name in ("nf4", "q4_0"):
        assert tensors[name].dtype == F
        print(name, ((tensors[name] - tensors["w"]) ** 2).sum() / (tensors["w"] ** 2).sum())
    save_file(tensors, os.path.join(os.path.dirname(os.path.abspath(__file__)), "scale_search.safetensors"))


main()
