"""llama.cpp on what ql-convert makes of each architecture, and on adapters that were trained over each type of base: the
most probable next tokens after a few texts, and their log-probabilities, in f16. PyTorch judges the golden models, of which
these are wide ones, elsewhere, in f32 (tests/models/arch_golden_test.cpp): here is asked whether keys, tensor names, row
order and vocabulary mean the same to both, and whether an adapter changes llama.cpp's output as it changes ours."""
import json
import os
import shutil
import subprocess
import sys

import numpy as np

from interop import BIN, SCRATCH, SOURCE, Llama, chat, check, finish, program
from widened import write_directory

NAMES = ["llama", "llama3_rope", "llama_bias", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "phi3_longrope", "smollm3",
         "granite", "olmo2", "glm4", "mistral_window", "ministral3"]
REFUSED = {"qwen2_yarn": "a window of the upper layers alone"}  # what llama.cpp has no keys for, by what ql-convert says
BASES = ["f16", "q8_0", "q4_K", "nf4_dq"]  # that adapters are trained over
TEXTS = ["abc", "the(quick)brown-fox,jumps", "x" * 7 + "0123456789"]
LORA_TEXTS = ["say abc: ", "say it:"]  # of which the adapters have learned something
# Upstream's llama and phi3 leave windows out: texts that are shorter are compared.
WINDOW = {"phi3_longrope": 12, "mistral_window": 8}
LIMIT = 0.05
N_COMPARED = 5
LEAST_CHANGE = 0.1  # that an adapter has to make in the mean
DATA = SCRATCH / "architectures.jsonl"


def best(logprobs):
    return sorted(logprobs, key=logprobs.get, reverse=True)[:N_COMPARED]


def distances(ours, theirs):
    """Of the log-probabilities of our most probable tokens."""
    return [abs(ours[t] - theirs.get(t, float("-inf"))) for t in best(ours)]


def train(name, model, base):
    """An adapter after some steps over the model in that type; our reader takes it for the model in f16, too."""
    path = SCRATCH / f"{name}-{base}-adapter.gguf"
    program("ql-finetune", "-m", model, "-d", DATA, "-o", path, "--base-type", base, "--ctx", 64, "--grad-accum", 1, "--steps", 10,
            "--lr", 4e-3, "-t", 1, "--json")
    program("ql-adapter", "check", "-m", model, path)
    return path


def compare(name):
    folder, model = SCRATCH / f"wide{NAMES.index(name)}", SCRATCH / f"{name}.gguf"
    write_directory(folder, name)
    program("ql-convert", folder, model, "--type", "f16")
    shutil.rmtree(folder)
    adapters = [train(name, model, base) for base in BASES]
    llama = Llama(model, *adapters)

    def shown(texts, adapter=None):
        """What both say after the texts."""
        only = [] if adapter is None else [adapters.index(adapter)]
        texts = [text for text in texts if len(text) < WINDOW.get(name, 512)]
        return [(chat(model, adapter, ["--raw", "-p", text, "-t", 1], 1)[1][0], llama.complete(text, 1, only)[1][0])
                for text in texts]

    def judge(what, pairs):
        worst = max(max(distances(*pair)) for pair in pairs)
        check(worst <= LIMIT, f"{name}{what}: differ by {worst:.5f}, more than {LIMIT}")
        return worst

    plain, before = shown(TEXTS), shown(LORA_TEXTS)
    same = sum(best(ours) == best(theirs) for ours, theirs in plain)
    line = f"{name:<16}{judge('', plain + before):9.5f}   {same} of {len(plain)} in the same order; adapters"
    for base, adapter in zip(BASES, adapters):
        after = shown(LORA_TEXTS, adapter)
        moved = np.mean([min(d, 10) for pair, (old, _) in zip(after, before) for d in distances(pair[0], old)])
        line += f"  {base} {judge(f' with an adapter trained over {base}', after):.5f} ({moved:.2f})"
        check(moved > LEAST_CHANGE, f"{name}: the adapter trained over {base} changes next to nothing")
    print(line, flush=True)


def refuse(name, part):
    """A model that GGUF keys cannot say is not converted, and the line says why."""
    folder = SCRATCH / "refused"
    write_directory(folder, name)
    done = subprocess.run([BIN / "ql-convert", folder, SCRATCH / "refused.gguf"], capture_output=True, text=True, check=False)
    print(f"{name:<16}{done.stderr.strip()}")
    check(done.returncode == 2 and part in done.stderr, f"{name}: exited with {done.returncode}: {done.stderr}")


SCRATCH.mkdir(parents=True, exist_ok=True)
DATA.write_text("".join(json.dumps({"prompt": f"say {answer}: ", "completion": answer}) + "\n"
                        for answer in ("a cab", "b back", "abc abc", "c")))
chosen = sys.argv[1:] or NAMES
there = sorted(os.listdir(SOURCE / "tests/golden/arch"))
check(there == sorted(NAMES + list(REFUSED)), f"the golden models are {there}")
print("name             differ (llama.cpp to ours);  with adapters by the type of the base (mean change that they make)")
for model in chosen:
    compare(model)
for model, why in REFUSED.items():
    refuse(model, why)
finish()
