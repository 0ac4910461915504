"""The perplexity of a text, counted as llama-perplexity counts it: ours (`ql-perplexity --count llama.cpp`) and llama.cpp's.

    perplexity_test.py MODEL.gguf [TEXT]

Of the model's own file, and of files in f16, q8_0 and q4_K that ql-quantize makes of it. Beside quantised weights llama.cpp rounds
activations to 8 bits, and its perplexity is some tenths of a percent higher for it. That nothing else differs is shown on
the same weights written out in f32: there both have the figure that ours has of the quantised file. By hand and by tests/long.sh:
minutes of processor time."""
import sys
from pathlib import Path

import numpy as np

from interop import SCRATCH, SOURCE, check, finish, program, shared
from llama_losses import LossesOfLlama

MODEL = Path(sys.argv[1])
N_CTX, N_BYTES = 512, 25600
EXACT = {"f32": 1e-5, "f16": 3e-4}  # limits of the relative distance: what is written out is computed alike
ROUNDED = 1e-2                      # what 8 bits of activations cost llama.cpp: .16 % of q8_0 and .40 % of q4_K were seen
SAME = 1e-6                         # our figures of a quantised file and of its weights in f32


def text_file():
    """WikiText-2 where the shared data are, else a text of this repository."""
    given = Path(sys.argv[2]) if len(sys.argv) > 2 else shared("data/text/wikitext-2-valid.txt") or SOURCE / "docs/adapters.md"
    path = SCRATCH / "perplexity.txt"
    path.write_text(given.read_text()[:N_BYTES])
    return path


def write(model, kind):
    path = SCRATCH / f"perplexity-{kind}.gguf"
    program("ql-quantize", model, path, kind, "--embeddings", kind if kind in EXACT else "auto")
    return path


def ours(path, text):
    result = program("ql-perplexity", "-m", path, "-f", text, "-c", N_CTX, "--count", "llama.cpp", "--compute", "f32", "--json")
    return result["ppl"], result["tokens"]


def theirs(path, text):
    llama = LossesOfLlama(path, N_CTX)
    losses = llama.windows(llama.tokenize(text.read_text()), N_CTX)
    llama.close()
    return float(np.exp(losses.mean())), len(losses)


def compare(name, path, text, limit):
    mine, n = ours(path, text)
    other, m = theirs(path, text)
    apart = mine / other - 1
    print(f"{name:<10}{n:6} tokens: ours {mine:.4f}, llama.cpp {other:.4f}, {100 * apart:+.3f} %", flush=True)
    check(n == m, f"{name}: llama.cpp counts {m} tokens, we {n}")
    check(abs(apart) <= limit, f"{name}: the perplexities are {100 * apart:.3f} % apart, more than {100 * limit:.3f}")
    return mine


SCRATCH.mkdir(parents=True, exist_ok=True)
TEXT = text_file()
for kind in ("own", "f16", "q8_0", "q4_K"):
    path = MODEL if kind == "own" else write(MODEL, kind)
    packed = compare(kind, path, TEXT, EXACT.get(kind, ROUNDED))
    if kind not in EXACT:
        plain = write(path, "f32")
        written = compare(f"{kind}, f32", plain, TEXT, EXACT["f32"])
        check(abs(written / packed - 1) <= SAME, f"{kind}: our figure is {packed}, of its weights in f32 {written}")
        plain.unlink()
    if path != MODEL:
        path.unlink()
finish()
