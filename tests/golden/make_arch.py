"""Tiny random models of each architecture, as transformers computes them: arch/NAME.

Made with torch 2.15.0 (CPU), transformers 5.23.0, peft 0.21.2:  python make_arch.py [NAME ...]
A folder holds config.json and model.safetensors, whose parameters are all away from 0 and 1; expected.safetensors: 40
token ids, their logits and mean loss; lora.safetensors: a LoRA on every linear, the gradients of its matrices at these
tokens, and the loss. Models that are there already are read, not made again.
"""
import pathlib
import sys

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent / "arch"
BASE = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=160, max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0,
            attention_dropout=0.0)
NEW = {  # name: configuration's class, and its fields beyond BASE
    "phi3_longrope": ("Phi3Config", dict(
        tie_word_embeddings=False, sliding_window=12, original_max_position_embeddings=32, num_hidden_layers=2,
        rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.75,
                             short_factor=[1.0 + 0.1 * i for i in range(6)],
                             long_factor=[1.5 + 0.5 * i for i in range(6)]))),
    "qwen2_yarn": ("Qwen2Config", dict(
        tie_word_embeddings=False, num_hidden_layers=2, use_sliding_window=True, sliding_window=8, max_window_layers=1,
        rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0,
                             original_max_position_embeddings=32))),
    "smollm3": ("SmolLM3Config", dict(num_hidden_layers=5, tie_word_embeddings=True, use_sliding_window=False)),
    "granite": ("GraniteConfig", dict(tie_word_embeddings=True, embedding_multiplier=12.0, residual_multiplier=0.22,
                                      attention_multiplier=0.0625, logits_scaling=8.0)),
    "olmo2": ("Olmo2Config", dict(tie_word_embeddings=False)),
    "glm4": ("Glm4Config", dict(head_dim=16, attention_bias=True, tie_word_embeddings=False)),
    "ministral3": ("Ministral3Config", dict(
        head_dim=32, tie_word_embeddings=False, num_hidden_layers=2, sliding_window=None,
        rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, beta_fast=32.0, beta_slow=1.0,
                             mscale=1.0, mscale_all_dim=1.0, original_max_position_embeddings=16,
                             llama_4_scaling_beta=0.1))),
}
TOKENS = torch.randint(3, 160, (1, 40), generator=torch.Generator().manual_seed(4))


def build(name):
    cls, extra = NEW[name]
    config = getattr(transformers, cls)(**{**BASE, **extra})
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1:
                p.add_(torch.randn_like(p) * 0.1)
            else:
                p.copy_(torch.randn_like(p) * 0.08)
    return model


def save(path, tensors, **metadata):
    clean = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    save_file(clean, path, metadata={k: str(v) for k, v in metadata.items()})


def make_model(name):
    model, folder = build(name), HERE / name
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "generation_config.json").unlink(missing_ok=True)
    with torch.no_grad():
        o = model(input_ids=TOKENS, labels=TOKENS)
    save(folder / "expected.safetensors", {"input_ids": TOKENS[0].to(torch.int32), "logits": o.logits[0]},
         loss=f"{o.loss.item():.9f}", note="mean next-token cross-entropy over 39 predictions, f32, eager attention")


def make_lora(name):
    model = transformers.AutoModelForCausalLM.from_pretrained(HERE / name, dtype=torch.float32,
                                                              attn_implementation="eager")
    linears = {n.split(".")[-1] for n, m in model.model.layers.named_modules() if isinstance(m, torch.nn.Linear)}
    model = get_peft_model(model, LoraConfig(r=2, lora_alpha=4, target_modules=sorted(linears), lora_dropout=0.0))
    generator, out = torch.Generator().manual_seed(5), {}
    train = {n.replace("base_model.model.", "").replace(".default", ""): p
             for n, p in sorted(model.named_parameters()) if p.requires_grad}
    with torch.no_grad():
        for n, p in train.items():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.05)
            out["init." + n] = p.data.clone()
    tokens = load_file(HERE / name / "expected.safetensors")["input_ids"].long()[None]
    loss = model(input_ids=tokens, labels=tokens).loss
    loss.backward()
    out |= {"grad." + n: p.grad for n, p in train.items()}
    save(HERE / name / "lora.safetensors", out, r=2, alpha=4, loss=f"{loss.item():.9f}")


if __name__ == "__main__":
    names = sys.argv[1:] or sorted({p.name for p in HERE.iterdir()} | NEW.keys())
    for name in names:
        if not (HERE / name / "model.safetensors").exists():
            make_model(name)
        make_lora(name)
