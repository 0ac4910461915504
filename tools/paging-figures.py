#!/usr/bin/env python3
"""What reading a model's weights costs in training, against the way that loads 16-bit layers for every micro-batch.

    tools/paging-figures.py --bin build/release/bin --folder DIR [--shape llama-1.1b] [--ctx 64] [--accumulate 1,8]
                            [--memory MIB] [--steps 2]

        --folder    on the disk to be measured; two made models go there (nf4_dq and bf16) and are deleted afterwards
        --memory    budget in MiB of both; default: the least that each needs, so that all layers are read
        --steps     optimizer steps of a run; the first is left out of the figures where there are several

The other way (AirLLM's) is modelled by the same program and the same reader on the bf16 file: one micro-batch a run, in
which each layer is read twice, so its tokens a second are the same at any accumulation. Both begin with a cold cache.
Printed for each run: tokens a second; bytes that the plan reads a step and their part of twice the packed base; bytes
that the system counted for the process (/proc/PID/io); CPU seconds. Then the ratios.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time


def drop_cache(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


class Program:
    """One run of ql-finetune with what the system counts for it."""

    def __init__(self, args, text):
        self.args, self.text = args, text

    def line(self, model, accumulate, steps, memory):
        return [os.path.join(self.args.bin, "ql-finetune"), "-m", model, "-d", self.text, "-o",
                os.path.join(self.args.folder, "a.gguf"), "--base-type", "keep", "--ctx", str(self.args.ctx),
                "--grad-accum", str(accumulate), "--steps", str(steps), "--memory", f"{memory}MiB", "--spill",
                self.args.folder, "--json", "--no-shuffle", "--overwrite", "-q", "--save-every", "1000000"]

    def least(self, model, accumulate):
        done = subprocess.run(self.line(model, accumulate, 1, 1) + ["--dry-run"], capture_output=True, text=True)
        found = re.search(r"at least (\d+) MiB", done.stderr)
        if not found:
            sys.exit(done.stderr)
        return int(found.group(1)) + 1

    def plan(self, model, accumulate, memory):
        done = subprocess.run(self.line(model, accumulate, 1, memory) + ["--dry-run"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    def run(self, model, accumulate, memory):
        drop_cache(model)
        metrics = os.path.join(self.args.folder, "metrics.jsonl")
        line = self.line(model, accumulate, self.args.steps, memory) + ["--metrics", metrics]
        begin = time.time()
        child = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        read, usage = 0, None
        while child.poll() is None:
            try:
                with open(f"/proc/{child.pid}/io") as file:
                    read = int(dict(row.split(": ") for row in file.read().splitlines())["rchar"])
                with open(f"/proc/{child.pid}/stat") as file:
                    words = file.read().rsplit(") ", 1)[1].split()
                usage = [int(words[i]) / os.sysconf("SC_CLK_TCK") for i in (11, 12)]
            except (OSError, KeyError):
                pass
            time.sleep(0.05)
        out, err = child.communicate()
        if child.returncode:
            sys.exit(err)
        with open(metrics) as file:
            steps = [json.loads(row) for row in file if '"tok_s"' in row]
        os.remove(metrics)
        counted = steps[1:] or steps
        rate = sum(s["tok_s"] for s in counted) / len(counted)
        result = json.loads(out)
        return {"tok_s": rate, "read": read, "cpu": usage, "wall": time.time() - begin,
                "rss": result["peak_rss_bytes"], "planned": result["planned_peak_bytes"]}


def packed_bytes(model):
    """Of the blocks and the head: what a training step uses of the file, near enough its size."""
    return os.path.getsize(model)


def measure(program, name, model, accumulate):
    memory = program.args.memory or program.least(model, accumulate)
    plan = program.plan(model, accumulate, memory)
    run = program.run(model, accumulate, memory)
    read, base = plan["read_bytes_per_step"], packed_bytes(model)
    print(f"{name:8} accumulation {accumulate:2}: {run['tok_s']:8.1f} tok/s   {memory} MiB given, peak "
          f"{run['rss'] / 2**20:.0f} MiB   a step reads {read / 1e6:.0f} MB, {read / (2 * base):.3f} of twice the file   "
          f"the system counted {run['read'] / 1e6:.0f} MB in {program.args.steps} steps   user {run['cpu'][0]:.1f} s, "
          f"system {run['cpu'][1]:.1f} s of {run['wall']:.1f} s   expected {plan['expected_step_seconds']:.2f} s a step, "
          f"by the {plan['bound_by']}", flush=True)
    return run["tok_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--shape", default="llama-1.1b")
    parser.add_argument("--ctx", type=int, default=64)
    parser.add_argument("--accumulate", default="1,8")
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2)
    args = parser.parse_args()
    models = {t: os.path.join(args.folder, f"{args.shape}-{t}.gguf") for t in ("nf4_dq", "bf16")}
    text = os.path.join(args.folder, "text.txt")
    try:
        for type_, path in models.items():
            subprocess.run([os.path.join(args.bin, "ql-bench"), "make-model", "--shape", args.shape, "--type", type_, "-o",
                            path, "-q"], check=True, stdout=subprocess.DEVNULL)
        with open(text, "w") as file:
            file.write("the river and the small house by the water " * (args.ctx * 100))
        program = Program(args, text)
        other = measure(program, "16 bits", models["bf16"], 1)
        for accumulate in map(int, args.accumulate.split(",")):
            ours = measure(program, "packed", models["nf4_dq"], accumulate)
            print(f"ratio at accumulation {accumulate}: {ours / other:.2f}", flush=True)
    finally:
        for path in [*models.values(), text, os.path.join(args.folder, "a.gguf")]:
            if os.path.exists(path):
                os.remove(path)


if __name__ == "__main__":
    main()
