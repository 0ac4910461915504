#!/usr/bin/env bash
# transformers 5.24.0 with peft 0.21.2: load_adapter() leaves out what makes a DoRA and an activated LoRA.
#
# Expected   model.load_adapter(folder) of transformers, and AutoModelForCausalLM.from_pretrained(folder) of an adapter's folder,
#            give the logits that PeftModel.from_pretrained(model, folder) gives, as they do for plain LoRA.
# Behaviour  DoRA: the magnitudes in the file have names without the ".weight" that their modules ask for, so they are not loaded;
#            a table that is logged calls them unexpected and, with ".weight", missing. They stay the norms of the base.
#            aLoRA: where it begins is worked out by PeftModel, which is not there; no error, no warning, and the logits are those of
#            the base, bit for bit: the adapter does nothing.
# Seen       lora  PeftModel same, load_adapter same, from_pretrained same
#            dora  PeftModel same, load_adapter other, from_pretrained other
#            alora PeftModel same, load_adapter as the base, from_pretrained as the base
# Meaning    Judge a DoRA or an aLoRA by PeftModel alone; a pipeline given the adapter's folder answers with another model.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check torch==2.15.0 transformers==5.24.0 peft==0.21.2
cat >"$dir/load.py" <<'PY'
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

folder, ids = sys.argv[1], torch.arange(1, 10)[None]
torch.manual_seed(0)
shape = LlamaConfig(vocab_size=128, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2)
LlamaForCausalLM(shape).save_pretrained(folder + "/base")


def base():
    return LlamaForCausalLM.from_pretrained(folder + "/base")


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits


for kind, options in (("lora", {}), ("dora", {"use_dora": True}), ("alora", {"alora_invocation_tokens": [4, 5]})):
    model = get_peft_model(base(), LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"],
                                              task_type="CAUSAL_LM", **options))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.2 * torch.randn_like(parameter)
    trained, path = logits(model), f"{folder}/{kind}"
    model.save_pretrained(path)

    def judged(other):
        if torch.allclose(other, trained, atol=1e-5):
            return "same"
        return "as the base" if torch.equal(other, logits(base())) else "other"

    native = base()
    native.load_adapter(path)
    print(kind, "PeftModel", judged(logits(PeftModel.from_pretrained(base(), path))) + ", load_adapter",
          judged(logits(native)) + ", from_pretrained", judged(logits(AutoModelForCausalLM.from_pretrained(path))))
PY
seen=$(HF_HUB_OFFLINE=1 "$dir/venv/bin/python" "$dir/load.py" "$dir" 2>/dev/null)
echo "$seen"
[ "$seen" = "lora PeftModel same, load_adapter same, from_pretrained same
dora PeftModel same, load_adapter other, from_pretrained other
alora PeftModel same, load_adapter as the base, from_pretrained as the base" ] ||
    { echo "changed: another result than the one described above"; exit 1; }
