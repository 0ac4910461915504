#!/usr/bin/env python3
"""scale_search.safetensors: weights, and what nf4, nf4_dq and q4_0 with searched scales decode to.

    tests/golden/make_scale_search.py            (numpy, safetensors)

The search of ggml/dtypes/scale_search.hpp written a second time, with numpy's f32 and f64 in the same order of
operations.
"""
import os

import numpy as np
from safetensors.numpy import load_file, save_file

F = np.float32
FOLDER = os.path.dirname(os.path.abspath(__file__))
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


def searched(block, units, largest_unit, plain, round_scale, importance=None):
    """plain: the block as the largest weight's scale decodes it; round_scale: to what the format can hold."""
    most = np.abs(block).max()

    def error(decoded):
        squares = (block.astype(np.float64) - decoded.astype(np.float64)) ** 2
        return (squares if importance is None else squares * importance).sum()

    x = block * (F(1) / most)
    mean = in_order(x * x, F) / F(len(x))
    w = np.sqrt(mean + x * x)
    if importance is not None:
        w = w * (importance / importance.max())
    proposed = propose(x, w, units, largest_unit) * most
    if largest_unit == 8:
        proposed = round_scale(proposed)
    u = units(block * (F(1) / proposed))
    u64, w64 = u.astype(np.float64), w.astype(np.float64)
    scale = round_scale(F(in_order(w64 * u64 * block.astype(np.float64), np.float64) /
                          in_order(w64 * u64 * u64, np.float64)))
    decoded = u * scale
    return (decoded, scale) if error(decoded) < error(plain) else (plain, most)


def nf4(block, importance=None):  # and its scale
    most = np.abs(block).max()
    return searched(block, nf4_units, 1, nf4_units(block * (F(1) / most)) * most, lambda s: s, importance)


def nf4_dq(blocks):
    """Of at most 256 blocks: the scales of nf4, quantised as bitsandbytes does, and codes for what they became."""
    dynamic_map = load_file(os.path.join(FOLDER, "four_bit.safetensors"))["dynamic_map_signed"]
    scales = np.array([nf4(b)[1] for b in blocks], F)
    offset = F(in_order(scales.astype(np.float64), np.float64) / len(scales))
    most = np.abs(scales - offset).max()
    i = ((scales - offset) / most + F(1)) / F(2) * F(65535) + F(.5)
    p = F(2) * np.trunc(i).astype(F) / F(65535) - F(1)
    low = np.clip(np.searchsorted(dynamic_map, p, "right") - 1, 0, 254)
    code = low + (dynamic_map[low + 1] - p < p - dynamic_map[low])
    scales = (dynamic_map[code] * most + offset)[:, None]
    return nf4_units(blocks * (F(1) / scales)) * scales


def q4_0(block, importance=None):
    def half(s):
        return F(np.float16(s))

    d = block[np.abs(block).argmax()] / F(-8)
    return searched(block, q4_0_units, 8, q4_0_units(block * (F(1) / d)) * half(d), half, importance)


def main():
    rng = np.random.default_rng(12)
    w = rng.standard_normal((48, 64)).astype(F)
    w[16:32] *= np.exp(rng.standard_normal((16, 64))).astype(F)  # longer tails
    w[32:40] *= np.exp2(np.arange(-8, 8, 2))[:, None].astype(F)
    tensors = {"w": w.ravel(), "nf4": np.concatenate([nf4(b)[0] for b in w]), "nf4_dq": nf4_dq(w).ravel(),
               "q4_0": np.concatenate([q4_0(b)[0] for b in w.reshape(-1, 32)])}
    tensors["importance"] = importance = np.exp(rng.standard_normal(64)).astype(F)
    tensors["nf4_weighted"] = np.concatenate([nf4(b, importance)[0] for b in w])
    tensors["q4_0_weighted"] = np.concatenate([q4_0(b, importance[i % 2 * 32:][:32])[0]
                                               for i, b in enumerate(w.reshape(-1, 32))])
    for name in ("nf4", "nf4_dq", "q4_0", "nf4_weighted", "q4_0_weighted"):
        assert tensors[name].dtype == F
        print(name, ((tensors[name] - tensors["w"]) ** 2).sum() / (tensors["w"] ** 2).sum())
    save_file(tensors, os.path.join(FOLDER, "scale_search.safetensors"))


main()
