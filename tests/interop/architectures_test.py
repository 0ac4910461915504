"""llama.cpp on what ql-convert makes of the tiny golden models of each architecture, in f16: the most probable next tokens
after a few texts, and their log-probabilities. PyTorch judges these models elsewhere, in f32
(tests/models/arch_golden_test.cpp): here is asked whether keys, tensor names, row order and vocabulary mean the same to both."""
import json
import shutil

from interop import SCRATCH, SOURCE, Llama, chat, check, finish, program

NAMES = ["llama", "llama3_rope", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "phi3_longrope", "smollm3", "granite",
         "olmo2", "glm4", "ministral3"]  # not mistral_window: upstream's llama has no window
TEXTS = ["abc", "the(quick)brown-fox,jumps", "x" * 7 + "0123456789"]
WINDOW = {"phi3_longrope": 12}  # upstream's phi3 leaves the window out: texts that are shorter are compared
LIMIT = 0.05
N_COMPARED = 5


def tokenizer(n):
    """Single characters, U+2581 for the space, and names that no text has."""
    texts = ["<unk>", "<s>", "</s>", "\u2581", *map(chr, range(ord("!"), ord("~") + 1)), "ab", "abc"]
    vocab = {t: i for i, t in enumerate(texts + [f"<unused{i}>" for i in range(len(texts), n - 2)])}
    spaces = {"type": "Metaspace", "prepend_scheme": "never", "split": False}
    return {"added_tokens": [{"id": i, "content": t, "special": True} for i, t in enumerate(texts[:3])],
            "pre_tokenizer": spaces, "decoder": spaces,
            "model": {"type": "BPE", "unk_token": "<unk>", "vocab": vocab, "merges": ["a b", "ab c"]}}


def convert(name):
    """A golden model with a tokenizer whose vocabulary is two tokens short of the embedding, as GGUF."""
    # llama.cpp wants more of the vocabulary of a model that is called phi3
    folder, path = SCRATCH / f"golden{NAMES.index(name)}", SCRATCH / f"{name}.gguf"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in ("config.json", "model.safetensors"):
        shutil.copy(SOURCE / "tests/golden/arch" / name / file, folder)
    n = json.loads((folder / "config.json").read_text())["vocab_size"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(n)))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}))
    program("ql-convert", folder, path, "--type", "f16")
    return path


def compare(name):
    path = convert(name)
    llama, worst, orders = Llama(path), 0.0, 0
    texts = [text for text in TEXTS if len(text) < WINDOW.get(name, 512)]
    for text in texts:
        _, ours = chat(path, None, ["--raw", "-p", text], 1)
        _, theirs = llama.complete(text, 1)
        best = sorted(ours[0], key=ours[0].get, reverse=True)[:N_COMPARED]
        worst = max([worst, *(abs(ours[0][t] - theirs[0].get(t, float("-inf"))) for t in best)])
        orders += best == sorted(theirs[0], key=theirs[0].get, reverse=True)[:N_COMPARED]
    print(f"{name:<16}{worst:9.5f}   {orders} of {len(texts)} in the same order", flush=True)
    check(worst <= LIMIT, f"{name}: differ by {worst:.5f}, more than {LIMIT}")


for model in NAMES:
    compare(model)
finish()
