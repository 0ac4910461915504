"""Ten steps of PEFT's kinds of adapters on tests/golden/arch/llama: lora/KIND.safetensors.

Made with torch 2.15.0 (CPU), transformers 5.24.0, peft 0.21.2:  python make_lora_kinds.py [FOLDER]
The files hold what those of shared/golden/lora hold: token ids, the adapter at the start, its gradient at the first batch,
the losses of ten AdamW steps of two micro-batches each, and the adapter after them.
"""
import pathlib
import sys

import torch
from peft import MissConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LR, CLIP = 5e-3, 0.3
KINDS = {  # 6 divides no side of the model: the last tile is short
    "miss": MissConfig(r=6, target_modules=TARGETS, init_weights=True),
}


def adapted(config):
    model = AutoModelForCausalLM.from_pretrained(HERE / "arch/llama", dtype=torch.float32)
    model = get_peft_model(model, config)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for _, p in sorted((n, p) for n, p in model.named_parameters() if p.requires_grad):
            p.copy_(torch.randn(p.shape, generator=generator) * 0.05)
    return model


def trained(model):
    return {n.replace("base_model.model.", "").replace(".default", ""): p
            for n, p in model.named_parameters() if p.requires_grad}


def train(kind, config, folder):
    generator = torch.Generator().manual_seed(6)
    batches = [torch.randint(3, 160, (1, 32), generator=generator) for _ in range(20)]
    model = adapted(config)
    parameters = trained(model)
    out = {f"ids{i}": b[0].to(torch.int32) for i, b in enumerate(batches)}
    out |= {"init." + n: p.data.clone() for n, p in parameters.items()}
    first = model(input_ids=batches[0], labels=batches[0]).loss
    first.backward()
    out |= {"grad." + n: p.grad.clone() for n, p in parameters.items()}
    model.zero_grad()
    optimizer = torch.optim.AdamW(parameters.values(), lr=LR, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    losses = []
    for step in range(10):
        total = 0.0
        for b in batches[2 * step:2 * step + 2]:
            loss = model(input_ids=b, labels=b).loss / 2
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(parameters.values(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total)
    out["losses"] = torch.tensor(losses)
    out |= {"final." + n: p.data.clone() for n, p in parameters.items()}
    save_file(out, folder / f"{kind}.safetensors", {"base": "arch/llama", "r": str(config.r), "loss0": f"{first.item():.9f}"})


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "lora"
    for kind, config in KINDS.items():
        train(kind, config, folder)
