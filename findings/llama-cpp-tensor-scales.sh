#!/usr/bin/env bash
# llama.cpp (PyPI xllamacpp 2026.10.11549): in some architectures the scales of NVFP4's feed-forward weights are read and not used.
#
# Expected   An NVFP4 weight is its blocks times one more f32 of the whole tensor, "blk.0.ffn_up.scale", which llama.cpp's own
#            converter writes beside it for models of every architecture. So a file with the scale gives what a file with weights
#            of the same values gives.
# Behaviour  The loader takes such tensors of every architecture (an unknown tensor would be refused). The graphs of llama and qwen3
#            multiply by them; those of qwen2 and smollm3, among others, hand none to the feed-forward network, and compute it with
#            weights that lack the factor. Attention has it. No error, no warning.
# Seen       llama    feed-forward scaled: as the same values
#            qwen2    feed-forward scaled: as without the scale
#            qwen2    attention scaled: as the same values
#            smollm3  feed-forward scaled: as without the scale
# Meaning    An NVFP4 file of such an architecture, made by llama.cpp's converter from a checkpoint of ModelOpt, answers nonsense
#            there. Convert it to another type with a program that multiplies the scales in.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.6
cat >"$dir/model.py" <<'PY'
"""A model of one layer, whose matrices of one part are NVFP4: with a scale apart, with weights of the same values, or without."""
import sys

import gguf
import numpy as np

arch, part, kind, path = sys.argv[1:]
SCALE, N = 0.004, 64
PARTS = {"ffn": ("ffn_gate", "ffn_up", "ffn_down"), "attn": ("attn_q", "attn_k", "attn_v", "attn_output")}
rng = np.random.default_rng(1)
printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
others = [b for b in range(256) if b not in printable]
tokens = [chr(b) if b in printable else chr(256 + others.index(b)) for b in range(256)] + ["ab", "<|end|>"]
w = gguf.GGUFWriter(path, arch)
w.add_block_count(1)
w.add_context_length(64)
w.add_embedding_length(N)
w.add_feed_forward_length(N)
w.add_head_count(2)
w.add_head_count_kv(2)
w.add_layer_norm_rms_eps(1e-5)
w.add_tokenizer_model("gpt2")
w.add_tokenizer_pre("gpt-2")
w.add_token_list(tokens)
w.add_token_types([1] * 257 + [3])
w.add_token_merges(["a b"])
w.add_bos_token_id(257)
w.add_eos_token_id(257)
w.add_tensor("token_embd.weight", rng.normal(size=(len(tokens), N)).astype(np.float32))
for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
    w.add_tensor(name + ".weight", np.ones(N, np.float32))
if arch == "qwen2":
    for name in ("attn_q", "attn_k", "attn_v"):
        w.add_tensor(f"blk.0.{name}.bias", np.zeros(N, np.float32))
for name in (n for names in PARTS.values() for n in names):
    if name not in PARTS[part]:
        w.add_tensor(f"blk.0.{name}.weight", (0.2 * rng.normal(size=(N, N))).astype(np.float32))
        continue
    blocks = rng.integers(0, 256, (N, N // 64 * 36), dtype=np.uint8)
    blocks[:, :4] = rng.integers(0x30, 0x40, (N, 4))  # of a block the scales of its four groups
    if kind == "values":
        values = gguf.dequantize(blocks, gguf.GGMLQuantizationType.NVFP4)
        w.add_tensor(f"blk.0.{name}.weight", (SCALE * values).astype(np.float32))
        continue
    w.add_tensor(f"blk.0.{name}.weight", blocks, raw_dtype=gguf.GGMLQuantizationType.NVFP4)
    if kind == "scale":
        w.add_tensor(f"blk.0.{name}.scale", np.array([SCALE], np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
PY
cat >"$dir/logprobs.py" <<'PY'
"""The log-probabilities of the next token. A process of its own: the server's threads end with it."""
import json
import os
import sys

import xllamacpp

p = xllamacpp.CommonParams()
p.model.path = sys.argv[1]
p.n_ctx, p.warmup, p.verbosity = 64, False, 0
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(p)
answer = server.handle_completions({"prompt": "abc the", "max_tokens": 1, "temperature": 0, "logprobs": 258})
top = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
print("\n" + json.dumps({t["id"]: t["logprob"] for t in top}), flush=True)
os._exit(0)
PY
cat >"$dir/compare.py" <<'PY'
import json
import subprocess
import sys

folder = sys.argv[1]


def logprobs(arch, part, kind):
    path = f"{folder}/{arch}-{part}-{kind}.gguf"
    subprocess.run([sys.executable, f"{folder}/model.py", arch, part, kind, path], check=True)
    done = subprocess.run([sys.executable, f"{folder}/logprobs.py", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return json.loads(done.stdout.decode().splitlines()[-1])


def distance(a, b):
    return max(abs(a[t] - b[t]) for t in a.keys() & b.keys())


for arch, part in (("llama", "ffn"), ("qwen2", "ffn"), ("qwen2", "attn"), ("smollm3", "ffn")):
    scale, values, without = (logprobs(arch, part, kind) for kind in ("scale", "values", "without"))
    found = "the same values" if distance(scale, values) < 0.1 else "without the scale" if distance(scale, without) < 0.1 else "neither"
    assert distance(values, without) > 0.5
    print(f"{arch} {'feed-forward' if part == 'ffn' else 'attention'} scaled: as {found}")
PY
seen=$("$dir/venv/bin/python" "$dir/compare.py" "$dir")
echo "$seen"
[ "$seen" = "llama feed-forward scaled: as the same values
qwen2 feed-forward scaled: as without the scale
qwen2 attention scaled: as the same values
smollm3 feed-forward scaled: as without the scale" ] || { echo "changed: another result than the one described above"; exit 1; }
