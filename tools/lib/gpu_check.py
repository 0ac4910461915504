"""The steps of tools/gpu-check.sh, which builds the programs and finds the card, and their report.

    gpu_check.py --device NAME --bin FOLDER --out FOLDER --minutes N --build-seconds N|null --card NAME,CAPABILITY,DRIVER,MIB

A step has passed, failed, was measured, or was skipped with a reason; a program that fails or takes too long makes its step
a failed one, and the steps after it run all the same.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STEPS = {}  # name -> function, in their order
SHAPES = ("4096,4096,1", "4096,4096,8", "4096,11008,1", "4096,4096,512", "4096,4096,2048")  # row length, rows, tokens
EMULATED_SHAPES = ("256,64,1", "256,64,16")
TYPES = ("nf4_dq", "q4_K", "q8_0", "bf16")
NEAR = {"f32": 1e-4, "bf16": 5e-3}  # of the CPU's losses; a card's functions differ in the last bits


class Skipped(Exception):
    pass


class Failed(Exception):
    pass


def step(function):
    STEPS[function.__name__] = function
    return function


class Check:
    """Runs programs on a device until a deadline."""

    def __init__(self, options, folder):
        self.device, self.bin, self.folder = options.device, pathlib.Path(options.bin), pathlib.Path(folder)
        self.emulated = options.device.startswith("cuda-emu")
        self.deadline = time.monotonic() + 60 * options.minutes

    def run(self, *command, environment=None, accept=(0,)):
        left = self.deadline - time.monotonic()
        if left < 1:
            raise Skipped("no time was left")
        try:
            done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace", timeout=left,
                                  env={**os.environ, **(environment or {})}, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"{pathlib.Path(str(command[0])).name} was not done when the time was up") from None
        if done.returncode not in accept:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Failed(lines[-1] if lines else f"{command[0]} ended with {done.returncode}")
        return done

    def program(self, name, *arguments, **options):
        return self.run(self.bin / name, *arguments, **options)

    def bench(self, *arguments):
        return json.loads(self.program("ql-bench", *arguments, "--device", self.device, "--json", "-q").stdout)

    def model(self, shape, dtype="nf4_dq"):
        path = self.folder / f"{shape}-{dtype}.gguf"
        if not path.exists():
            self.program("ql-bench", "make-model", "--shape", shape, "--type", dtype, "-o", path, "-q")
        return path

    def text(self):
        path = self.folder / "text.txt"
        if not path.exists():
            words = "the river and a small house by the water were there when we came for the table".split()
            path.write_text("".join(words[i * i % len(words)] + (".\n" if i % 11 == 10 else " ") for i in range(3000)),
                            encoding="utf-8")
        return path


@step
def conformance(check):
    """Every operator's cases against the reference in f64."""
    done = check.program("ql-doctor", "--device", check.device, "--json", "-q", *(["--quick"] if check.emulated else []),
                         accept=(0, 1))
    answer = json.loads(done.stdout)
    bad = [k["op"] + ": " + k["message"] for k in answer["kernels"] if k["failed"]]
    values = {"cases": sum(k["cases"] for k in answer["kernels"]), "failed": answer["failed"],
              "on_cpu": sum(k["on_cpu"] for k in answer["kernels"]), "product": answer["product"]}
    return ("failed" if bad else "passed"), "; ".join(bad), values


@step
def gradients(check):
    """Gradients of every differentiable operator against the references in f64."""
    program = check.bin / "ql_test_backends"
    if not program.exists():
        raise Skipped("ql_test_backends was not built")
    only = "*CudaGradients*" + ("/mul_mat*" if check.emulated else "")
    report = check.folder / "gradients.json"
    done = check.run(program, f"--gtest_filter={only}", f"--gtest_output=json:{report}", "--gtest_brief=1",
                     environment={"QL_TEST_CARD": check.device}, accept=(0, 1))
    answer = json.loads(report.read_text(encoding="utf-8"))
    values = {"cases": answer["tests"], "failed": answer["failures"]}
    if answer["tests"] == 0:
        raise Skipped("ql_test_backends has no such tests in this build")
    return ("failed" if done.returncode else "passed"), "", values


def losses(check, device, compute):
    metrics = check.folder / "metrics.jsonl"
    check.program("ql-finetune", "-q", "-m", check.model("tiny"), "-d", check.text(), "-o", check.folder / "adapter.gguf",
                  "--overwrite", "--metrics", metrics, "--ctx", 64, "--steps", 6, "--grad-accum", 2, "--lora-r", 8,
                  "--device", device, "--compute", compute)
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


@step
def training(check):
    """A small model trained on the card and on the CPU: the losses of each step."""
    want = losses(check, "cpu", "f32")
    values, bad = {"cpu_f32": want}, []
    for compute, allowed in NEAR.items():
        got = losses(check, check.device, compute)
        apart = max((abs(g - w) / w for g, w in zip(got, want)), default=math.inf)
        values[f"card_{compute}"], values[f"apart_{compute}"] = got, apart
        if len(got) != len(want) or not apart <= allowed:
            bad.append(f"{compute}: {apart:.1e} of the CPU's losses apart, {allowed:.0e} is allowed")
    return ("failed" if bad else "passed"), "; ".join(bad), values


@step
def sanitizer(check):
    """compute-sanitizer over some cases of each operator."""
    if check.emulated:
        raise Skipped("the emulation checks accesses by itself")
    tool = shutil.which("compute-sanitizer")
    if not tool:
        raise Skipped("compute-sanitizer was not found")
    values = {}
    for kind in ("memcheck", "racecheck"):
        done = check.run(tool, "--tool", kind, "--error-exitcode", 9, check.bin / "ql-doctor", "--quick", "-q", "--device",
                         check.device, accept=(0, 1, 9))
        values[kind] = "errors" if done.returncode == 9 else "clean"
    bad = [kind for kind, found in values.items() if found != "clean"]
    return ("failed" if bad else "passed"), ", ".join(bad), values


@step
def products(check):
    """Products by weight type and shape."""
    rows = []
    for shape in EMULATED_SHAPES if check.emulated else SHAPES:
        for dtype in TYPES[:1] if check.emulated else TYPES:
            figure = check.bench("op", "mul_mat", "--type", dtype, "--shape", shape)[0]
            rows.append({"type": dtype, "shape": shape, "median": figure["median"], "unit": figure["unit"]})
    return "measured", "", rows


@step
def train(check):
    """Training steps by ql-bench."""
    rows = []
    for shape, ctx in (("tiny", 32),) if check.emulated else (("smollm2-135m", 2048), ("llama-1.1b", 2048)):
        figure = check.bench("train", "-m", check.model(shape), "--base-type", "keep", "--ctx", ctx, "--lora-r", 16, "--steps",
                             1 if check.emulated else 5)[0]
        rows.append({"model": shape, "ctx": ctx, "median": figure["median"], "unit": figure["unit"]})
    return "measured", "", rows


@step
def infer(check):
    """Reading a prompt and generating, by ql-bench."""
    rows = []
    for shape in ("tiny",) if check.emulated else ("smollm2-135m", "llama-1.1b"):
        size = ("--prompt", 8, "--generate", 2, "--repeats", 1) if check.emulated else ("--prompt", 512, "--generate", 128)
        for figure in check.bench("infer", "-m", check.model(shape), *size):
            rows.append({"model": shape, "name": figure["name"], "median": figure["median"], "unit": figure["unit"]})
    return "measured", "", rows


@step
def peers(check):
    """The same training step by PyTorch with PEFT and bitsandbytes."""
    if check.emulated:
        raise Skipped("peers run on cards")
    python = os.environ.get("QL_PEERS_PYTHON", "python3")
    try:
        check.run(python, "-c", "import torch, transformers, peft, bitsandbytes; assert torch.cuda.is_available()")
    except Failed as problem:
        raise Skipped(f"{python} has no torch, transformers, peft and bitsandbytes for the card ({problem})") from None
    folder = check.folder / "transformers"
    check.run(python, ROOT / "tools/peers/make_model.py", folder)
    answer = json.loads(check.run(python, ROOT / "tools/peers/train_peft.py", folder, "--base", "nf4", "--compute", "bf16", "--ctx",
                                  2048, "--lora-r", 16, "--device", "cuda").stdout.strip().splitlines()[-1])
    return "measured", answer["version"], [{"model": "smollm2-135m", "ctx": 2048, "median": answer["tok_s"], "unit": "tok/s",
                                            "card_bytes": answer["card_bytes"]}]


def run_steps(check):
    results = {}
    for name, function in STEPS.items():
        begin = time.monotonic()
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            status, detail, values = function(check)
        except Skipped as why:
            status, detail, values = "skipped", str(why), None
        except (Failed, KeyError, IndexError, OSError, ValueError) as problem:
            status, detail, values = "failed", f"{type(problem).__name__}: {problem}", None
        results[name] = {"what": function.__doc__, "status": status, "detail": detail,
                         "seconds": round(time.monotonic() - begin, 2), "values": values}
        print(f"{name}: {status}{' - ' + detail if detail else ''}", file=sys.stderr, flush=True)
    return results


def markdown(report):
    card = report["card"]
    lines = [f"# {card['name']}: {'passed' if report['passed'] else 'FAILED'}", "",
             f"{report['device']}, compute capability {card['capability']}, driver {card['driver']}, {card['memory_mib']} MiB; "
             f"qlora.cpp {report['version']}", "", "| step | what | status | seconds | |", "|---|---|---|---|---|"]
    for name, s in report["steps"].items():
        lines.append(f"| {name} | {s['what']} | {s['status']} | {s['seconds']} | {s['detail'].replace('|', '/')} |")
    for name, s in report["steps"].items():
        if not isinstance(s["values"], list) or not s["values"]:
            continue
        keys = list(s["values"][0])
        lines += ["", f"## {name}", "", "| " + " | ".join(keys) + " |", "|" + "---|" * len(keys)]
        lines += ["| " + " | ".join(f"{row[k]:.1f}" if isinstance(row[k], float) else str(row[k]) for k in keys) + " |"
                  for row in s["values"]]
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--device", "--bin", "--out", "--build-seconds", "--card"):
        p.add_argument(name, required=True)
    p.add_argument("--minutes", type=int, required=True)
    options = p.parse_args()
    name, capability, driver, memory = (word.strip() for word in options.card.split(","))
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        check = Check(options, folder)
        version = check.program("ql-bench", "--version").stdout.split()[-1]
        steps = run_steps(check)
    report = {"version": version, "device": options.device,
              "card": {"name": name, "capability": capability, "driver": driver, "memory_mib": int(memory)},
              "build_seconds": json.loads(options.build_seconds), "steps": steps,
              "passed": all(s["status"] != "failed" for s in steps.values())}
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "report.md").write_text(markdown(report), encoding="utf-8")
    print(out / "report.md")
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
