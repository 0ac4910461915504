"""Single products: ours, which decode NF4 weights on the way, beside oneDNN's with dense weights. For compare.py.

Ours and theirs run in turn in processes of their own, the ratio is that of one turn, and a figure is the median of the
rounds (of those in which nothing else kept the machine busy, if there are any). On both sides weights and results are used
again and again, and so stay in the caches that they fit in.
"""
import itertools
import json
import statistics
import sys
from pathlib import Path

from measure import DISTURBED, Failed, clocks, print_lines, run, run_json, taken_by_others

HERE = Path(__file__).resolve().parent
SHAPES = ((576, 1536, 512), (2048, 2048, 512))  # row length, rows, tokens
# arithmetic, our path (None: the best one), their type and limit of instruction set
ARITHMETIC = (("bf16", None, "bf16", None), ("f32, AVX-512", "avx512", "f32", "AVX512_CORE"),
              ("f32, AVX2", "avx2", "f32", "AVX2"))
WAYS = ("linear", "packed")


def text(shape):
    return ",".join(map(str, shape))


def ours(o, shape, path, dtype, threads):
    out, notes = run(o.bin / "ql-bench", "op", "mul_mat", "--type", "nf4_dq", "--shape", text(shape), "-t", threads, "--json",
                     "-v", threads=threads, isa=path)
    if f"products in {dtype}" not in notes:
        raise Failed(f"this processor has no product instruction for {dtype}")
    figure, = json.loads(out)
    return {"gflops": figure["median"], "of_peak": figure["of_peak"]}


def theirs(o, shape, dtype, limit, threads):
    limit = ("--isa", limit) if limit else ()
    answer = run_json(o.python, HERE / "product_torch.py", "--type", dtype, *limit, "--shape", text(shape),
                      "--threads", threads, threads=threads)
    return {**answer["products"][0], "version": answer["version"]}


def measure_row(o, shape, arithmetic, threads):
    name, path, dtype, limit = arithmetic
    row = {"product": f"{shape[2]} x {shape[1]} x {shape[0]}", "arithmetic": name, "threads": threads, "rounds": [],
           "error": None, "version": None}
    return row, lambda: (ours(o, shape, path, dtype, threads), theirs(o, shape, dtype, limit, threads))


def measure_all(o):
    rows = [measure_row(o, *what) for what in itertools.product(SHAPES, ARITHMETIC, sorted({1, o.threads}))]
    for number, (row, turn) in itertools.product(range(o.rounds), rows):
        if row["error"]:
            continue
        print(f"round {number + 1} of {o.rounds}: product {row['product']}, {row['arithmetic']}, {row['threads']} threads",
              file=sys.stderr, flush=True)
        before = clocks()
        try:
            us, them = turn()
        except Failed as problem:
            row["error"] = str(problem)
            continue
        row["version"] = them["version"]
        row["rounds"].append({"others_cpu": taken_by_others(before), "gflops": us["gflops"], "of_peak": us["of_peak"],
                              "pytorch": them["pytorch"], **{way: them[way] for way in WAYS}})
    for row, _ in rows:
        if not row["error"]:
            summarize(row)
    return [row for row, _ in rows]


def summarize(row):
    rounds = [r for r in row["rounds"] if r["others_cpu"] <= DISTURBED] or row["rounds"]
    median = lambda value: statistics.median(map(value, rounds))
    row["others_cpu"] = max(r["others_cpu"] for r in rounds)
    row["gflops"], row["of_peak"] = median(lambda r: r["gflops"]), median(lambda r: r["of_peak"])
    for way in WAYS:
        row[way] = {"gflops": median(lambda r: r[way]["gflops"]), "kernel": rounds[-1][way]["kernel"],
                    "ours_over_it": median(lambda r: r["gflops"] / r[way]["gflops"])}


def print_table(o, about, rows):
    """Figures with a question mark were taken while other programs ran."""
    lines = [("tokens x out x in", "arithmetic", "threads", "qlora.cpp, nf4_dq", "share", "oneDNN, rows", "packed",
              "ours / rows", "ours / packed")]
    for r in rows:
        cells = (r["product"], r["arithmetic"], str(r["threads"]))
        if r["error"]:
            lines.append((*cells, "failed: " + r["error"]))
            continue
        mark = "?" if r["others_cpu"] > DISTURBED else ""
        lines.append((*cells, f"{r['gflops']:.0f}{mark}", f"{100 * r['of_peak']:.1f} %{mark}",
                      *(f"{r[way]['gflops']:.0f}{mark}" for way in WAYS),
                      *(f"{r[way]['ours_over_it']:.2f}{mark}" for way in WAYS)))
    print(f"{about['chip']}; products in GFLOP/s, median of {o.rounds} rounds")
    print_lines(lines, left=2)
    kernels = sorted({r[way]["kernel"] for r in rows if not r["error"] for way in WAYS})
    print("; ".join(sorted({r["version"] for r in rows if r["version"]}) + kernels))
