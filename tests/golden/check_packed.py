"""Whether golden/packed holds what others unpack: the values of AutoGPTQ's and AutoAWQ's own modules equal those expected.

    check_packed.py qlinear_cuda.py packing_utils.py

The files are of PyPI auto-gptq 0.7.1 (auto_gptq/nn_modules/qlinear) and autoawq 0.2.9 (awq/utils). Needs torch and safetensors;
runs on a CPU. gptq_v2 is younger than that AutoGPTQ: its zero points are stored as they are.
"""
import pathlib
import sys
import types

import torch
from safetensors.torch import load_file

HERE = pathlib.Path(__file__).parent / "packed"


def module(path):
    """One file of a package that as a whole needs a GPU."""
    made = types.ModuleType(path)
    source = pathlib.Path(path).read_text().replace("import transformers", "").replace("transformers.pytorch_utils.Conv1D", "()")
    exec(compile(source, path, "exec"), made.__dict__)
    return made


def linears(kind):
    tensors, expected = (load_file(HERE / kind / f"{name}.safetensors") for name in ("model", "expected"))
    for name, values in expected.items():
        linear = name.removesuffix(".weight")
        yield linear, {end: tensors.get(f"{linear}.{end}") for end in ("qweight", "qzeros", "scales", "g_idx")}, values


def gptq(of, parts, values, bits, group):
    rows, k = values.shape
    linear = of.QuantLinear(bits, group, k, rows, False)
    linear.qweight, linear.qzeros, linear.g_idx = parts["qweight"], parts["qzeros"], parts["g_idx"]
    linear.scales = parts["scales"].float()
    return linear(torch.eye(k)).T


def main():
    of_gptq, of_awq = map(module, sys.argv[1:3])
    for kind, bits, group in ("gptq", 4, 32), ("gptq_act", 4, 32), ("gptq_int8", 8, -1):
        for linear, parts, values in linears(kind):
            assert torch.equal(gptq(of_gptq, parts, values, bits, group), values), (kind, linear)
    for linear, parts, values in linears("awq"):
        got = of_awq.dequantize_gemm(parts["qweight"], parts["qzeros"], parts["scales"].float(), 4, 32)
        assert torch.equal(got.T, values), linear
    print("equal")


main()
