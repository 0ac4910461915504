"""Measures training, generation and single products of qlora.cpp and its peers in one run; prints their tables. Called
by tools/bench-peers.sh, which makes the files.

    compare.py --bin FOLDER --python PYTHON --files FOLDER [--rounds 3] [--threads 2] [--only programs|products] [--json]

Each program runs alone, in a process of its own; a round runs them all, so that a slow minute of the machine affects
all of them. A figure is the median of the rounds in which nothing else kept the machine busy; if there are none, of all
rounds, with a note. A peer that fails is a row that says why; if ours fails, so does this script.
"""
import argparse
import itertools
import json
import re
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

import products  # noqa: E402
from measure import DISTURBED, Failed, clocks, machine, print_lines, run, run_json, taken_by_others  # noqa: E402

CTX, PROMPT, GENERATION, LORA_R, STEPS = 512, 512, 64, 8, 5
LLAMA_TYPES = ("q4_0", "q8_0", "f16", "bf16")


def our_training(o):
    out, err = run(o.bin / "ql-bench", "train", "-m", o.files / "nf4_dq.gguf", "--base-type", "keep", "--ctx", CTX,
                   "--lora-r", LORA_R, "--steps", STEPS, "-t", o.threads, "--json", "-v", threads=o.threads)
    figure = json.loads(out)[0]
    memory = re.search(r"peak_rss_bytes (\d+)", err)
    return {"train": figure["median"], "share": {"train": figure["of_peak"]}, "memory": int(memory[1]) if memory else None}


def our_inference(o):
    prompt, generation = run_json(o.bin / "ql-bench", "infer", "-m", o.files / "nf4_dq.gguf", "--prompt", PROMPT,
                                  "--generate", GENERATION, "-t", o.threads, "--json", threads=o.threads)
    return {"prompt": prompt["median"], "generation": generation["median"],
            "share": {"prompt": prompt["of_peak"], "generation": generation["of_peak"]}}


def peer(o, script, *arguments):
    return run_json(o.python, HERE / script, *arguments, "--threads", o.threads, threads=o.threads)


def peft_training(base, compute):
    def measure(o):
        answer = peer(o, "train_peft.py", o.files / "transformers", "--base", base, "--compute", compute, "--ctx", CTX,
                      "--lora-r", LORA_R, "--steps", STEPS)
        return {"train": answer["tok_s"], "memory": answer["peak_rss_bytes"], "version": answer["version"]}
    return measure


def llama_inference(script, dtype):
    def measure(o):
        answer = peer(o, script, o.files / f"{dtype}.gguf", "--prompt", PROMPT, "--generate", GENERATION)
        return {"prompt": answer["prompt_tok_s"], "generation": answer["generation_tok_s"], "version": answer["version"]}
    return measure


def subjects():
    """(program, base, what it measures, how); ours is the first of each measure."""
    yield "qlora.cpp", "nf4_dq", ("train",), our_training
    yield "PEFT + bitsandbytes, bf16", "nf4, double", ("train",), peft_training("nf4", "bf16")
    yield "PEFT + bitsandbytes, f32", "nf4, double", ("train",), peft_training("nf4", "f32")
    yield "PEFT, bf16", "bf16", ("train",), peft_training("bf16", "bf16")
    yield "qlora.cpp", "nf4_dq", ("prompt", "generation"), our_inference
    for program, script in (("llama.cpp", "infer_llama_cpp.py"), ("llama.cpp, prebuilt", "infer_xllamacpp.py")):
        for dtype in LLAMA_TYPES:
            yield program, dtype, ("prompt", "generation"), llama_inference(script, dtype)


def measure_rounds(o, every):
    """By number of subject: [(what others took of the processors, answer)] of its rounds; why it failed. Ctrl-C ends the
    rounds, not the report."""
    answers, failures = {}, {}
    for number, (i, (program, base, _, measure)) in itertools.product(range(o.rounds), enumerate(every)):
        if i in failures:
            continue
        print(f"round {number + 1} of {o.rounds}: {program} ({base})", file=sys.stderr, flush=True)
        before = clocks()
        try:
            answer = measure(o)
        except Failed as problem:
            failures[i] = str(problem)
        except KeyboardInterrupt:
            print("interrupted; what follows is of the rounds so far", file=sys.stderr)
            break
        else:
            answers.setdefault(i, []).append((taken_by_others(before), answer))
    return answers, failures


def measure_all(o):
    """For each subject (program, base, measures, answers that count, what others took at most, why it failed)."""
    every = list(subjects())
    all_answers, failures = measure_rounds(o, every)
    for i, (program, base, measures, _) in enumerate(every):
        rounds = all_answers.get(i, [])
        rounds = [r for r in rounds if r[0] <= DISTURBED] or rounds
        failure = failures.get(i) or (None if rounds else "not measured")
        yield program, base, measures, [a for _, a in rounds], max((t for t, _ in rounds), default=None), failure


def rows(measured):
    """A row for each measure of each subject: rate, share, memory, how many times faster ours is."""
    measured, table = list(measured), []
    for measure, name in (("train", f"train_{CTX}"), ("prompt", f"prompt_{PROMPT}"), ("generation", f"generation_{GENERATION}")):
        ours, first = None, len(table)
        for program, base, measures, answers, others, failure in measured:
            if measure not in measures:
                continue
            row = {"name": name, "program": program, "base": base, "tok_s": None, "share": None, "peak_rss_bytes": None,
                   "ours_over_it": None, "rounds": len(answers), "others_cpu": others, "version": None, "error": failure}
            table.append(row)
            if failure:
                continue
            row["tok_s"] = statistics.median(a[measure] for a in answers)
            row["peak_rss_bytes"], row["version"] = answers[-1].get("memory"), answers[-1].get("version")
            shares = [a["share"][measure] for a in answers if "share" in a]
            if shares:
                ours, row["share"] = row, statistics.median(shares)
            elif ours and measure != "generation":  # the same products, whose limit is the same
                row["share"] = ours["share"] * row["tok_s"] / ours["tok_s"]
            if ours:
                row["ours_over_it"] = ours["tok_s"] / row["tok_s"]
        best = max((r for r in table[first:] if r["program"].startswith("llama.cpp") and r["tok_s"]), default=None,
                   key=lambda r: r["tok_s"])
        if best:
            table.append({**best, "program": "best of llama.cpp"})
    return table


def print_table(table):
    """Figures with a question mark were taken while other programs ran."""
    lines = [("", "program", "base", "tok/s", "share", "peak memory", "ours / it")]
    doubt = {}
    for r in table:
        mark = "?" if r["others_cpu"] is not None and r["others_cpu"] > DISTURBED else ""
        ours_mark = doubt.setdefault(r["name"], mark)  # ours comes first
        cells = [r["name"], r["program"], r["base"]]
        if r["error"]:
            lines.append((*cells, "failed: " + r["error"]))
            continue
        share = "" if r["share"] is None else f"{100 * r['share']:.1f} %{ours_mark or mark}"
        memory = "" if r["peak_rss_bytes"] is None else f"{r['peak_rss_bytes'] / 2 ** 20:.0f} MiB"
        ratio = "" if r["ours_over_it"] is None else f"{r['ours_over_it']:.2f}{ours_mark or mark}"
        lines.append((*cells, f"{r['tok_s']:.1f}{mark}", share, memory, ratio))
    print_lines(lines, left=3)


def print_programs(o, about, table):
    print(f"{about['chip']}, {o.threads} threads; SmolLM2-135M, LoRA r {LORA_R} on all linears; median of {o.rounds} rounds")
    print_table(table)
    versions = sorted({r["version"] for r in table if r["version"]})
    print("; ".join(versions))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("programs", "products"))
    parser.add_argument("--json", action="store_true")
    o = parser.parse_args()
    about = machine()
    table = [] if o.only == "products" else rows(measure_all(o))
    of_products = [] if o.only == "programs" else products.measure_all(o)
    if o.json:
        print(json.dumps({"machine": about, "threads": o.threads, "rounds": o.rounds, "rows": table, "products": of_products}))
    else:
        if table:
            print_programs(o, about, table)
        if table and of_products:
            print()
        if of_products:
            products.print_table(o, about, of_products)
    for r in table:
        if not r["error"] and r["others_cpu"] > DISTURBED:
            print(f"note: other programs took up to {100 * r['others_cpu']:.0f} % of the processors beside {r['program']} "
                  f"({r['base']}), {r['name']}: measure again", file=sys.stderr)
    return 1 if any(r["error"] for r in table if r["program"] == "qlora.cpp") else 0


if __name__ == "__main__":
    sys.exit(main())
