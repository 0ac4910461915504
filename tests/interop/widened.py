"""The tiny golden models, four times as wide and with weights of a generator: K-quants need rows of 256."""
import json
import shutil

import numpy as np

from interop import SCRATCH, SOURCE

VOCAB = 160
BY_WIDTH = ("hidden_size", "intermediate_size", "head_dim", "query_pre_attn_scalar")


def _wide(n):
    """96 and 192 are widths of feed-forward layers whose fourfold is no multiple of 256."""
    return {96: 512, 192: 1024}.get(n, 4 * n)


def _read(path):
    """(name, shape, values) of a safetensors file of f32."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    for name, tensor in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            yield name, tensor["shape"], np.frombuffer(data[start + begin:start + end], np.float32)


def _write(path, tensors):
    header, end = {}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [end, end + values.nbytes]}
        end += values.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(v.tobytes() for v in tensors.values()))


def _characters():
    """Single characters, U+2581 for the space, and names that no text has; two tokens fewer than the embedding has rows."""
    # llama.cpp wants more of the vocabulary of a model that is called phi3
    texts = ["<unk>", "<s>", "</s>", "\u2581", *map(chr, range(ord("!"), ord("~") + 1)), "ab", "abc"]
    vocab = {t: i for i, t in enumerate(texts + [f"<unused{i}>" for i in range(len(texts), VOCAB - 2)])}
    spaces = {"type": "Metaspace", "prepend_scheme": "never", "split": False}
    tokenizer = {"added_tokens": [{"id": i, "content": t, "special": True} for i, t in enumerate(texts[:3])],
                 "pre_tokenizer": spaces, "decoder": spaces,
                 "model": {"type": "BPE", "unk_token": "<unk>", "vocab": vocab, "merges": ["a b", "ab c"]}}
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
    return {"tokenizer.json": json.dumps(tokenizer).encode(), "tokenizer_config.json": json.dumps(names).encode()}


def write_directory(folder, name, tokenizer=None, vocab=VOCAB):
    """A Hugging Face directory of the golden model `name`, wide. tokenizer: the bytes of the files that have it, by their names."""
    golden = SOURCE / "tests/golden/arch" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = json.loads((golden / "config.json").read_text())
    random, tensors = np.random.default_rng(1), {}
    for tensor, shape, values in _read(golden / "model.safetensors"):
        wide = [_wide(n) for n in shape]
        if tensor.endswith(("embed_tokens.weight", "lm_head.weight")):
            wide[0] = vocab
        if len(wide) == 2:  # rows of length 1
            tensors[tensor] = random.uniform(-1, 1, wide).astype(np.float32) * np.float32(np.sqrt(3 / wide[1]))
        else:
            tensors[tensor] = np.resize(values, wide)
    _write(folder / "model.safetensors", tensors)
    for key in BY_WIDTH:
        if config.get(key):
            config[key] = _wide(config[key])
    for factors in ("short_factor", "long_factor"):
        rope = config.get("rope_parameters") or {}
        if factors in rope:
            rope[factors] = np.repeat(rope[factors], 4).tolist()
    config["vocab_size"] = vocab
    (folder / "config.json").write_text(json.dumps(config))
    for file, content in (tokenizer or _characters()).items():
        (folder / file).write_bytes(content)
