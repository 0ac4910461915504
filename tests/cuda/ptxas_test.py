#!/usr/bin/env python3
"""What ptxas said of the CUDA backend's kernels: no register is spilled, and no kernel has more registers than it may.

    ptxas_test.py FOLDER        the build's backends/nvcc, with a file *.ptxas for each source

More registers than the limit mean fewer warps on a multiprocessor than the kernel was written for.
"""
import glob
import os
import re
import sys

# Source -> the most registers of a kernel in it, over all compute capabilities. 168: three blocks of 128 threads.
LIMITS = {
    "cuda_formats": 168,
    "cuda_ops_attention": 128,
    "": 64,
}


def kernels(text):
    """(kernel, capability, bytes spilled, registers) of each kernel."""
    name = capability = spilled = None
    for line in text.splitlines():
        if found := re.search(r"Compiling entry function '(\S+)' for '(\S+)'", line):
            name, capability = found.groups()
        elif found := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            spilled = int(found[1]) + int(found[2])
        elif found := re.search(r"Used (\d+) registers", line):
            yield name, capability, spilled, int(found[1])


def main():
    n, wrong = 0, []
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.ptxas"))):
        source = os.path.basename(path).removesuffix(".cu.o.ptxas")
        limit = next(most for prefix, most in LIMITS.items() if source.startswith(prefix))
        with open(path, encoding="utf-8") as file:
            for name, capability, spilled, registers in kernels(file.read()):
                n += 1
                if spilled:
                    wrong.append(f"{source}, {capability}: {name} spills {spilled} bytes")
                if registers > limit:
                    wrong.append(f"{source}, {capability}: {name} has {registers} registers, {limit} are meant")
    print("\n".join(wrong))
    print(f"{n} kernels, {len(wrong)} findings")
    return 1 if wrong or n < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
