#!/usr/bin/env python3
"""Figures of the models that people have: how fast files are converted, and how fast other shapes and types are trained.

    tools/model-figures.py --folder DIR [--only files,shapes,types] [--rounds 3] [--bin build/release/bin] [--threads N]

        --folder    on the disk to be measured; made models go there, 2.5 GB for `files`, and are deleted afterwards

files    ql-convert of a directory of 2.2 GB (bf16, Llama's layers) and ql-quantize of the file that it writes, each with a cold
         cache, by turns with a plain program that reads the same bytes and writes as many as the result has. Printed:
         seconds, their share of the plain program's rate, processor seconds, the peak of memory beside three times the
         largest tensor and 50 MB.
shapes   training steps (512 tokens, r 8, nf4_dq) of Qwen3's and Gemma 3's layers and of Llama's on the same dimensions: processor
         seconds of a step, and their share of Llama's rate, which is that of the shares of the peak.
types    the same of Llama's layers in q3_K, iq4_xs and mxfp4 to nf4_dq.

Runs go by turns, and ratios are the median of the rounds'; of a busy machine processor seconds hold, seconds do not. Needs the
built programs and no package beyond Python's own.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import time

PIECE = 1 << 20
DIMENSIONS = {"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22, "num_attention_heads": 32,
              "num_key_value_heads": 4, "vocab_size": 32000}  # TinyLlama's


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--folder", type=pathlib.Path, required=True)
    p.add_argument("--only", default="files,shapes,types")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return p.parse_args()


class Run:
    """A program that ended, with what the system counted for it."""

    def __init__(self, line):
        begin = time.monotonic()
        with subprocess.Popen([str(word) for word in line], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
            said = child.stderr.read().decode(errors="replace")
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{' '.join(map(str, line))}\n{said}")
        self.seconds, self.cpu, self.peak = time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def drop_cache(*paths):
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def plain_seconds(source, size, result):
    """To read the source and write `size` bytes, a piece of each by turns."""
    drop_cache(source)
    begin, zeros = time.monotonic(), bytes(PIECE)
    with open(source, "rb", buffering=0) as read, open(result, "wb", buffering=0) as write:
        buffer, left = bytearray(PIECE), size
        while read.readinto(buffer) or left:
            left -= write.write(zeros[:min(left, PIECE)])
        os.fsync(write.fileno())
    seconds = time.monotonic() - begin
    os.unlink(result)
    return seconds


def shapes_of_tensors():
    d, ff, kv, vocab = 2048, 5632, 256, 32000
    yield "model.embed_tokens.weight", [vocab, d]
    for i in range(DIMENSIONS["num_hidden_layers"]):
        p = f"model.layers.{i}."
        for name, shape in {"self_attn.q_proj": [d, d], "self_attn.k_proj": [kv, d], "self_attn.v_proj": [kv, d],
                            "self_attn.o_proj": [d, d], "mlp.gate_proj": [ff, d], "mlp.up_proj": [ff, d],
                            "mlp.down_proj": [d, ff], "input_layernorm": [d], "post_attention_layernorm": [d]}.items():
            yield f"{p}{name}.weight", shape
    yield "model.norm.weight", [d]
    yield "lm_head.weight", [vocab, d]


def write_directory(folder):
    """Returns the file of its weights, and the bytes of the largest of them."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu", "rms_norm_eps": 1e-5,
              "rope_theta": 10000.0, "max_position_embeddings": 2048, "tie_word_embeddings": False, **DIMENSIONS}
    (folder / "config.json").write_text(json.dumps(config))
    header, at, largest = {}, 0, 0
    for name, shape in shapes_of_tensors():
        size = 2
        for n in shape:
            size *= n
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at, largest = at + size, max(largest, size)
    values = random.Random(1)
    piece = b"".join(struct.pack("<f", values.gauss(0, 0.02))[2:] for _ in range(PIECE // 2))
    text = json.dumps(header).encode()
    path = folder / "model.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for first in range(0, at, PIECE):
            file.write(piece[:min(PIECE, at - first)])
    return path, largest


def measure_files(o):
    weights, largest = write_directory(o.folder / "directory")
    allowed = 3 * largest + 50e6
    converted, out = o.folder / "converted.gguf", o.folder / "out.gguf"
    Run([o.bin / "ql-convert", weights.parent, converted, "-q"])
    jobs = [("ql-convert", weights, [weights.parent, out]), ("ql-convert --type q8_0", weights, [weights.parent, out, "--type", "q8_0"])]
    jobs += [(f"ql-quantize {t}", converted, [converted, out, t]) for t in ("f16", "q8_0", "q4_K", "nf4_dq")]
    print(f"{'':<24}{'s':>7}{'share':>7}{'cpu s':>7}{'MB':>7}   of the plain rate; {allowed / 1e6:.0f} MB allowed; {o.threads} threads")
    for name, source, rest in jobs:
        rows = []
        for _ in range(o.rounds):
            drop_cache(source)
            run = Run([o.bin / name.split()[0], *rest, "-q", "-t", o.threads])
            plain = plain_seconds(source, out.stat().st_size, o.folder / "plain")
            out.unlink()
            rows.append((run.seconds, plain / run.seconds, run.cpu, run.peak))
        seconds, share, cpu, peak = (statistics.median(column) for column in zip(*rows))
        print(f"{name:<24}{seconds:7.2f}{share:7.2f}{cpu:7.2f}{peak / 1e6:7.0f}", flush=True)
    for path in (*weights.parent.iterdir(), converted):
        path.unlink()
    weights.parent.rmdir()


def step_cpu(o, model):
    """Processor seconds of a step: a run of three less a run of one, halved."""
    def run(steps):
        return Run([o.bin / "ql-bench", "train", "-m", model, "--base-type", "keep", "--steps", steps, "-t", o.threads, "-q"]).cpu
    return (run(3) - run(1)) / 2


def measure_steps(o, models):
    """models: name -> (shape, type); the first one is what the others are compared with."""
    for name, (shape, kind) in models.items():
        Run([o.bin / "ql-bench", "make-model", "--shape", shape, "--type", kind, "-o", o.folder / f"{name}.gguf", "-q"])
    rounds = [[step_cpu(o, o.folder / f"{name}.gguf") for name in models] for _ in range(o.rounds)]
    for i, name in enumerate(models):
        share = statistics.median(row[0] / row[i] for row in rounds)
        print(f"{name:<24}{statistics.median(row[i] for row in rounds):7.2f} cpu s a step, {share:.3f} of {next(iter(models))}'s rate",
              flush=True)
        (o.folder / f"{name}.gguf").unlink()


def main():
    o = arguments()
    o.folder.mkdir(parents=True, exist_ok=True)
    for what in o.only.split(","):
        if what == "files":
            measure_files(o)
        elif what == "shapes":
            measure_steps(o, {name: (name, "nf4_dq") for name in ("llama-0.6b", "qwen3-0.6b", "gemma3-0.6b")})
        elif what == "types":
            measure_steps(o, {kind: ("llama-0.6b", kind) for kind in ("nf4_dq", "q3_K", "iq4_xs", "mxfp4")})
        else:
            sys.exit(f"--only: {what} is none of files, shapes, types")


main()
