"""Our GGUF files in upstream's reader: the adapter as llama.cpp's loader demands it, and the F16 model's values."""
import gguf
import numpy as np

from fixed_adapter import LINEARS
from interop import ADAPTER, LORA_ALPHA, LORA_R, MODEL, MODEL_F16, check, finish


def check_value(reader, key, type_, expected):
    field = reader.fields.get(key)
    check(field is not None, f"{key} is missing")
    if field is not None:
        check(field.types == [type_], f"{key} has type {field.types}, not {type_.name}")
        check(field.contents() == expected, f"{key} is {field.contents()!r}, not {expected!r}")


def check_adapter():
    reader = gguf.GGUFReader(ADAPTER)
    kind = gguf.GGUFValueType
    check_value(reader, "general.type", kind.STRING, "adapter")
    check_value(reader, "general.architecture", kind.STRING, "llama")
    check_value(reader, "adapter.type", kind.STRING, "lora")
    check_value(reader, "adapter.lora.alpha", kind.FLOAT32, float(LORA_ALPHA))
    base = {t.name: [int(n) for n in t.shape] for t in gguf.GGUFReader(MODEL).tensors}
    expected = {}
    for name, shape in base.items():
        if name.split(".")[-2] in LINEARS:
            expected[name + ".lora_a"] = [shape[0], LORA_R]
            expected[name + ".lora_b"] = [LORA_R, shape[1]]
    found = {t.name: t for t in reader.tensors}
    check(len(expected) == 2 * 210, f"the base has {len(expected) // 2} linears")
    check(set(found) == set(expected), f"other tensors than wanted: {sorted(set(found) ^ set(expected))[:4]}")
    for name in set(found) & set(expected):
        tensor, shape = found[name], [int(n) for n in found[name].shape]
        check(shape == expected[name], f"{name} is {shape}, not {expected[name]}")
        check(tensor.tensor_type == gguf.GGMLQuantizationType.F32, f"{name} is {tensor.tensor_type.name}, not F32")
        check(np.isfinite(tensor.data).all() and np.abs(tensor.data).max() > 0, f"{name} is zero or not finite")
    print(f"adapter: {len(found)} tensors, {sum(t.n_elements for t in reader.tensors)} parameters")


def check_f16():
    """Every matrix of the F16 model is upstream's decoding of the original, rounded to F16, bit for bit."""
    original = {t.name: t for t in gguf.GGUFReader(MODEL).tensors}
    tensors = gguf.GGUFReader(MODEL_F16).tensors
    check([t.name for t in tensors] == list(original), "the F16 model has other tensors than the original")
    n = 0
    for tensor in tensors:
        source = original[tensor.name]
        wanted = gguf.dequantize(source.data, source.tensor_type)
        if len(tensor.shape) == 2:
            check(tensor.tensor_type == gguf.GGMLQuantizationType.F16, f"{tensor.name} is {tensor.tensor_type.name}")
            wanted = wanted.astype(np.float16)
            n += 1
        check(np.array_equal(tensor.data, wanted), f"{tensor.name} has other values than the original")
    print(f"F16 model: {n} matrices of {len(tensors)} tensors are equal to upstream's decoding")


check_adapter()
check_f16()
finish()
