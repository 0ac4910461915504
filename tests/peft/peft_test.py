"""PEFT and we open each other's adapters and compute the same logits, within 1e-4, over a small random Llama.

    peft_test.py LIBQL-MODELS [SEED]        # with requirements.txt; tools/test.sh --long runs it"""
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import peft
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from library import Library

LIMIT = 1e-4
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CONFIGS = {
    "plain": dict(r=4, lora_alpha=8, target_modules=ALL),
    "odd scale": dict(r=7, lora_alpha=3.3, target_modules=["q_proj", "down_proj"]),
    "rslora": dict(r=8, lora_alpha=16, use_rslora=True, target_modules=ALL),
    "patterns": dict(r=4, lora_alpha=8, target_modules=ALL, rank_pattern={"q_proj": 2, "layers.1.mlp.up_proj": 6},
                     alpha_pattern={"^model.layers.0.*_proj": 5, "v_proj": 16}),
    "rslora, patterns": dict(r=6, lora_alpha=9, use_rslora=True, target_modules=ALL,
                             rank_pattern={r".*\.(k|v)_proj": 3, "up_proj": 2}, alpha_pattern={r"layers\.[12].*o_proj": 1.5}),
    "some layers": dict(r=3, lora_alpha=6, target_modules=r"model\.layers\.[02]\.(self_attn\.[qo]|mlp\.up)_proj"),
}


def small_llama():
    config = LlamaConfig(vocab_size=128, hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=6,
                         num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=True, dtype="float32")
    model = LlamaForCausalLM(config).eval()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.1)
    return model


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0, -1].numpy()


def adapted(base, options):
    model = peft.get_peft_model(LlamaForCausalLM.from_pretrained(base, dtype=torch.float32),
                                peft.LoraConfig(task_type="CAUSAL_LM", **options)).eval()
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    return model


def check(name, apart):
    print(f"{name}: {apart:.2e}", flush=True)
    if not apart <= LIMIT:
        sys.exit(f"FAILED: {name}: logits differ by {apart:.2e}, more than {LIMIT}")


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    warnings.simplefilter("error", UserWarning)  # PEFT warns of tensors that are missing or left over
    ours = Library(sys.argv[1])
    folder = Path(tempfile.mkdtemp())
    base = folder / "base"
    plain = small_llama()
    plain.save_pretrained(base)
    model, ids = ours.model(base), torch.randint(0, 128, (20,)).tolist()
    for name, options in CONFIGS.items():
        theirs = adapted(base, options)
        want = logits_of(theirs, ids)
        if abs(want - logits_of(plain, ids)).max() < 0.1:
            sys.exit(f"FAILED: {name}: the adapter changes next to nothing")
        saved, again = folder / (name + " peft"), folder / (name + " ours")
        theirs.save_pretrained(saved)
        adapter = ours.adapter(saved, model)
        if ours.notes(adapter):
            sys.exit(f"FAILED: {name}: {ours.notes(adapter)}")
        check(f"{name}, PEFT's in ours", abs(ours.logits(model, adapter, ids, 128) - want).max())
        ours.save(adapter, folder / "a.gguf")
        ours.save_peft(ours.adapter(folder / "a.gguf", model), again)
        loaded = peft.PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base, dtype=torch.float32), again).eval()
        check(f"{name}, ours in PEFT", abs(logits_of(loaded, ids) - want).max())
        ours.save(ours.adapter(again, model), folder / "b.gguf")
        if (folder / "a.gguf").read_bytes() != (folder / "b.gguf").read_bytes():
            sys.exit(f"FAILED: {name}: GGUF to PEFT and back is another file")
    shutil.rmtree(folder)
    print(f"{len(CONFIGS)} adapters, PEFT {peft.__version__}, seed {seed}: equal within {LIMIT}")


if __name__ == "__main__":
    main()
