"""Our figures: base types, lengths of context, a larger model, the start; what is learned in bf16 and in f32. Called by
tools/bench-figures.sh.

    figures.py --bin FOLDER --files FOLDER --model MODEL.gguf --data DATA.jsonl --held-out DATA.jsonl [--rounds 3]
               [--threads 2] [--only TABLE] [--json]

--files is where models of random weights are made; --model, --data and --held-out are what ql-finetune trains and is judged
on. A round runs all rows of a table one after the other, ratios are taken within a round, and a figure is the median of the
rounds. Rounds in which other programs took more than 5 % of the processors count only if there are no others; then the
table says so with a question mark.
"""
import argparse
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import DISTURBED, Failed, clocks, machine, print_lines, run, taken_by_others

BASES = (("smollm2-135m", "nf4_dq", ("q8_0", "q4_0", "q4_1", "bf16")),
         ("llama-160m", "nf4_dq", ("q4_K", "q5_K", "q6_K")))  # whose rows are whole blocks of 256
CONTEXTS = (512, 2048, 4096, 8192)
SMALL, LARGE = "smollm2-135m", "llama-1.1b"
LORA_R = 8
START_LIMIT = 60  # seconds
COMPUTES = ("f32", "bf16")
LESSONS = {"20 steps": ("--steps", 20), "2 epochs": ("--epochs", 2)}


class Bench:
    """Runs of ql-bench, on models that are made when they are first needed."""

    def __init__(self, o):
        self.o = o
        self.round = 0

    def model(self, shape, dtype):
        path = self.o.files / f"{shape}-{dtype}.gguf"
        if not path.exists():
            run(self.o.bin / "ql-bench", "make-model", "--shape", shape, "--type", dtype, "-o", path, threads=self.o.threads)
        return path

    def run(self, *arguments):
        out, notes = run(self.o.bin / "ql-bench", *arguments, "-t", self.o.threads, "--json", "-v", threads=self.o.threads)
        return json.loads(out), notes

    def train(self, shape, dtype, ctx=512, steps=3, profile=False):
        """Rate, share of the limit, peak of memory, and with `profile` the part of a step that is spent in operators."""
        (figure,), notes = self.run("train", "-m", self.model(shape, dtype), "--base-type", "keep", "--ctx", ctx,
                                    "--lora-r", LORA_R, "--steps", steps, *(("--profile",) if profile else ()))
        operators = re.search(r"^all operators +\d+ +[\d.,]+ +([\d.]+) %", notes, re.MULTILINE)
        return {"tok_s": figure["median"], "share": figure["of_peak"],
                "memory": int(re.search(r"peak_rss_bytes (\d+)", notes)[1]),
                "in_operators": float(operators[1]) / 100 if operators else None}

    def infer(self, shape, dtype):
        figures, _ = self.run("infer", "-m", self.model(shape, dtype), "--prompt", 512, "--generate", 32, "--repeats", 2)
        return [{"tok_s": f["median"], "share": f["of_peak"]} for f in figures]


def median(rounds, value):
    return statistics.median(map(value, rounds))


def number(value, digits=1):
    return f"{value:,.{digits}f}"


def percent(value, digits=1):
    return f"{100 * value:.{digits}f} %"


def mebibytes(value):
    return f"{value / 2 ** 20:,.0f} MiB"


# Of each table: what a round measures, and the lines of cells that all rounds make, the first of them the head.

def measure_limits(bench):
    figures, _ = bench.run("peak")
    return {f["name"]: {"what": f["shape"], "rate": f["median"], "unit": f["unit"]} for f in figures}


def limits_lines(rounds):
    yield "limit", "of", "rate", "unit"
    for name, first in rounds[0].items():
        yield name, first["what"], number(median(rounds, lambda r: r[name]["rate"])), first["unit"]


def measure_bases(bench):
    return {f"{shape} {dtype}": bench.train(shape, dtype) for shape, usual, others in BASES for dtype in (usual, *others)}


def bases_lines(rounds):
    yield "shape", "base", "tok/s", "share", "peak memory", "of nf4_dq's rate"
    for shape, usual, others in BASES:
        for dtype in (usual, *others):
            name = f"{shape} {dtype}"
            yield (shape, dtype, number(median(rounds, lambda r: r[name]["tok_s"])),
                   percent(median(rounds, lambda r: r[name]["share"])),
                   mebibytes(median(rounds, lambda r: r[name]["memory"])),
                   number(median(rounds, lambda r: r[name]["tok_s"] / r[f"{shape} {usual}"]["tok_s"]), 2))


def measure_contexts(bench):
    return {ctx: bench.train(SMALL, "nf4_dq", ctx, steps=3 if ctx < 4096 else 1) for ctx in CONTEXTS}


def contexts_lines(rounds):
    """Memory is linear if what a token adds does not grow."""
    yield "context", "tok/s", "share", "of the share at 512", "peak memory", "added by each token more"
    shorter = None
    for ctx in CONTEXTS:
        memory = median(rounds, lambda r: r[ctx]["memory"])
        added = "" if shorter is None else f"{(memory - shorter[1]) / (ctx - shorter[0]) / 1024:.1f} KiB"
        shorter = ctx, memory
        yield (str(ctx), number(median(rounds, lambda r: r[ctx]["tok_s"])), percent(median(rounds, lambda r: r[ctx]["share"])),
               number(median(rounds, lambda r: r[ctx]["share"] / r[CONTEXTS[0]]["share"]), 2), mebibytes(memory), added)


def measure_larger(bench):
    answers = {}
    for shape, steps in ((SMALL, 3), (LARGE, 2)):
        answers[shape] = dict(zip(("train_512", "prompt_512", "generation_32"),
                                  (bench.train(shape, "nf4_dq", steps=steps), *bench.infer(shape, "nf4_dq"))))
    return answers


def larger_lines(rounds):
    yield "shape", "figure", "tok/s", "share", f"of {SMALL}'s share"
    for shape, figures in rounds[0].items():
        for name in figures:
            yield (shape, name, number(median(rounds, lambda r: r[shape][name]["tok_s"])),
                   percent(median(rounds, lambda r: r[shape][name]["share"])),
                   number(median(rounds, lambda r: r[shape][name]["share"] / r[SMALL][name]["share"]), 2))


def measure_start(bench):
    """Seconds from the start of the process until its first step begins: until that step is in the metrics, less the time
    that the metrics say it took."""
    o = bench.o
    with tempfile.TemporaryDirectory() as folder:
        metrics = Path(folder) / "metrics.jsonl"
        begin = time.monotonic()
        with subprocess.Popen([o.bin / "ql-finetune", "-m", o.model, "-d", o.data, "-o", Path(folder) / "adapter.gguf",
                               "--base-type", "keep", "--steps", "1", "--grad-accum", "1", "--metrics", metrics, "-t",
                               str(o.threads), "--json", "-q"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            text = ""
            while not text.endswith("\n") and process.poll() is None and time.monotonic() - begin < START_LIMIT:
                time.sleep(0.001)
                text = metrics.read_text(encoding="utf-8") if metrics.exists() else ""
            seen = time.monotonic() - begin
            process.terminate()
            errors = process.communicate()[1].strip().splitlines()
    if not text.endswith("\n"):
        raise Failed(errors[-1] if errors else "ql-finetune wrote no metrics")
    return {"seconds": seen - json.loads(text.splitlines()[0])["seconds"],
            "beside_operators": 1 - bench.train(SMALL, "nf4_dq", steps=5, profile=True)["in_operators"]}


def start_lines(rounds):
    yield "figure", "value"
    yield "from the start of ql-finetune to its first step", number(median(rounds, lambda r: r["seconds"]), 2) + " s"
    yield "of a step beside its operators (batches, progress)", percent(max(0, median(rounds, lambda r: r["beside_operators"])))


def measure_computes(bench):
    """NLL of the held-out answers after training as tools/quickstart.sh does, in full and at the beginning, where there is more
    left to learn; each round has a seed of its own, and all is judged in f32."""
    o, seed, answers = bench.o, 42 + bench.round, {}
    with tempfile.TemporaryDirectory() as folder:
        for (name, length), compute in itertools.product(LESSONS.items(), COMPUTES):
            adapter = Path(folder) / f"{compute}.gguf"
            run(o.bin / "ql-finetune", "-m", o.model, "-d", o.data, "-o", adapter, "--base-type", "keep", "--lora-r", 16,
                "--lora-alpha", 32, "--lr", "1e-3", *length, "--grad-accum", 1, "--compute", compute, "--seed", seed,
                "-t", o.threads, "--json", "-q", "--checkpoint-dir", Path(folder) / f"{compute} {name}", threads=o.threads)
            out, _ = run(o.bin / "ql-perplexity", "-m", o.model, "--lora", adapter, "-d", o.held_out, "--compute", "f32",
                         "-t", o.threads, "--json", threads=o.threads)
            answers[f"{name}, {compute}"] = json.loads(out)["nll"]
    return {"seed": seed, **answers}


def computes_lines(rounds):
    yield "after", "seed", *(f"NLL, trained in {compute}" for compute in COMPUTES), "bf16 / f32"
    for name in LESSONS:
        figures = [[r[f"{name}, {compute}"] for compute in COMPUTES] for r in rounds]
        means = [statistics.mean(values) for values in zip(*figures)]
        for seed, (f32, bf16) in zip([*(str(r["seed"]) for r in rounds), "mean"], [*figures, means]):
            yield name, seed, f"{f32:.4f}", f"{bf16:.4f}", f"{bf16 / f32:.4f}"


class Table:
    """What a round measures; the lines that all rounds make; columns that begin at their left; whether speed is measured."""

    def __init__(self, measure, lines, left, timed=True):
        self.measure, self.lines, self.left, self.timed = measure, lines, left, timed


TABLES = {"limits": Table(measure_limits, limits_lines, 2), "bases": Table(measure_bases, bases_lines, 2),
          "contexts": Table(measure_contexts, contexts_lines, 0), "larger": Table(measure_larger, larger_lines, 2),
          "start": Table(measure_start, start_lines, 1), "computes": Table(measure_computes, computes_lines, 2, timed=False)}
USUAL = [name for name, table in TABLES.items() if table.timed]


def measure_rounds(bench, name):
    """What the rounds that count have measured, and the most that others took of the processors in them."""
    rounds = []
    for bench.round in range(bench.o.rounds):
        print(f"{name}: round {bench.round + 1} of {bench.o.rounds}", file=sys.stderr, flush=True)
        before = clocks()
        answer = TABLES[name].measure(bench)
        rounds.append((taken_by_others(before) if TABLES[name].timed else 0, answer))
    rounds = [r for r in rounds if r[0] <= DISTURBED] or rounds
    return [answer for _, answer in rounds], max(others for others, _ in rounds)


def main():
    parser = argparse.ArgumentParser()
    for name in ("--bin", "--files", "--model", "--data", "--held-out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=tuple(TABLES), action="append")
    parser.add_argument("--json", action="store_true")
    o = parser.parse_args()
    bench, about, answers = Bench(o), machine(), {}
    for name in o.only or USUAL:
        try:
            rounds, others = measure_rounds(bench, name)
        except Failed as problem:
            print(f"{name}: {problem}", file=sys.stderr)
            return 1
        answers[name] = {"rounds": rounds, "others_cpu": others}
        if not o.json:
            doubt = f"? other programs took {percent(others, 0)} of the processors" if others > DISTURBED else ""
            rows_are = "median of " if TABLES[name].timed else ""
            print(f"{name}: {about['chip']}, {o.threads} threads; {rows_are}{len(rounds)} rounds {doubt}".rstrip())
            print_lines(list(TABLES[name].lines(rounds)), TABLES[name].left)
            print(flush=True)
    if o.json:
        print(json.dumps({"machine": about, "threads": o.threads, "tables": answers}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
