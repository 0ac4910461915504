"""Makes dynamic_codes.safetensors: the 8-bit codes that bitsandbytes on a CPU gives to values in [-1, 1].

    pip install numpy safetensors; pip download --no-deps bitsandbytes==0.50.2; unzip bitsandbytes-*.whl
    python make_dynamic_codes.py bitsandbytes/libbitsandbytes_cpu.so four_bit.safetensors dynamic_codes.safetensors

Calls the wheel's own library; the maps are those of four_bit.safetensors. Hundreds of the values are such that computing the
grid point in double instead of float would give another code. The first value of each block of 256 is 1: x is its own
normalised value.
"""
import ctypes
import sys
import numpy as np
from safetensors.numpy import load_file, save_file

lib = ctypes.CDLL(sys.argv[1])
maps = load_file(sys.argv[2])
rng = np.random.default_rng(5)


def pointer(a):
    return a.ctypes.data_as(ctypes.c_void_p)


def codes(table, x):
    table, out, absmax = table.copy(), np.zeros(x.size, np.uint8), np.zeros(x.size // 256, np.float32)
    lib.cquantize_blockwise_cpu_fp32(pointer(table), pointer(x), pointer(absmax), pointer(out),
                                     ctypes.c_longlong(256), ctypes.c_longlong(x.size))
    assert (absmax == 1).all()
    return out


def in_double(table, x):
    i = np.floor((x.astype(np.float64) + 1) / 2 * 65535 + 0.5)
    p = 2 * i / 65535 - 1
    return np.abs(p[:, None] - table.astype(np.float64)[None]).argmin(1).astype(np.uint8)


def values(signed, n):
    x = rng.uniform(-1 if signed else 0, 1, n) * 10.0 ** rng.uniform(-6, 0, n)
    return np.clip(x, -1, 1).astype(np.float32)


out = {}
for name in ("signed", "unsigned"):
    table = maps["dynamic_map_" + name]
    many = values(name == "signed", 1 << 20)
    many[::256] = 1
    hard = many[codes(table, many) != np.concatenate([in_double(table, part) for part in np.split(many, 64)])][:1000]
    x = np.concatenate([hard, table, np.nextafter(table, np.float32(0)), values(name == "signed", 2048)])
    x = np.concatenate([x, np.zeros(-x.size % 255, np.float32)]).reshape(-1, 255)
    x = np.ascontiguousarray(np.insert(x, 0, 1, axis=1).reshape(-1))
    out[name + ".x"], out[name + ".codes"] = x, codes(table, x)
    print(name, "values", x.size, "that differ in double", hard.size)
save_file(out, sys.argv[3], metadata={"bitsandbytes": "0.50.2"})
