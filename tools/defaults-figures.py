#!/usr/bin/env python3
"""Measures what ql-finetune chooses for small sets beside a small sweep: the table in docs/hyperparameters.md.

    tools/defaults-figures.py -m BASE.gguf [--task NAME=TRAIN.jsonl,TEST.jsonl]... [--sizes 60,240,600] [--held-out 64]
                              [--sweep lr,epochs,grad-accum] [--threads N] [--out FOLDER] [-- OPTION OF ql-finetune...]

Trains on the first samples of each TRAIN.jsonl by the plain command, which gives no number, and judges the adapter by the mean
NLL of the first --held-out samples of TEST.jsonl over the same weights. Then it looks for a better setting one number after the
other, each at the best of the others so far: half and twice the learning rate, and on in the better direction; half and twice
the epochs; half and twice the batches of a step. A number with - or + is looked for below or above alone: lr-,epochs+. Without
--task: the orders of examples/finetune.

A run is known by its numbers, not by what chose them: one JSON file each in FOLDER. What is there is not run again, so an
interrupted measurement goes on, and a rule that has changed costs only the runs that it adds. Times are the processor's. Needs
the built programs (--bin, default build/release/bin) and no package beyond Python's own.
"""
import argparse
import hashlib
import json
import pathlib
import re
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "lib"))
from measure import base_type, kept, run_or_exit, split_options  # noqa: E402

ORDERS = f"orders={ROOT}/examples/finetune/orders-train.jsonl,{ROOT}/examples/finetune/orders-test.jsonl"
SWEPT = ("lr", "epochs", "grad-accum")
FACTORS = {"-": (0.5,), "+": (2,), "": (0.5, 2)}  # the cheaper one first
FURTHEST = 2  # doublings of a number


class Setting(NamedTuple):
    grad_accum: int
    epochs: float
    lr: float

    def options(self):
        return ["--grad-accum", str(self.grad_accum), "--epochs", f"{self.epochs:g}", "--lr", f"{self.lr:g}"]

    def scaled(self, name, factor):
        """Another value of one number; the same setting where there is none."""
        field = name.replace("-", "_")
        value = getattr(self, field) * factor
        if field == "grad_accum":
            value = max(int(value), 1)
        return self._replace(**{field: value})

    def __str__(self):
        return f"grad-accum {self.grad_accum}, epochs {self.epochs:g}, lr {self.lr:g}"


def arguments():
    own, options = split_options(sys.argv[1:])
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-m", dest="model", required=True)
    p.add_argument("--task", action="append", help="NAME=TRAIN,TEST: files of JSON lines; may be given several times")
    p.add_argument("--sizes", default="60,240,600")
    p.add_argument("--held-out", type=int, default=64)
    p.add_argument("--sweep", default=",".join(SWEPT), help="numbers to vary, in this order; '': the plain command alone")
    p.add_argument("--threads")
    p.add_argument("--out", default=str(ROOT / ".cache/defaults-figures"))
    p.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    args = p.parse_args(own)
    args.options = options
    return args


def first_lines(path, n, folder):
    """A file of the first samples of another; its name says which they are."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines(keepends=True)[:n]
    if len(lines) < n:
        raise SystemExit(f"{path}: has {len(lines)} samples, {n} are asked for")
    text = "".join(lines)
    part = folder / (hashlib.sha256(text.encode()).hexdigest()[:16] + ".jsonl")
    part.write_text(text, encoding="utf-8")
    return part


def chosen_in(text):
    """The setting in the line that says what was chosen."""
    found = re.search(r"^chosen +grad-accum (\d+), epochs ([\d.]+), lr ([\d.e-]+)", text, re.MULTILINE)
    if not found:
        raise SystemExit("the plain command has not said what it chose:\n" + text)
    return Setting(int(found[1]), float(found[2]), float(found[3]))


class Task:
    """A set of samples, and those to judge by."""

    def __init__(self, args, train, held_out):
        self.args, self.folder = args, pathlib.Path(args.out)
        self.train, self.held_out = train, held_out
        self.common = ["-m", args.model] + (["-t", args.threads] if args.threads else [])

    def plain(self):
        """What the command without numbers would train with."""
        _, err, _ = run_or_exit(f"{self.args.bin}/ql-finetune", *self.common, "-d", self.train, "--dry-run", *self.args.options)
        return chosen_in(err)

    def nll(self, *adapter):
        out, _, _ = run_or_exit(f"{self.args.bin}/ql-perplexity", "-q", "--json", *self.common, *adapter, "-d", self.held_out,
                        *base_type(self.args.options))
        return json.loads(out)["nll"]

    def kept(self, key, make):
        return kept(self.folder, [self.args.model, self.train.name, self.held_out.name, key], make)

    def before(self):
        return self.kept("before", lambda _: {"nll": self.nll()})["nll"]

    def measure(self, setting):
        """A dictionary: nll, seconds, steps."""
        def make(path):
            print(f"{self.train.name}: {setting}", file=sys.stderr, flush=True)
            adapter = path.with_suffix(".gguf")
            out, _, seconds = run_or_exit(f"{self.args.bin}/ql-finetune", "-q", "--json", *self.common, "-d", self.train, "-o", adapter,
                                  "--overwrite", "--checkpoint-dir", path.with_suffix(".ckpt"), "--keep", "1",
                                  *setting.options(), *self.args.options)
            result = {"setting": str(setting), "nll": self.nll("--lora", adapter), "seconds": seconds,
                      "steps": json.loads(out)["steps"]}
            print(f"    NLL {result['nll']:.4f}, {seconds:.0f} s", file=sys.stderr, flush=True)
            return result
        return self.kept(setting.options() + self.args.options, make)

    def sweep(self, plain, directions):
        """The best setting of a coordinate search from the plain one, and how many others were tried."""
        tried = {plain}
        best = plain
        for name, factor in directions:
            for _ in range(FURTHEST):
                setting = best.scaled(name, factor)
                if setting in tried:
                    break
                tried.add(setting)
                if self.measure(setting)["nll"] >= self.measure(best)["nll"]:
                    break
                best = setting
        return best, len(tried) - 1


def directions_in(text):
    """Pairs of a number's name and a factor."""
    directions = []
    for word in filter(None, text.split(",")):
        sign = word[-1] if word[-1] in "+-" else ""
        if (name := word.removesuffix(sign)) not in SWEPT:
            raise SystemExit(f"--sweep: '{name}' is unknown; {', '.join(SWEPT)} are")
        directions += [(name, factor) for factor in FACTORS[sign]]
    return directions


def main():
    args = arguments()
    folder = pathlib.Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    directions = directions_in(args.sweep)
    print("| task | samples | chosen | steps | time | NLL before | plain | best of the sweep | its setting | plain / best |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for size in map(int, args.sizes.split(",")):
        for task in args.task or [ORDERS]:
            name, _, files = task.partition("=")
            train, _, test = files.partition(",")
            data = Task(args, first_lines(train, size, folder), first_lines(test, args.held_out, folder))
            plain = data.plain()
            best, n_tried = data.sweep(plain, directions)
            at_plain, at_best = data.measure(plain), data.measure(best)
            found = f"{at_best['nll']:.4f} | " + (f"{best}" if best != plain else f"the same, of {n_tried + 1}")
            print(f"| {name} | {size} | {plain} | {at_plain['steps']} | {at_plain['seconds']:.0f} s | {data.before():.3f} | "
                  f"{at_plain['nll']:.4f} | {found} | {at_plain['nll'] / at_best['nll']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
