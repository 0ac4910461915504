#!/usr/bin/env bash
# llama.cpp's convert_lora_to_gguf.py (as in the sources of llama-cpp-python 0.3.36), with adapters that peft 0.21.2 saved: the
# scale of rsLoRA and the alphas of alpha_pattern are left out, without a word.
#
# Expected   An adapter's file says how strongly it acts: PEFT scales a branch by lora_alpha / r, with use_rslora by
#            lora_alpha / sqrt(r), with alpha_pattern by the pattern's own alpha. A converter keeps that, or refuses the adapter.
# Behaviour  It reads lora_alpha alone and writes it as adapter.lora.alpha, which llama.cpp divides by the rank of each branch.
#            Three adapters with the same A and B, whose branches PEFT scales by 2, by 8 and (v_proj) by 0.5, become files of
#            the same tensors and the same alpha: scale 2 in all. No warning, exit status 0.
# Seen       plain   peft q 2 v 2    gguf q 2 v 2    exit 0, warnings 0
#            rslora  peft q 8 v 8    gguf q 2 v 2    exit 0, warnings 0
#            pattern peft q 2 v 0.5  gguf q 2 v 2    exit 0, warnings 0     (the three hold the same tensors)
# Meaning    An rsLoRA of rank r that goes this way acts 1 / sqrt(r) as strongly as it was trained (rank 64: an eighth). Set
#            lora_alpha to lora_alpha * sqrt(r) before; with an alpha_pattern, scale the branch's B.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip() { "$dir/venv/bin/pip" "$@" -q --disable-pip-version-check; }
pip install torch==2.15.0 transformers==4.57.6 peft==0.21.2 gguf==0.19.0 sentencepiece==0.2.1 safetensors protobuf==4.25.8 scikit-build-core==0.11.6
pip download --no-deps --no-build-isolation --no-binary llama-cpp-python llama-cpp-python==0.3.36 -d "$dir"
tar xzf "$dir"/llama_cpp_python-0.3.36.tar.gz -C "$dir" --wildcards '*/vendor/llama.cpp/*.py'
upstream=$dir/llama_cpp_python-0.3.36/vendor/llama.cpp
cat >"$dir/adapters.py" <<'PY'
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

folder = sys.argv[1]
config = LlamaConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
                     vocab_size=256, architectures=["LlamaForCausalLM"])
config.save_pretrained(f"{folder}/base")
kinds = {"plain": {}, "rslora": {"use_rslora": True}, "pattern": {"alpha_pattern": {"v_proj": 8}}}
for name, options in kinds.items():
    torch.manual_seed(0)
    lora = LoraConfig(r=16, lora_alpha=32, target_modules=["q_proj", "v_proj"], init_lora_weights=False, **options)
    model = get_peft_model(LlamaForCausalLM(config), lora)
    model.save_pretrained(f"{folder}/{name}")
    attention = model.base_model.model.model.layers[0].self_attn
    print(name, *(f"{n} {m.scaling['default']:g}" for n, m in (("q", attention.q_proj), ("v", attention.v_proj))))
PY
cat >"$dir/scales.py" <<'PY'
import hashlib
import sys

from gguf import GGUFReader

reader = GGUFReader(sys.argv[1])
alpha = reader.fields["adapter.lora.alpha"].contents()
ranks = {t.name.split(".")[2]: int(t.shape[1]) for t in reader.tensors if t.name.endswith("lora_a")}
print(f"q {alpha / ranks['attn_q']:g} v {alpha / ranks['attn_v']:g}")
with open(sys.argv[2], "a") as f:
    f.write(hashlib.sha256(b"".join(t.data.tobytes() for t in sorted(reader.tensors, key=lambda t: t.name))).hexdigest() + "\n")
PY
"$dir/venv/bin/python" "$dir/adapters.py" "$dir" 2>/dev/null >"$dir/peft"
seen=$(for name in plain rslora pattern; do
    status=0
    "$dir/venv/bin/python" "$upstream/convert_lora_to_gguf.py" --base "$dir/base" --outfile "$dir/$name.gguf" "$dir/$name" \
        >"$dir/log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || tail -3 "$dir/log" >&2
    echo "$name peft $(sed -n "s/^$name //p" "$dir/peft") gguf $("$dir/venv/bin/python" "$dir/scales.py" "$dir/$name.gguf" "$dir/tensors")" \
        "exit $status, warnings $(grep -ciE 'warn|error' "$dir/log" || true)"
done
echo "$(sort -u "$dir/tensors" | wc -l) file of tensors")
echo "$seen"
[ "$seen" = "plain peft q 2 v 2 gguf q 2 v 2 exit 0, warnings 0
rslora peft q 8 v 8 gguf q 2 v 2 exit 0, warnings 0
pattern peft q 2 v 0.5 gguf q 2 v 2 exit 0, warnings 0
1 file of tensors" ] || { echo "changed: another result than the one described above"; exit 1; }
