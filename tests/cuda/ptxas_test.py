#!/usr/bin/env python3
"""What ptxas said of the CUDA backend's kernels: no register is spilled, and no kernel has more registers than it may.

    ptxas_test.py FOLDER        the build's backends/nvcc, with a file *.ptxas for each source

More registers than the limit mean fewer warps on a multiprocessor than the kernel was written for.
"""
import glob
import os
import re
import sys

# Source and kernel -> the most registers of such a kernel, over all compute capabilities; the first that fits. In blocks of 128
# threads, 255 are two blocks, 168 three, 96 five, 72 seven. Products of few tokens wait for memory: the more warps, the better.
# Attention on tensor cores keeps its sums in registers: half a head's numbers for each row of a warp's 16.
LIMITS = (
    ("cuda_formats", r"few_kernel.*Li1E", 72),
    ("cuda_formats", r"few_kernel.*Li4E", 96),
    ("cuda_formats", r"", 168),
    ("cuda_ops_attention", r"", 128),
    ("cuda_attention", r"round_keys_kernel", 64),
    ("cuda_attention", r"tensor_attention_kernelILi(80|96|128)E", 168),
    ("cuda_attention", r"tensor_query_gradient_kernelILi(64|80|96|128)E", 168),
    ("cuda_attention", r"tensor_key_gradient_kernelILi64E", 168),
    ("cuda_attention", r"", 255),
    ("", r"", 64),
)


def kernels(text):
    """(kernel, capability, bytes spilled, registers) of each kernel; bytes spilled are None where nothing is said of them."""
    name = capability = spilled = None
    for line in text.splitlines():
        if found := re.search(r"Compiling entry function '(\S+)' for '(\S+)'", line):
            name, capability, spilled = *found.groups(), None
        elif found := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            spilled = int(found[1]) + int(found[2])
        elif found := re.search(r"Used (\d+) registers", line):
            yield name, capability, spilled, int(found[1])


def findings(source, text):
    """(how many kernels, what is wrong with them, a line each) of what ptxas said of a source."""
    n, wrong = 0, []
    for name, capability, spilled, registers in kernels(text):
        n += 1
        limit = next(most for prefix, pattern, most in LIMITS if source.startswith(prefix) and re.search(pattern, name))
        kernel = f"{source}, {capability}: {name}"
        if spilled is None:
            wrong.append(f"{kernel}: ptxas does not say how much it spills")
        elif spilled:
            wrong.append(f"{kernel} spills {spilled} bytes")
        if registers > limit:
            wrong.append(f"{kernel} has {registers} registers, {limit} are meant")
    return n, wrong


def main():
    n, wrong = 0, []
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.ptxas"))):
        with open(path, encoding="utf-8") as file:
            more, bad = findings(os.path.basename(path).removesuffix(".cu.o.ptxas"), file.read())
        n, wrong = n + more, wrong + bad
    print("\n".join(wrong))
    print(f"{n} kernels, {len(wrong)} findings")
    return 1 if wrong or n < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
