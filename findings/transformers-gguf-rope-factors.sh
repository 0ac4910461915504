#!/usr/bin/env bash
# transformers 5.23.0 reads a Llama GGUF without its rope factors (the tensor rope_freqs.weight), and does not say so.
#
# Expected   Llama 3.1 and later are trained with factors by which rope's frequencies are divided. A GGUF file keeps
#            them as the tensor rope_freqs.weight. from_pretrained(..., gguf_file=...) uses them, or refuses or warns.
# Behaviour  The tensor is skipped: rope_type is "default". Two files that differ in the factors alone give equal
#            logits. llama.cpp (here xllamacpp 2026.10.11549) gives other probabilities for the two files.
# Seen       transformers: largest difference of logits 0.0
#            llama.cpp: probabilities differ
# Meaning    For such models transformers is no witness of a GGUF's logits, nor a way to convert one back.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check torch==2.15.0 transformers==5.23.0 gguf==0.19.0 xllamacpp==2026.10.11549
cat >"$dir/write.py" <<'PY'
"""Two tiny random Llama models, alike but for the rope factors."""
import sys

import gguf
import numpy as np

N, HEADS, HIDDEN, LAYERS, VOCABULARY = 64, 4, 128, 2, 300


def byte_tokens():
    """GPT-2's characters for the 256 bytes."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in shown]
    return [chr(b) for b in shown] + [chr(256 + i) for i in range(len(hidden))]


def write(path, factors):
    random = np.random.default_rng(1)
    w = gguf.GGUFWriter(path, "llama")
    w.add_context_length(512)
    w.add_embedding_length(N)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(HIDDEN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(HEADS)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(N // HEADS)
    w.add_rope_freq_base(10000.0)
    w.add_vocab_size(VOCABULARY)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("llama-bpe")
    pairs = [(a, b) for a in "abcdefgh" for b in "stuvw"]
    tokens = byte_tokens() + [a + b for a, b in pairs]
    tokens += [f"<unused{i}>" for i in range(VOCABULARY - len(tokens))]
    w.add_token_list(tokens)
    w.add_token_types([1 if i < 296 else 3 for i in range(VOCABULARY)])
    w.add_token_merges([f"{a} {b}" for a, b in pairs])
    w.add_bos_token_id(VOCABULARY - 1)
    w.add_eos_token_id(VOCABULARY - 1)

    def matrix(name, rows, columns):
        w.add_tensor(name, (0.3 * random.standard_normal((rows, columns))).astype(np.float32))

    matrix("token_embd.weight", VOCABULARY, N)
    w.add_tensor("rope_freqs.weight", np.array(factors, np.float32))
    for i in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{i}.{name}.weight", N, N)
        matrix(f"blk.{i}.ffn_gate.weight", HIDDEN, N)
        matrix(f"blk.{i}.ffn_up.weight", HIDDEN, N)
        matrix(f"blk.{i}.ffn_down.weight", N, HIDDEN)
        for name in ("attn_norm", "ffn_norm"):
            w.add_tensor(f"blk.{i}.{name}.weight", np.ones(N, np.float32))
    w.add_tensor("output_norm.weight", np.ones(N, np.float32))
    matrix("output.weight", VOCABULARY, N)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


write(sys.argv[1] + "/ones.gguf", [1] * 8)
write(sys.argv[1] + "/factors.gguf", [1, 1, 2, 4, 8, 8, 8, 8])
PY
cat >"$dir/transformers_reads.py" <<'PY'
import sys

import torch
from transformers import AutoModelForCausalLM


def logits(name):
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], gguf_file=name, dtype=torch.float32)
    with torch.no_grad():
        return model(torch.arange(1, 201)[None]).logits


print("transformers: largest difference of logits", (logits("ones.gguf") - logits("factors.gguf")).abs().max().item())
PY
cat >"$dir/llama_cpp_reads.py" <<'PY'
import os
import sys

import xllamacpp


def probabilities(name):
    params = xllamacpp.CommonParams()
    params.model.path = f"{sys.argv[1]}/{name}"
    params.n_ctx = 512
    params.warmup = False
    request = {"prompt": "abcdefgh " * 20, "max_tokens": 1, "temperature": 0, "logprobs": 5}
    answer = xllamacpp.Server(params).handle_completions(request)
    return [(t["id"], round(t["logprob"], 3)) for t in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]]


same = probabilities("ones.gguf") == probabilities("factors.gguf")
print("llama.cpp: probabilities", "are the same" if same else "differ", flush=True)
os._exit(0)
PY
"$dir/venv/bin/python" "$dir/write.py" "$dir"
seen=$("$dir/venv/bin/python" "$dir/transformers_reads.py" "$dir" 2>/dev/null
       "$dir/venv/bin/python" "$dir/llama_cpp_reads.py" "$dir" 2>/dev/null)
echo "$seen"
[ "$seen" = "transformers: largest difference of logits 0.0
llama.cpp: probabilities differ" ] || { echo "changed: another result than the one described above"; exit 1; }
