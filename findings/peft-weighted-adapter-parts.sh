#!/usr/bin/env bash
# peft 0.21.2: a composed adapter lacks the magnitudes of a DoRA, trained token rows and whole trained modules, without a word.
#
# Expected   add_weighted_adapter(["a"], [1.0], "b", combination_type="cat") gives adapter "a" again, as it does for plain LoRA; or
#            an adapter with parts that it cannot compose is refused, as one with target_parameters is.
# Behaviour  Only A and B are composed. DoRA's magnitudes are the base's norms again, rows of trainable_token_indices and modules of
#            modules_to_save are the base's. No error, no warning.
# Seen       plain LoRA                same
#            use_dora                  other
#            trainable_token_indices   other
#            modules_to_save           other
# Meaning    What PEFT composes of such adapters is another model; merge each into the weights and compose those.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check torch==2.15.0 transformers==5.24.0 peft==0.21.2
cat >"$dir/weighted.py" <<'PY'
import warnings

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

ids = torch.arange(1, 10)[None]
shape = LlamaConfig(vocab_size=128, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2)
for name, options in (("plain LoRA", {}), ("use_dora", {"use_dora": True}), ("trainable_token_indices", {"trainable_token_indices": [5, 9]}),
                      ("modules_to_save", {"modules_to_save": ["norm"]})):
    torch.manual_seed(0)
    model = get_peft_model(LlamaForCausalLM(shape), LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"],
                                                               task_type="CAUSAL_LM", **options)).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.2 * torch.randn_like(parameter)
    with torch.no_grad(), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        trained = model(input_ids=ids).logits
        model.add_weighted_adapter(["default"], [1.0], "composed", combination_type="cat")
        model.set_adapter("composed")
        same = torch.allclose(model(input_ids=ids).logits, trained, atol=1e-5)
    said = [w for w in heard if "adapter" in str(w.message).lower()]
    print(f"{name:<25} {'same' if same else 'other'}{', with a warning' if said else ''}")
PY
seen=$("$dir/venv/bin/python" "$dir/weighted.py" 2>/dev/null)
echo "$seen"
[ "$seen" = "plain LoRA                same
use_dora                  other
trainable_token_indices   other
modules_to_save           other" ] || { echo "changed: another result than the one described above"; exit 1; }
