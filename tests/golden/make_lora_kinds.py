"""Ten steps of PEFT's kinds of adapters on a model of tests/golden: lora/KIND.safetensors.

Made with torch 2.15.0 (CPU), transformers 5.24.0, peft 0.21.2:  python make_lora_kinds.py [FOLDER]
The files hold what those of shared/golden/lora hold: token ids, the adapter at the start, its gradient at the first batch,
the losses of ten AdamW steps of two micro-batches each, and the adapter after them. Of kinds with rows of tokens and of activated LoRA it is also
saved as PEFT does: lora/KIND/.
"""
import pathlib
import sys

import torch
from peft import LoraConfig, MissConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LR, CLIP = 5e-3, 0.3
INVOCATION = [7, 8]
TOKENS = [151, 12, 90, 45]  # of the first batch, but for 90
KINDS = {  # the model, and what is trained. 6 divides no side of the model: the last tile is short
    "miss": ("arch/llama", MissConfig(r=6, target_modules=TARGETS, init_weights=True)),
    "tokens": ("arch/llama", LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, trainable_token_indices=TOKENS)),
    "alora": ("arch/llama", LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, task_type="CAUSAL_LM",
                                       alora_invocation_tokens=INVOCATION)),
    "tokens_untied": ("arch/llama3_rope",
                      LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS,
                                 trainable_token_indices={"embed_tokens": TOKENS, "lm_head": [90, 45]})),
}


def adapted(base, config):
    model = AutoModelForCausalLM.from_pretrained(HERE / base, dtype=torch.float32)
    model = get_peft_model(model, config)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for _, p in sorted((n, p) for n, p in model.named_parameters() if p.requires_grad):
            p.copy_(torch.randn(p.shape, generator=generator) * 0.05)
    return model


def trained(model):
    return {n.replace("base_model.model.", "").replace(".default", ""): p
            for n, p in model.named_parameters() if p.requires_grad}


def train(kind, base, config, folder):
    generator = torch.Generator().manual_seed(6)
    batches = [torch.randint(3, 160, (1, 32), generator=generator) for _ in range(20)]
    if getattr(config, "alora_invocation_tokens", None):  # none in the fourth, two in the fifth
        for i, b in enumerate(batches):
            if i != 3:
                at = (3 * i + 11) % 29
                b[0, at:at + 2] = torch.tensor(INVOCATION)
        batches[4][0, 3:5] = torch.tensor(INVOCATION)
    model = adapted(base, config)
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
    save_file(out, folder / f"{kind}.safetensors", {"base": base, "r": str(config.r), "loss0": f"{first.item():.9f}"})
    if getattr(config, "trainable_token_indices", None) or getattr(config, "alora_invocation_tokens", None):
        model.save_pretrained(folder / kind)
        (folder / kind / "README.md").unlink()  # a template
        settings = folder / kind / "adapter_config.json"
        settings.write_text(settings.read_text().replace(str(HERE / base), base))


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "lora"
    for kind, (base, config) in KINDS.items():
        train(kind, base, config, folder)
