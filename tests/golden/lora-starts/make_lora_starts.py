#!/usr/bin/env python3
"""Ten steps of LoRA from other starts, and with ranks and alphas by pattern, as PEFT 0.21 computes them on a CPU.

    make_lora_starts.py            writes pissa, loftq, eva and patterns.safetensors beside itself

Model: ../arch/llama; token ids: those of ../lora/f32.safetensors; steps as there: two micro-batches of one sequence each,
AdamW with lr 5e-3, clip 0.3. r is 4, alpha 8. Each file holds the losses; `start.*` and `final.*` are scaling * B A of
some modules, which no choice of signs or of a basis changes.

loftq   PEFT needs bitsandbytes for its own (_loftq_init_new): here its formula, the singular vectors of W - deq(Q(W)),
        over the base that bitsandbytes dequantised (base.* of ../lora/nf4_dq.safetensors), with alpha in the scale
eva     PEFT's initialize_lora_eva_weights over the first two sequences, with exact decompositions (it takes approximate
        ones from torch.svd_lowrank otherwise); `a.*` are the rows of A
patterns  `init.*`: A and B at the start
"""
import functools
import os

import peft.tuners.lora.eva as eva
import torch
import transformers
from peft import EvaConfig, LoraConfig, get_peft_model, initialize_lora_eva_weights
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHOWN = ["layers.0.self_attn.q_proj", "layers.1.self_attn.v_proj", "layers.2.mlp.gate_proj", "layers.2.mlp.down_proj"]
IDS = load_file(os.path.join(HERE, "../lora/f32.safetensors"))
BATCHES = [IDS[f"ids{i}"].long()[None] for i in range(20)]


def base():
    path = os.path.join(HERE, "../arch/llama")
    return transformers.AutoModelForCausalLM.from_pretrained(path, attn_implementation="eager", dtype=torch.float32).eval()


def config(**kw):
    return LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, lora_dropout=0.0, **kw)


def linears(m):
    for name, module in m.named_modules():
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            yield name.replace("base_model.model.model.", ""), module


def products(m, prefix):
    return {f"{prefix}.{name}": (x.lora_B["default"].weight @ x.lora_A["default"].weight * x.scaling["default"]).detach().clone()
            for name, x in linears(m) if any(name.endswith(s) for s in SHOWN)}


def ten_steps(m, tag, out):
    params = [p for p in m.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=5e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    out |= products(m, "start")
    losses = []
    for step in range(10):
        total = 0.0
        for b in BATCHES[2 * step:2 * step + 2]:
            loss = m(input_ids=b, labels=b).loss / 2
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(params, 0.3)
        opt.step()
        opt.zero_grad()
        losses.append(total)
    out |= products(m, "final")
    out["losses"] = torch.tensor(losses)
    save_file({k: v.contiguous() for k, v in sorted(out.items())}, os.path.join(HERE, f"{tag}.safetensors"))
    print(tag, " ".join(f"{x:.4f}" for x in losses))


def pissa():
    ten_steps(get_peft_model(base(), config(init_lora_weights="pissa")), "pissa", {})


def loftq():
    m = base()
    kept = load_file(os.path.join(HERE, "../lora/nf4_dq.safetensors"))
    lost = {}
    with torch.no_grad():
        for name, p in m.named_parameters():
            if any(t in name for t in TARGETS):
                q = kept["base." + name]
                lost[name.removeprefix("model.").removesuffix(".weight")] = (p - q).double()
                p.copy_(q)
    m = get_peft_model(m, config())
    with torch.no_grad():
        for name, x in linears(m):
            u, s, v = torch.linalg.svd(lost[name], full_matrices=False)
            root = torch.sqrt(s[:4] / x.scaling["default"])
            x.lora_A["default"].weight.copy_(root[:, None] * v[:4])
            x.lora_B["default"].weight.copy_(u[:, :4] * root)
    ten_steps(m, "loftq", {})


def eva_start():
    eva.IncrementalPCA = functools.partial(_exact, eva.IncrementalPCA)
    m = get_peft_model(base(), config(init_lora_weights="eva", eva_config=EvaConfig(rho=1.0)))
    both = torch.cat(BATCHES[:2])
    initialize_lora_eva_weights(m, [dict(input_ids=both, attention_mask=torch.ones_like(both))])
    ten_steps(m, "eva", {"a." + n: x.lora_A["default"].weight.detach().clone() for n, x in linears(m)})


def _exact(pca, **kw):
    return pca(**(kw | dict(lowrank=False)))


def patterns():
    m = get_peft_model(base(), config(rank_pattern={"q_proj": 8, r"layers\.0\.mlp\.down_proj": 2},
                                      alpha_pattern={"v_proj": 2, r"layers\.2\..*": 20}))
    g = torch.Generator().manual_seed(5)
    out = {}
    with torch.no_grad():
        for name, x in linears(m):
            for part in ("lora_A", "lora_B"):
                w = getattr(x, part)["default"].weight
                w.copy_(torch.randn(w.shape, generator=g) * 0.05)
                out[f"init.{name}.{part}"] = w.detach().clone()
            out[f"scale.{name}"] = torch.tensor([x.scaling["default"]])
    ten_steps(m, "patterns", out)


if __name__ == "__main__":
    torch.set_num_threads(1)
    pissa()
    loftq()
    eva_start()
    patterns()
