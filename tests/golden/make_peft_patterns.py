"""Writes lora/patterns: an adapter that PEFT saved with rank_pattern, alpha_pattern and use_rslora, and PEFT's logits.

    make_peft_patterns.py        # with torch, transformers 5, peft 0.21

The model is arch/llama (3 layers, 64 wide). The patterns overlap, so their order counts; it is
alphabetical, for PEFT sorts them when it saves."""
from pathlib import Path

import peft
import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

GOLDEN = Path(__file__).parent
OUT = GOLDEN / "lora" / "patterns"


def main():
    torch.manual_seed(11)
    torch.set_num_threads(1)
    model = LlamaForCausalLM.from_pretrained(GOLDEN / "arch" / "llama", dtype=torch.float32)
    ids = torch.randint(0, model.config.vocab_size, (1, 24), dtype=torch.int32)
    with torch.no_grad():
        base = model(input_ids=ids.long()).logits[0, -1]
    config = peft.LoraConfig(
        r=4, lora_alpha=8, use_rslora=True, task_type="CAUSAL_LM",
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"],
        rank_pattern={r".*\.1\.self_attn\.q_proj": 2, r".*\.self_attn\.(q|k)_proj": 3, "up_proj": 2},
        alpha_pattern={r"^model.layers.2.*": 5, "k_proj": 2.5, "layers.1.self_attn.v_proj": 99, "self_attn.v_proj": 16})
    adapted = peft.get_peft_model(model, config)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.15)
    adapted.eval()
    with torch.no_grad():
        logits = adapted(input_ids=ids.long()).logits[0, -1]
    adapted.save_pretrained(OUT)
    (OUT / "README.md").unlink(missing_ok=True)
    text = (OUT / "adapter_config.json").read_text()
    (OUT / "adapter_config.json").write_text(text.replace(str(GOLDEN / "arch" / "llama"), "arch/llama"))
    save_file({"ids": ids[0], "logits": logits.contiguous(), "base_logits": base.contiguous()}, OUT / "logits.safetensors")
    for file in OUT.iterdir():
        file.chmod(0o644)
    print(f"peft {peft.__version__}: logits moved by {(logits - base).abs().max():.3f}")


if __name__ == "__main__":
    main()
