"""What the scripts that measure share: running a program, noticing what else ran beside it, keeping what was found, and
printing a table."""
import hashlib
import json
import os
import pathlib
import resource
import subprocess
import time

TIMEOUT = 900  # seconds
DISTURBED = 0.05  # of the processors, taken by others


class Failed(Exception):
    pass


def clocks():
    """Seconds that the processors have worked for anybody, and for our children; seconds that have passed."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    times = os.times()
    return ((user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK"),
            times.children_user + times.children_system, time.monotonic())


def taken_by_others(before):
    """The part of the processors that others have had since `before`: a figure taken beside them is worth little."""
    everybody, ours, seconds = (now - then for now, then in zip(clocks(), before))
    return max(0.0, (everybody - ours) / (seconds * os.cpu_count()))


def run(*command, threads=None, isa=None, timeout=TIMEOUT):
    """stdout and stderr of a program; Failed with its last line if it fails. `isa` is the path that ours shall take; `threads`
    None leaves their number to the program, `timeout` None lets it take as long as it takes."""
    environment = {**os.environ, "TRANSFORMERS_VERBOSITY": "error", "PYTHONWARNINGS": "ignore", "HF_HUB_OFFLINE": "1",
                   "PYTHONDONTWRITEBYTECODE": "1", **({"OMP_NUM_THREADS": str(threads)} if threads else {}),
                   **({"QL_ISA": isa} if isa else {})}
    try:
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              errors="replace", env=environment, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"took longer than {timeout} s") from None
    except OSError as problem:
        raise Failed(str(problem)) from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise Failed(lines[-1] if lines else f"ended with {done.returncode}")
    return done.stdout, done.stderr


def run_json(*command, **options):
    """The JSON value in a program's last line of stdout, or in all of it.    options  as run takes them"""
    out, _ = run(*command, **options)
    try:
        return json.loads(out)
    except json.JSONDecodeError:
        return json.loads(out.strip().splitlines()[-1])


def run_or_exit(*command):
    """stdout and stderr of a program, and the processor's seconds that it took. Ends the script where the program fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        out, err = run(*command, timeout=None)
    except Failed as why:
        raise SystemExit(f"failed: {' '.join(map(str, command))}: {why}") from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out, err, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def kept(folder, key, make):
    """A dictionary: what an earlier measurement with this key found, or make(path) finds. `key` is anything that JSON holds, and
    `path` the file in `folder` that will keep the answer: names beside it are free for what make() writes."""
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    path = pathlib.Path(folder) / (name + ".json")
    if not path.exists():
        result = make(path)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(result), encoding="utf-8")
        part.rename(path)
    return json.loads(path.read_text(encoding="utf-8"))


def split_options(argv):
    """What stands before and behind the first `--`."""
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1:]


def base_type(options):
    """The --base-type among the options of ql-finetune: an adapter is judged over the weights that it was trained over."""
    return options[(at := options.index("--base-type")):at + 2] if "--base-type" in options else []


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        chip = next((line.split(":")[1].strip() for line in file if line.startswith(("model name", "Processor"))), "unknown")
    return {"chip": chip, "cores": len(os.sched_getaffinity(0))}


def print_lines(lines, left):
    """Lines of cells in columns as wide as they need; the first `left` columns begin at their left. A line that is shorter
    than the first one is a reason in place of figures: its last cell takes the room that it needs."""
    full = len(lines[0])
    widths = [max(len(line[c]) for line in lines if len(line) == full or c < len(line) - 1) for c in range(full)]
    for line in lines:
        cells = [cell.ljust(w) if c < left or len(line) < full else cell.rjust(w)
                 for c, (cell, w) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())
