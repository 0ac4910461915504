#!/usr/bin/env python3
"""Measures kinds of adapters beside each other: docs/adapters.md's table.

    tools/adapter-figures.py -m BASE.gguf -d TRAIN.jsonl --held-out TEST.jsonl [--rows ROW,...] [--seeds 1,2,3]
                             [--score NAME] [--out FOLDER] [-- OPTION OF ql-finetune...]

A ROW is KIND:RANK[@LR]: lora:16, rslora:64@5e-4, miss:31. A row is trained once a seed; the table has the mean over the seeds
and how far the outermost are from it. What is in FOLDER (one JSON file a run, by its options) is not run again, so an interrupted
measurement goes on. Needs the built programs (--bin, default build/release/bin) and no package beyond Python's own.
"""
import argparse
import json
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "lib"))
from measure import base_type, kept, run_or_exit, split_options  # noqa: E402

ROWS = "lora:16,lora:64,rslora:16,rslora:64,miss:31,dora:16"


def arguments():
    own, options = split_options(sys.argv[1:])
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-m", dest="model", required=True)
    p.add_argument("-d", dest="data", required=True)
    p.add_argument("--held-out", required=True)
    p.add_argument("--rows", default=ROWS)
    p.add_argument("--seeds", default="1,2,3")
    p.add_argument("--lr", default="1e-3", help="of rows that name none")
    p.add_argument("--score", help="also generates each answer, and scores it: exact, final or another of ql-perplexity's")
    p.add_argument("--out", default=str(ROOT / ".cache/adapter-figures"))
    p.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    args = p.parse_args(own)
    args.options = options
    return args


def run(*line):
    return json.loads(run_or_exit(*line)[0])


def row_options(row, lr):
    """The options of ql-finetune that a row stands for."""
    spec, _, own_lr = row.partition("@")
    kind, _, rank = spec.partition(":")
    options = ["--lora-r", rank, "--lr", own_lr or lr]
    if kind == "rslora":
        return options + ["--rslora"]
    return options + ["--lora-type", kind]


def measure(args, row, seed):
    options = row_options(row, args.lr) + ["--seed", seed] + args.options

    def make(path):
        adapter = path.with_suffix(".gguf")
        print(f"{row}, seed {seed}", file=sys.stderr)
        trained = run(f"{args.bin}/ql-finetune", "-q", "--json", "-m", args.model, "-d", args.data, "-o", adapter,
                      "--overwrite", "--checkpoint-dir", path.with_suffix(".ckpt"), "--keep", "1", *options)
        info = run(f"{args.bin}/ql-adapter", "info", "--json", adapter)
        held_out = run(f"{args.bin}/ql-perplexity", "-q", "--json", "-m", args.model, "--lora", adapter, "-d", args.held_out,
                       *base_type(args.options), *(["--score", args.score] if args.score else []))
        return {"row": row, "seed": seed, "parameters": info["parameters"], "tok_s": trained["tok_s"],
                "rss": trained["peak_rss_bytes"], "nll": held_out["nll"], "score": held_out.get(args.score)}
    return kept(args.out, [args.model, args.data, args.held_out, args.score, options], make)


def spread(values, form):
    mean = statistics.fmean(values)
    return form.format(mean) + (" ± " + form.format(max(abs(v - mean) for v in values)) if len(values) > 1 else "")


def main():
    args = arguments()
    pathlib.Path(args.out).mkdir(parents=True, exist_ok=True)
    print(f"| kind | rank | lr | parameters | held-out NLL | {args.score or 'score'} | tok/s | memory |")
    print("|---|---|---|---|---|---|---|---|")
    for row in args.rows.split(","):
        runs = [measure(args, row, seed) for seed in args.seeds.split(",")]
        spec, _, lr = row.partition("@")
        kind, _, rank = spec.partition(":")
        score = spread([100 * r["score"] for r in runs], "{:.1f}") + " %" if args.score else ""
        print(f"| {kind} | {rank} | {lr or args.lr} | {runs[0]['parameters'] / 1e6:.2f} M | "
              f"{spread([r['nll'] for r in runs], '{:.4f}')} | {score} | "
              f"{statistics.median(r['tok_s'] for r in runs):.0f} | {max(r['rss'] for r in runs) / 1e6:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
