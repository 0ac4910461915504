"""Products of dense weights with oneDNN, by way of PyTorch on a CPU. Prints one JSON object.

    product_torch.py --type bf16|f32 --shape K,M,T [--shape ...] [--isa AVX2|AVX512_CORE|...] [--threads 2]

y [T, M] = x [T, K] W^T; x, W and y are of the type. Two ways:
  linear   W in rows as models keep it: the better of torch.nn.functional.linear, unless that goes elsewhere (in f32 to
           MKL), and PyTorch's operator that calls oneDNN by name
  packed   W laid out beforehand as oneDNN likes it best
Which library computed is read from its own log of the calls, not taken for granted; --isa is oneDNN's limit on the
instruction set.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

REPEATS, SECONDS = 7, 0.1


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--type", choices=("bf16", "f32"), required=True)
    parser.add_argument("--shape", action="append", required=True)
    parser.add_argument("--isa")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def log_of(torch, call):
    """What oneDNN writes to stdout about its calls."""
    sys.stdout.flush()
    stdout = os.dup(1)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 1)
        try:
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                call()
        finally:
            os.dup2(stdout, 1)
            os.close(stdout)
        log.seek(0)
        return log.read().decode(errors="replace")


def kernel_of(torch, call):
    """The oneDNN kernel that a call runs, "brg_matmul:avx512_core_bf16"; None if it is none of oneDNN's."""
    for line in log_of(torch, call).splitlines():
        fields = line.split(",")
        if "exec" in fields and ("matmul" in fields or "inner_product" in fields):
            return fields[fields.index("exec") + 3]
    return None


def rate(call, flops):
    rates = []
    for _ in range(REPEATS):
        calls, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            call()
            calls += 1
        rates.append(flops * calls / (time.perf_counter() - start) / 1e9)
    return statistics.median(rates)


def measure(torch, dtype, k, m, t):
    x, w = torch.randn(t, k, dtype=dtype), torch.randn(m, k, dtype=dtype)
    product = torch.ops.mkldnn._linear_pointwise
    rows, packed = w.to_mkldnn(), torch.ops.mkldnn._reorder_linear_weight(w, t)
    ways = {
        "linear": (lambda: torch.nn.functional.linear(x, w), lambda: product(x, rows, None, "none", [], "")),
        "packed": (lambda: product(x, packed, None, "none", [], ""),),
    }
    answer = {"shape": [k, m, t], "pytorch": kernel_of(torch, ways["linear"][0]) or "not oneDNN"}
    for way, calls in ways.items():
        for call in calls:
            kernel = kernel_of(torch, call)  # warms up, too
            if kernel:
                found = {"gflops": rate(call, 2 * k * m * t), "kernel": kernel}
                answer[way] = max(answer.get(way, found), found, key=lambda a: a["gflops"])
        if way not in answer:
            raise SystemExit(f"{way}: it is not oneDNN that computes")
    return answer


def main():
    o = parse()
    if o.isa:
        os.environ["ONEDNN_MAX_CPU_ISA"] = o.isa  # before the library is loaded
    import torch
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    dtype = {"bf16": torch.bfloat16, "f32": torch.float32}[o.type]
    with torch.no_grad():
        products = [measure(torch, dtype, *map(int, shape.split(","))) for shape in o.shape]
    onednn = next((word[1:] for line in torch.__config__.show().splitlines() if "MKL-DNN" in line
                   for word in line.split() if word[:1] == "v"), "unknown")
    print(json.dumps({"products": products, "version": f"oneDNN {onednn}, torch {torch.__version__.split('+')[0]}"}))


if __name__ == "__main__":
    main()
