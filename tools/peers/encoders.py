#!/usr/bin/env python3
"""Encoders of block formats beside llama.cpp's own: the error that both leave, and weights a second of one thread.

    pip install ./gguf-py xllamacpp==2026.10.11549
    QL_TEST_LIB=build/release/lib/libql.so python3 tools/peers/encoders.py [MODEL.gguf]

Errors are relative roots of the mean squared error of 2^19 weights of N(0, 1), and of the model's block matrices, each cut
to 2^17 weights. llama.cpp encodes without importance (ggml_quantize_chunk). Processor time of the thread, the best of five.
"""
import ctypes
import glob
import os
import sys
import time

import numpy as np
import xllamacpp
from qlora_gguf import DType, gguf, quants

TYPES = ("q3_K", "q4_K", "q5_K", "q6_K", "iq4_nl", "mxfp4")


class LlamaCpp:
    def __init__(self):
        self._lib = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(xllamacpp.__file__), "xllamacpp*.so"))[0])
        self._lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
                                                  ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]

    def encode(self, x, kind, out):
        self._lib.ggml_quantize_chunk(int(kind), x.ctypes.data, out.ctypes.data, 0, x.size // 256, 256, None)


class Ours:
    def __init__(self):
        self._lib = ctypes.CDLL(os.environ["QL_TEST_LIB"])
        self._lib.ql_encode.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]

    def encode(self, x, kind, out):
        if self._lib.ql_encode(int(kind), x.ctypes.data, x.size, out.ctypes.data) != 0:
            sys.exit("ql_encode failed")


def measure(encoder, x, kind):
    """Relative error, M weights a second."""
    out = np.zeros(kind.n_bytes(x.size), dtype=np.uint8)
    best = np.inf
    for _ in range(5):
        start = time.thread_time()
        encoder.encode(x, kind, out)
        best = min(best, time.thread_time() - start)
    rest = (quants.decode(out, kind, x.size) - x).astype(np.float64)
    return np.sqrt((rest**2).sum() / (x.astype(np.float64)**2).sum()), x.size / best / 1e6


def matrices(path):
    with gguf.open(path) as file:
        parts = [t.decode().reshape(-1)[:1 << 17] for name, t in file.tensors.items()
                 if name.startswith("blk.") and len(t.shape) == 2]
    return np.concatenate([p[:p.size // 256 * 256] for p in parts])


def main():
    data = {"N(0, 1)": np.random.default_rng(1).standard_normal(1 << 19).astype(np.float32)}
    if len(sys.argv) > 1:
        data[os.path.basename(sys.argv[1])] = matrices(sys.argv[1])
    ours, theirs = Ours(), LlamaCpp()
    print(f"{'type':8}{'weights':34}{'ours':>9}{'llama.cpp':>11}{'M/s':>7}{'llama.cpp':>11}")
    for name in TYPES:
        kind = DType.of(name)
        for label, x in data.items():
            (error, rate), (their_error, their_rate) = measure(ours, x, kind), measure(theirs, x, kind)
            print(f"{name:8}{label[:32]:34}{error:9.5f}{their_error:11.5f}{rate:7.0f}{their_rate:11.0f}")


if __name__ == "__main__":
    main()
