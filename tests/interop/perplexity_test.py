"""The perplexity of a text, counted as llama-perplexity counts it: ours (`ql-perplexity --count llama.cpp`) and llama.cpp's.

    perplexity_test.py MODEL.gguf [TEXT]

Of the model's own file; of the same weights written out in f32 and f16, which shows whose arithmetic a distance of the own
file comes from: ours has the same figure in all three, llama.cpp rounds activations to 8 bits beside quantised weights; and of
files in q8_0 and q4_K that ql-quantize makes. By hand and by tests/long.sh: minutes of processor time."""
import sys
from pathlib import Path

import numpy as np

from interop import SCRATCH, SOURCE, check, finish, program, shared
from llama_losses import LossesOfLlama

MODEL = Path(sys.argv[1])
N_CTX, N_BYTES = 512, 25600
EXACT = {"f32": 1e-5, "f16": 3e-4}  # limits of the relative distance: what is written out is computed alike
ROUNDED = 3e-3                      # beside 8 bits of activations
SAME_OURS = 1e-4                    # our figure of the own file and of its weights in f32


def text_file():
    """WikiText-2 where the shared data are, else a text of this repository."""
    given = Path(sys.argv[2]) if len(sys.argv) > 2 else shared("data/text/wikitext-2-valid.txt") or SOURCE / "docs/adapters.md"
    path = SCRATCH / "perplexity.txt"
    path.write_text(given.read_text()[:N_BYTES])
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
    print(f"{name:<8}{n:6} tokens: ours {mine:.4f}, llama.cpp {other:.4f}, {100 * apart:+.3f} %", flush=True)
    check(n == m, f"{name}: llama.cpp counts {m} tokens, we {n}")
    check(abs(apart) <= limit, f"{name}: the perplexities are {100 * apart:.3f} % apart, more than {100 * limit:.3f}")
    return mine


SCRATCH.mkdir(parents=True, exist_ok=True)
TEXT = text_file()
own = compare("own", MODEL, TEXT, ROUNDED)
for kind in ("f32", "f16", "q8_0", "q4_K"):
    made = SCRATCH / f"perplexity-{kind}.gguf"
    program("ql-quantize", MODEL, made, kind, "--embeddings", kind if kind in EXACT else "auto")
    figure = compare(kind, made, TEXT, EXACT.get(kind, ROUNDED))
    if kind == "f32":
        check(abs(figure / own - 1) <= SAME_OURS, f"our figure of the own file is {own}, of its weights in f32 {figure}")
    made.unlink()
finish()
