"""Makes quants.safetensors: what upstream's Python package computes for the block formats.

    pip install gguf==0.19.0 numpy safetensors xllamacpp==2026.10.11549
    python make_quants.py quants.safetensors

An outside oracle: nothing of this project takes part. It holds
    w                      [10, 256] f32: normal weights of several sizes, zeros, tiny and large values, rounding ties
    <type>.bytes .f32      `w` encoded, and decoded again, for the types of which the package's encoder is ours, too
    <type>.bytes .f32      random blocks, and what they decode to, for the others; of q1_0 and q2_0, which the package does
                           not decode, by llama.cpp itself
    special                f32 bit patterns around every border of the 16-bit floats; .f16 and .bf16 the patterns they become
"""
import ctypes
import glob
import os
import sys
import importlib.metadata
import numpy as np
import gguf
import xllamacpp
from gguf.constants import GGMLQuantizationType as T, GGML_QUANT_SIZES
from safetensors.numpy import save_file

rng = np.random.default_rng(7)


def weights():
    w = rng.standard_normal((10, 256)).astype(np.float32)
    w[0] *= 0.05
    w[1] *= 3.0
    w[2] *= np.float32(2e-6)             # scales become f16 subnormals
    w[3, :128] = 0
    w[3, 128:] = 1.25                    # no spread
    w[4] = rng.integers(-15, 16, 256) / 2  # ties in q4_0, whose scale is 1 where a block holds -8
    w[4, ::32] = -8
    w[5] *= np.exp(rng.standard_normal(256) * 2).astype(np.float32)
    w[6] = rng.integers(0, 31, 256) / 2  # ties in q4_1: 0 to 15 in halves, moved by an inexact offset
    w[6, ::32], w[6, 1::32] = 0, 15
    w[6] += np.repeat(np.arange(8) * np.float32(0.7), 32)
    w[7] = np.tile((np.arange(32, dtype=np.float32) - 15.5) / 15.5 * 127, 8)  # halves in q8_0
    w[8] = np.linspace(-1, 1, 256, dtype=np.float32)
    w[9] *= 1000
    return w


# Where the f16 fields of a block are, so that random bytes get sane scales.
HALVES = {T.Q5_0: [0], T.Q5_1: [0, 2], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}


def random_blocks(kind):
    length, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (2048 // length, size), dtype=np.uint8)
    for at in HALVES[kind]:
        scale = (rng.standard_normal(len(blocks)) * 0.01).astype(np.float16)
        blocks[:, at:at + 2] = scale.view(np.uint8).reshape(-1, 2)
    return blocks


def special():
    """Both neighbours of every point where a conversion could change its mind."""
    halves = np.arange(0, 0x7c01, 149, dtype=np.uint16).view(np.float16).astype(np.float32)
    middles = (halves[1:] + halves[:-1]) / 2
    exact = np.arange(0, 0x7c00, 389, dtype=np.uint16)
    ties = (exact.view(np.float16).astype(np.float64) + (exact + 1).view(np.float16).astype(np.float64)) / 2
    edges = np.array([0.0, 65504, 65519.996, 65520, 65536, 3.4e38, 6.103515625e-05, 5.9604645e-08, 2.9802322e-08,
                      1e-45, 1e-40, 1.1754944e-38, np.inf], dtype=np.float32)
    values = np.concatenate([halves, middles, ties.astype(np.float32), edges]).view(np.uint32).astype(np.int64)
    nans = np.array([0x7f800001, 0x7fc00000, 0x7fffffff, 0x7f80ffff, 0x7fa12345], dtype=np.int64)
    bits = np.concatenate([values, values + 1, np.maximum(values - 1, 0), nans, rng.integers(0, 1 << 31, 900)])
    bits = np.unique(bits)
    return np.concatenate([bits, bits | 0x80000000]).astype(np.uint32)


out = {"w": weights()}
for kind in (T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1):
    data = gguf.quants.quantize(out["w"], kind)
    out[kind.name.lower() + ".bytes"] = np.ascontiguousarray(data).view(np.uint8).reshape(-1)
    out[kind.name.lower() + ".f32"] = gguf.quants.dequantize(data, kind).reshape(-1).astype(np.float32)
for kind in HALVES:
    blocks = random_blocks(kind)
    name = kind.name.replace("Q", "q")
    out[name + ".bytes"] = blocks.reshape(-1)
    out[name + ".f32"] = gguf.quants.dequantize(blocks, kind).reshape(-1).astype(np.float32)
bits = special()
with np.errstate(over="ignore"):
    out["special"] = bits.view(np.int32)
    out["special.f16"] = bits.view(np.float32).astype(np.float16).view(np.uint16).astype(np.int32)
out["special.bf16"] = gguf.quants.quantize(bits.view(np.float32).reshape(1, -1), T.BF16).view(np.uint16).reshape(-1).astype(np.int32)
LATER = {T.IQ4_NL: [0], T.Q3_K: [108], T.Q2_K: [80, 82], T.IQ2_XXS: [0], T.IQ2_XS: [0], T.IQ2_S: [0], T.IQ3_XXS: [0],
         T.IQ3_S: [0], T.IQ1_S: [0], T.IQ4_XS: [0], T.TQ1_0: [52], T.TQ2_0: [64], T.IQ1_M: [], T.MXFP4: [], T.NVFP4: []}
for kind, halves in LATER.items():  # after the others, whose random numbers stay
    HALVES[kind] = halves
    blocks = random_blocks(kind)
    if kind == T.IQ1_M:  # an f16, four bits of it in the upper half of every second byte
        scale = (rng.standard_normal(len(blocks)) * 0.01).astype(np.float16).view(np.uint16)
        for i in range(4):
            blocks[:, 49 + 2 * i] = blocks[:, 49 + 2 * i] & 15 | (scale >> 4 * i & 15) << 4
    if kind == T.MXFP4:  # a power of two, of every size that leaves f32 values
        blocks[:, 0] = rng.integers(0, 252, len(blocks))
    name = kind.name.lower().replace("_k", "_K")
    out[name + ".bytes"] = blocks.reshape(-1)
    out[name + ".f32"] = gguf.quants.dequantize(blocks, kind).reshape(-1).astype(np.float32)
# Last, what llama.cpp alone decodes: 128 and 64 weights in 18 bytes, the first two of them an f16.
llama = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(xllamacpp.__file__), "xllamacpp*.so"))[0])
for name in ("q1_0", "q2_0"):
    blocks = rng.integers(0, 256, (16, 18), dtype=np.uint8)
    blocks[:, :2] = (rng.standard_normal(16) * 0.01).astype(np.float16).view(np.uint8).reshape(-1, 2)
    values = np.empty(16 * (128 if name == "q1_0" else 64), dtype=np.float32)
    llama[f"dequantize_row_{name}"](ctypes.c_void_p(blocks.ctypes.data), ctypes.c_void_p(values.ctypes.data),
                                    ctypes.c_int64(values.size))
    out[name + ".bytes"], out[name + ".f32"] = blocks.reshape(-1), values
save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, sys.argv[1],
          metadata={"gguf": importlib.metadata.version("gguf"), "numpy": np.__version__})
