"""A tiny model of golden/arch with the linears that GPTQ and AWQ would store, packed by the formats' definition: packed/KIND.

    make_packed.py [KIND ...]            numpy and safetensors alone

check_packed.py compares with what AutoGPTQ and AutoAWQ unpack.

A folder holds config.json, model.safetensors, and expected.safetensors: f32 values of some weights, computed of the integers
before they are packed. Codes are the nearest to the weights by the extremes of a group; what matters here is where they stand.
"""
import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).parent
EXPECTED = ["self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj"]
AWQ_OUTPUTS = [0, 2, 4, 6, 1, 3, 5, 7]  # of the codes of a word, from the lowest bits on
KINDS = {  # method, bits, group (0: all inputs), zero points are the middle, order of inputs by activation, more of the config
    "gptq": ("gptq", 4, 32, True, False, {"desc_act": False, "sym": True}),
    "gptq_v2": ("gptq", 4, 64, False, False, {"desc_act": False, "sym": False, "checkpoint_format": "gptq_v2"}),
    "gptq_act": ("gptq", 4, 32, False, True, {"desc_act": True, "sym": False, "checkpoint_format": "gptq"}),
    "gptq_int8": ("gptq", 8, 0, True, False, {"desc_act": False, "sym": True, "checkpoint_format": "gptq"}),
    "awq": ("awq", 4, 32, False, False, {"version": "gemm", "zero_point": True}),
}


def quantise(w, bits, group, sym, order):
    """w [m, k] -> q [m, k], z and s [m, groups], the group of each input [k]."""
    m, k = w.shape
    group_of = np.empty(k, np.int32)
    group_of[order] = np.arange(k) // group
    n = -(-k // group)
    z, s, q = np.empty((m, n), np.int64), np.empty((m, n), np.float16), np.empty((m, k), np.int64)
    most = 2 ** bits - 1
    for g in range(n):
        part = w[:, group_of == g].astype(np.float64)
        low, high = np.minimum(part.min(1), 0), np.maximum(part.max(1), 0)
        if sym:
            s[:, g] = (2 * np.maximum(-low, high) / most).astype(np.float16)
            z[:, g] = 2 ** (bits - 1)
        else:
            s[:, g] = ((high - low) / most).astype(np.float16)
            z[:, g] = np.clip(np.rint(-low / s[:, g]), 0, most)
        q[:, group_of == g] = np.clip(np.rint(part / s[:, g, None].astype(np.float64)) + z[:, g, None], 0, most)
    return q, z, s, group_of


def words(codes, bits, order=None):
    """Of [..., n] codes each 32 / bits to a word, the first in the lowest bits, or those that `order` names."""
    per = 32 // bits
    parts = codes.reshape(*codes.shape[:-1], -1, per)[..., order or range(per)].astype(np.uint64)
    packed = sum(parts[..., i] << np.uint64(i * bits) for i in range(per))
    return np.ascontiguousarray(packed.astype(np.uint32).view(np.int32))


def pack(name, w, kind, rng):
    method, bits, group, sym, act, _ = KINDS[kind]
    k = w.shape[1]
    order = rng.permutation(k) if act else np.arange(k)
    q, z, s, group_of = quantise(w, bits, group or k, sym, order)
    if method == "gptq" and kind != "gptq_v2":
        z = np.maximum(z, 1)  # the first format cannot say 0
    if kind == "gptq_v2" and name.endswith("o_proj"):
        z[:2, 0] = 0, 15  # the ends of what a word can say
        q[:2, 0] = 0, 15
    values = s[:, group_of].astype(np.float32) * (q - z[:, group_of]).astype(np.float32)
    if method == "awq":
        return values, {f"{name}.qweight": words(q.T, 4, AWQ_OUTPUTS), f"{name}.qzeros": words(z.T, 4, AWQ_OUTPUTS),
                        f"{name}.scales": np.ascontiguousarray(s.T)}
    less = 0 if kind == "gptq_v2" else 1
    return values, {f"{name}.qweight": np.ascontiguousarray(words(q, bits).T), f"{name}.qzeros": words(z.T - less, bits),
                    f"{name}.scales": np.ascontiguousarray(s.T), f"{name}.g_idx": group_of}


def make(kind):
    method, bits, group, _, _, more = KINDS[kind]
    source, folder = HERE / "arch/llama", HERE / "packed" / kind
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((source / "config.json").read_text())
    config["num_hidden_layers"] = 1
    config["quantization_config"] = {"quant_method": method, "bits": bits, "group_size": group or -1, **more}
    if "layer_types" in config:
        config["layer_types"] = config["layer_types"][:1]
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tensors, expected, rng = {}, {}, np.random.default_rng(1)
    for name, w in sorted(load_file(source / "model.safetensors").items()):
        if ".layers." in name and ".layers.0." not in name:
            continue
        if not name.endswith("_proj.weight"):
            tensors[name] = w.astype(np.float16) if w.ndim == 2 else w
            continue
        linear = name.removesuffix(".weight")
        values, parts = pack(linear, w, kind, rng)
        tensors.update(parts)
        if kind == "gptq":
            tensors[f"{linear}.bias"] = np.zeros(w.shape[0], np.float16)  # as old packers wrote them
        if any(linear.endswith(e) for e in EXPECTED):
            expected[name] = np.ascontiguousarray(values)
    save_file(tensors, folder / "model.safetensors")
    save_file(expected, folder / "expected.safetensors")


if __name__ == "__main__":
    for kind in sys.argv[1:] or KINDS:
        make(kind)
