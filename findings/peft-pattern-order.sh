#!/usr/bin/env bash
# peft 0.21.2: an adapter with overlapping rank patterns is saved so that it cannot be loaded again.
#
# Expected   What save_pretrained writes, from_pretrained reads: rank_pattern is a dict, the first pattern that matches a
#            module's name gives its rank, and a dict keeps its order.
# Behaviour  save_pretrained sorts the patterns by name. With "q_proj" before r"layers\.0\.self_attn\.q_proj" training
#            gives layer 0 the rank of the first, 8; the saved file has the other one first, so loading makes layer 0 of
#            rank 2, and the saved tensors of rank 8 do not fit. With alpha_pattern nothing fails: the scale is another.
# Seen       trained: rank 8, scale 4.0; saved order: layers\.0\.self_attn\.q_proj, q_proj
#            rank_pattern: loading fails: size mismatch
#            alpha_pattern: loaded, scale 1.0
# Meaning    Give the narrower pattern first only where it also sorts first, or patterns that do not overlap.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check torch==2.15.0 transformers==5.23.0 peft==0.21.2
cat >"$dir/order.py" <<'PY'
import json
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

FIRST, SECOND = "q_proj", r"layers\.0\.self_attn\.q_proj"


def base():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                        num_attention_heads=2, num_key_value_heads=2))


def layer_0(model):
    return model.base_model.model.model.layers[0].self_attn.q_proj


for kind, patterns in (("rank_pattern", {FIRST: 8, SECOND: 2}), ("alpha_pattern", {FIRST: 16, SECOND: 4})):
    folder = f"{sys.argv[1]}/{kind}"
    settings = {"rank_pattern": {}, "alpha_pattern": {}} | {kind: patterns}
    model = get_peft_model(base(), LoraConfig(r=4, lora_alpha=32 if kind == "rank_pattern" else 1,
                                              target_modules=["q_proj"], **settings))
    model.save_pretrained(folder)
    with open(f"{folder}/adapter_config.json") as file:
        order = list(json.load(file)[kind])
    if kind == "rank_pattern":
        print(f"trained: rank {layer_0(model).r['default']}, scale {layer_0(model).scaling['default']}; "
              f"saved order: {', '.join(order)}")
    try:
        loaded = PeftModel.from_pretrained(base(), folder)
        print(f"{kind}: loaded, scale {layer_0(loaded).scaling['default']}")
    except RuntimeError as e:
        print(f"{kind}: loading fails: {'size mismatch' if 'size mismatch' in str(e) else e}")
PY
seen=$("$dir/venv/bin/python" "$dir/order.py" "$dir" 2>/dev/null)
echo "$seen"
[ "$seen" = 'trained: rank 8, scale 4.0; saved order: layers\.0\.self_attn\.q_proj, q_proj
rank_pattern: loading fails: size mismatch
alpha_pattern: loaded, scale 1.0' ] || { echo "changed: another result than the one described above"; exit 1; }
