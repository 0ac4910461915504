#!/usr/bin/env python3
"""Measures what a merge into few bits keeps of an adapter, plain and trained for the merge: docs/adapters.md's tables.

    tools/merge-figures.py -m MODEL.gguf -d TRAIN.jsonl --held-out TEST.jsonl [--types nf4,q4_0,q8_0] [--lrs 5e-4,2e-3]
                           [--seeds 1] [--roundings default,nearest] [--out FOLDER] [-- OPTION OF ql-finetune...]

Each type is a base that ql-quantize makes of MODEL. On it one adapter is trained plainly, and one for each rounding with
--merge-aware; all are merged into the type. Recovery is the gain of the merged file over the gain of base + plain adapter, both
over the base; the gains are of the mean NLL of TEST.jsonl. `time` is the processor's for a training for the merge over a plain
one. What is in FOLDER (a JSON file a run, by its options) is not run again, so an interrupted measurement goes on. Needs the
built programs (--bin, default build/release/bin) and no package beyond Python's own.
"""
import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "lib"))
from measure import kept, run_or_exit, split_options  # noqa: E402

ROUNDINGS = {"default": [], "nearest": ["--merge-rounding", "nearest"], "dithered": ["--merge-rounding", "dithered"]}


def arguments():
    own, options = split_options(sys.argv[1:])
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-m", dest="model", required=True)
    p.add_argument("-d", dest="data", required=True)
    p.add_argument("--held-out", required=True)
    p.add_argument("--types", default="nf4,q4_0,q8_0")
    p.add_argument("--lrs", default="5e-4,2e-3")
    p.add_argument("--seeds", default="1")
    p.add_argument("--roundings", default="default")
    p.add_argument("--out", default=str(ROOT / ".cache/merge-figures"))
    p.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    args = p.parse_args(own)
    args.options = options
    return args


class Runs:
    """What programs made and found of one base."""

    def __init__(self, args, dtype):
        self.args, self.dtype = args, dtype
        self.base = pathlib.Path(args.out) / f"{pathlib.Path(args.model).stem}-{dtype}.gguf"
        if not self.base.exists():
            run_or_exit(f"{args.bin}/ql-quantize", "-q", args.model, self.base, dtype)

    def nll(self, *model):
        return json.loads(run_or_exit(f"{self.args.bin}/ql-perplexity", "-q", "--json", *model, "-d", self.args.held_out)[0])["nll"]

    def kept(self, key, make):
        return kept(self.args.out, [self.args.model, self.args.data, self.args.held_out, self.dtype, key], make)

    def before(self):
        return self.kept("before", lambda _: {"nll": self.nll("-m", self.base)})["nll"]

    def trained(self, lr, seed, rounding):
        """A dictionary: nll of the merged file, seconds of training; of base and adapter where it is a plain one."""
        options = ["--lr", lr, "--seed", seed] + self.args.options
        if rounding:
            options += ["--merge-aware=" + self.dtype] + ROUNDINGS[rounding]

        def make(path):
            print(f"{self.dtype}: {' '.join(options)}", file=sys.stderr, flush=True)
            adapter, merged = path.with_suffix(".gguf"), path.with_suffix(".merged.gguf")
            _, _, seconds = run_or_exit(f"{self.args.bin}/ql-finetune", "-q", "-m", self.base, "-d", self.args.data, "-o", adapter,
                                        "--base-type", "keep", "--overwrite", "--checkpoint-dir", path.with_suffix(".ckpt"),
                                        "--keep", "1", *options)
            merge = json.loads(run_or_exit(f"{self.args.bin}/ql-adapter", "merge", "--json", "-m", self.base, "--lora", adapter,
                                           "--type", self.dtype, "-o", merged, *([] if rounding else ["--force"]))[0])
            if rounding and not merge["exact"]:
                raise SystemExit(f"failed: the merge of {adapter} is not the model that was trained")
            result = {"seconds": seconds, "merged": self.nll("-m", merged)}
            if not rounding:
                result["apart"] = self.nll("-m", self.base, "--lora", adapter)
            merged.unlink()
            return result
        return self.kept(options, make)


def main():
    args = arguments()
    pathlib.Path(args.out).mkdir(parents=True, exist_ok=True)
    print("| type | learning rate | seed | base | base + adapter | plain merge | recovery | rounding | merge-aware | recovery | time |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for dtype in args.types.split(","):
        runs = Runs(args, dtype)
        for lr in args.lrs.split(","):
            for seed in args.seeds.split(","):
                before, plain = runs.before(), runs.trained(lr, seed, None)
                for rounding in args.roundings.split(","):
                    aware = runs.trained(lr, seed, rounding)
                    recovery = [(before - nll) / (before - plain["apart"]) for nll in (plain["merged"], aware["merged"])]
                    print(f"| {dtype} | {lr} | {seed} | {before:.3f} | {plain['apart']:.4f} | {plain['merged']:.3f} | "
                          f"{recovery[0]:.2f} | {rounding} | {aware['merged']:.4f} | {recovery[1]:.2f} | "
                          f"{aware['seconds'] / plain['seconds']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
