"""Writes lora/NAME of each adapter below: the folder that PEFT saved, and PEFT's logits with it.

    make_peft_adapters.py [NAME ...]        # with torch, transformers 5, peft 0.21

The model is arch/llama (3 layers, 64 wide). The patterns overlap, so their order counts; it is alphabetical, for PEFT sorts
them when it saves. `whole` has norms, and one linear, that were trained as they are (modules_to_save); `parameters` names
weights rather than modules."""
import sys
from pathlib import Path

import peft
import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

GOLDEN = Path(__file__).parent
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def lora(**options):
    return peft.LoraConfig(**{"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM", "target_modules": ALL, **options})


ADAPTERS = {
    "patterns": lambda: lora(
        use_rslora=True, target_modules=[m for m in ALL if m != "gate_proj"],
        rank_pattern={r".*\.1\.self_attn\.q_proj": 2, r".*\.self_attn\.(q|k)_proj": 3, "up_proj": 2},
        alpha_pattern={r"^model.layers.2.*": 5, "k_proj": 2.5, "layers.1.self_attn.v_proj": 99, "self_attn.v_proj": 16}),
    "peft-dora": lambda: lora(r=3, use_dora=True, rank_pattern={"k_proj": 2}, modules_to_save=["input_layernorm", "model.norm"]),
    "peft-miss": lambda: peft.MissConfig(r=6, task_type="CAUSAL_LM", target_modules=ALL, init_weights=True),
    "peft-whole": lambda: lora(modules_to_save=["layernorm", "model.norm", "layers.1.mlp.down_proj", "layers.2.self_attn.k_proj"]),
    "peft-parameters": lambda: lora(target_modules=["v_proj"], target_parameters=["q_proj.weight", "layers.2.mlp.up_proj.weight"],
                                    rank_pattern={"q_proj.weight": 2, "up_proj": 3}),
}


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=ids.long()).logits[0, -1]


def write(name, config):
    torch.manual_seed(11)
    model = LlamaForCausalLM.from_pretrained(GOLDEN / "arch" / "llama", dtype=torch.float32)
    ids = torch.randint(0, model.config.vocab_size, (1, 24), dtype=torch.int32)
    base = logits_of(model, ids)
    adapted = peft.get_peft_model(model, config)
    for parameter_name, parameter in adapted.named_parameters():
        if "magnitude" in parameter_name or "modules_to_save" in parameter_name:
            parameter.data *= 1 + 0.2 * torch.randn(parameter.shape)
        elif "lora_" in parameter_name or "miss_" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.15)
    logits = logits_of(adapted.eval(), ids)
    out = GOLDEN / "lora" / name
    adapted.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)
    text = (out / "adapter_config.json").read_text()
    (out / "adapter_config.json").write_text(text.replace(str(GOLDEN / "arch" / "llama"), "arch/llama"))
    save_file({"ids": ids[0], "logits": logits.contiguous(), "base_logits": base.contiguous()}, out / "logits.safetensors")
    for file in out.iterdir():
        file.chmod(0o644)
    print(f"{name}, peft {peft.__version__}: logits moved by {(logits - base).abs().max():.3f}")


def main():
    torch.set_num_threads(1)
    for name, config in ADAPTERS.items():
        if name in (sys.argv[1:] or ADAPTERS):
            write(name, config())


if __name__ == "__main__":
    main()
