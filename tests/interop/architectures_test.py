"""llama.cpp on the tiny golden models of each architecture, as the GGUF files that ql_test_models writes of them: the most
probable next tokens after a few texts, and their log-probabilities. PyTorch judges these models elsewhere, in f32
(tests/models/arch_golden_test.cpp): here is asked whether keys, tensor names and row order mean the same to both."""
import os
import subprocess

from interop import BIN, SCRATCH, Llama, chat, check, finish

NAMES = ["llama", "llama3_rope", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "phi3_longrope", "smollm3", "granite",
         "olmo2", "glm4", "ministral3"]  # not mistral_window: upstream's llama has no window
TEXTS = ["abc", "the(quick)brown-fox,jumps", "x" * 7 + "0123456789"]
WINDOW = {"phi3_longrope": 12}  # upstream's phi3 leaves the window out: texts that are shorter are compared
LIMIT = 0.05
N_COMPARED = 5


def write_models():
    SCRATCH.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(BIN / "ql_test_models"), "--gtest_filter=*ArchGguf*", "--gtest_brief=1"], check=True,
                   env={**os.environ, "QL_TEST_KEEP_GGUF": str(SCRATCH)})


def compare(name):
    path = SCRATCH / f"{name}.gguf"
    llama, worst, orders = Llama(path), 0.0, 0
    texts = [text for text in TEXTS if len(text) < WINDOW.get(name, 512)]
    for text in texts:
        _, ours = chat(path, None, ["-p", text], 1)
        _, theirs = llama.complete(text, 1)
        best = sorted(ours[0], key=ours[0].get, reverse=True)[:N_COMPARED]
        worst = max([worst, *(abs(ours[0][t] - theirs[0].get(t, float("-inf"))) for t in best)])
        orders += best == sorted(theirs[0], key=theirs[0].get, reverse=True)[:N_COMPARED]
    print(f"{name:<16}{worst:9.5f}   {orders} of {len(texts)} in the same order", flush=True)
    check(worst <= LIMIT, f"{name}: differ by {worst:.5f}, more than {LIMIT}")


write_models()
for model in NAMES:
    compare(model)
finish()
