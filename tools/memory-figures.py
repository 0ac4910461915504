#!/usr/bin/env python3
"""Whether a training run's peak of memory is what its plan says: the table in docs/MEMORY.md.

    tools/memory-figures.py --folder DIR [--bin build/release/bin] [--shapes smollm2-135m,llama-160m] [--ctx 512,4096]
                            [--threads 1] [--steps 1] [--only TEXT]

Makes a model of random weights (nf4_dq) of each shape in DIR and trains it as each row of SETTINGS says: without a budget, with
all layers computed again, and within a budget halfway between the least and what the plain run takes, each with another
optimizer. Printed for each run: the planned and the measured peak and their ratio; the seconds of a step that --dry-run
expects and those that it took. Seconds beside other programs are worth little: then they have a question mark; memory does not
depend on who else runs. --only runs the rows whose name has TEXT. Files in DIR are deleted at the end. Fails where a peak is
more than 3 % from its plan.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "lib"))
from measure import DISTURBED, Failed, clocks, machine, print_lines, run, run_json, taken_by_others  # noqa: E402

TYPE = "nf4_dq"
ALLOWED = 0.03  # of the planned peak
MIB = 2 ** 20


class Setting(NamedTuple):
    name: str
    options: tuple
    budget: bool = False  # halfway between the least and the plain run's need


SETTINGS = (Setting("no budget, adamw", ("--optim", "adamw")),
            Setting("all computed again, adamw8bit", ("--recompute", "all", "--optim", "adamw8bit")),
            Setting("half the room, --spill, paged_adamw", ("--optim", "paged_adamw"), budget=True))


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--folder", type=pathlib.Path, required=True)
    p.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    p.add_argument("--shapes", default="smollm2-135m,llama-160m")
    p.add_argument("--ctx", default="512,4096")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--steps", type=int, default=1)
    p.add_argument("--only", default="")
    return p.parse_args()


class Finetune:
    """Runs of ql-finetune on one model at one length of context."""

    def __init__(self, args, model, ctx):
        folder = args.folder
        text = folder / "text.txt"
        text.write_text("the river and the small house by the water " * (ctx * args.steps), encoding="utf-8")
        self.metrics = folder / "metrics.jsonl"
        self.line = [args.bin / "ql-finetune", "-m", model, "-d", text, "-o", folder / "a.gguf", "--base-type", "keep", "--ctx",
                     ctx, "--grad-accum", 1, "--steps", args.steps, "--threads", args.threads, "--no-shuffle", "--overwrite",
                     "--save-every", 1000000, "--json", "-q"]
        self.spill = ["--spill", folder]

    def plan(self, options):
        return run_json(*self.line, *options, "--dry-run", timeout=None)

    def least(self, options):
        """MiB, as a refusal names them."""
        try:
            run(*self.line, *options, "--memory", 1, "--dry-run", timeout=None)
        except Failed as refusal:
            found = re.search(r"at least (\d+) MiB", str(refusal))
            if found:
                return int(found[1])
            raise
        raise Failed("a budget of one byte was not refused")

    def train(self, options):
        """The result, the seconds of a step, and how much of the processors others took meanwhile."""
        before = clocks()
        result = run_json(*self.line, *options, "--metrics", self.metrics, timeout=None)
        others = taken_by_others(before)
        ends = [json.loads(row)["seconds"] for row in self.metrics.read_text(encoding="utf-8").splitlines()]
        self.metrics.unlink()
        return result, ends[-1] / len(ends), others


def options_of(finetune, setting):
    """Of ql-finetune; under a budget, its size."""
    if not setting.budget:
        return list(setting.options)
    options = [*setting.options, *finetune.spill]
    least = finetune.least(options)
    need = finetune.plan(())["planned_peak_bytes"] // MIB
    return [*options, "--memory", f"{(least + need) // 2}MiB"]


def measure(finetune, name, options):
    """A row of the table, and whether the peak is that of the plan."""
    expected = finetune.plan(options)
    result, seconds, others = finetune.train(options)
    planned, peak = result["planned_peak_bytes"], result["peak_rss_bytes"]
    doubt = "?" if others > DISTURBED else ""
    budget = options[-1] if "--memory" in options else ""
    row = (*name, budget, f"{planned / MIB:,.1f}", f"{peak / MIB:,.1f}", f"{peak / planned:.3f}",
           f"{expected['expected_step_seconds']:.2f}", f"{seconds:.2f}{doubt}")
    return row, abs(peak / planned - 1) <= ALLOWED


def rows(args, made):
    for shape in args.shapes.split(","):
        model = args.folder / f"{shape}-{TYPE}.gguf"
        made.append(model)
        run(args.bin / "ql-bench", "make-model", "--shape", shape, "--type", TYPE, "-o", model, "-q", timeout=None)
        for ctx in map(int, args.ctx.split(",")):
            finetune = Finetune(args, model, ctx)
            for setting in SETTINGS:
                if args.only in setting.name:
                    print(f"{shape}, {ctx}: {setting.name}", file=sys.stderr, flush=True)
                    yield measure(finetune, (shape, str(ctx), setting.name), options_of(finetune, setting))


def main():
    args = arguments()
    made = [args.folder / name for name in ("text.txt", "a.gguf", "metrics.jsonl")]
    head = ("shape", "context", "options", "budget", "planned MiB", "measured MiB", "ratio", "step expected s", "took s")
    lines, wrong = [head], 0
    try:
        for line, is_as_planned in rows(args, made):
            lines.append(line)
            wrong += not is_as_planned
    except (Failed, subprocess.SubprocessError) as why:
        print(f"memory-figures: {why}", file=sys.stderr)
        return 1
    finally:
        for path in made:
            path.unlink(missing_ok=True)
    print(f"{machine()['chip']}, {args.threads} thread{'s' if args.threads != 1 else ''}; {TYPE}, a step of one sequence")
    print_lines(lines, 3)
    if wrong:
        print(f"memory-figures: {wrong} peaks are more than {ALLOWED:.0%} from their plan", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
