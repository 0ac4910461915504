#!/usr/bin/env bash
# peft 0.21.2: an rsLoRA adapter composed with weight 1.0 comes out sqrt(r) times as strong.
#
# Expected   add_weighted_adapter(["a"], [1.0], ...) gives adapter "a" again, by cat, linear or svd, as it does for LoRA.
# Behaviour  The composed adapter's A and B already hold the scale of "a", and its alpha is set to its rank so that its
#            own scale is alpha / r = 1. The flag use_rslora is copied, too; so its scale is alpha / sqrt(r) = sqrt(r).
#            No error, no warning. With rank 16 the composed adapter changes the model four times as much.
# Seen       lora   cat 1.00  linear 1.00  svd 1.00
#            rslora cat 4.00  linear 4.00  svd 4.00
# Meaning    Adapters made by composing rsLoRA in PEFT are too strong; set use_rslora to false in the composed one.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check torch==2.15.0 transformers==5.23.0 peft==0.21.2
cat >"$dir/compose.py" <<'PY'
import torch
from peft import LoraConfig, get_peft_model


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(32, 24, bias=False)

    def forward(self, x):
        return self.linear(x)


def strengths(use_rslora):
    torch.manual_seed(0)
    config = LoraConfig(r=16, lora_alpha=32, target_modules=["linear"], use_rslora=use_rslora, init_lora_weights=False)
    net, x = get_peft_model(Net(), config), torch.randn(5, 32)
    with net.disable_adapter():
        base = net(x)
    change = (net(x) - base).norm()
    for kind in ("cat", "linear", "svd"):
        net.add_weighted_adapter(["default"], [1.0], kind, combination_type=kind)
        net.set_adapter(kind)
        yield f"{kind} {((net(x) - base).norm() / change).item():.2f}"
        net.set_adapter("default")


for name in ("lora", "rslora"):
    print(name, *strengths(name == "rslora"))
PY
seen=$("$dir/venv/bin/python" "$dir/compose.py" 2>/dev/null)
echo "$seen"
[ "$seen" = "lora cat 1.00 linear 1.00 svd 1.00
rslora cat 4.00 linear 4.00 svd 4.00" ] || { echo "changed: another result than the one described above"; exit 1; }
