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
NORMS = ["input_layernorm", "post_attention_layernorm", "model.norm"]
CONFIGS = {
    "plain": dict(r=4, lora_alpha=8, target_modules=ALL),
    "odd scale": dict(r=7, lora_alpha=3.3, target_modules=["q_proj", "down_proj"]),
    "rslora": dict(r=8, lora_alpha=16, use_rslora=True, target_modules=ALL),
    "patterns": dict(r=4, lora_alpha=8, target_modules=ALL, rank_pattern={"q_proj": 2, "layers.1.mlp.up_proj": 6},
                     alpha_pattern={"^model.layers.0.*_proj": 5, "v_proj": 16}),
    "rslora, patterns": dict(r=6, lora_alpha=9, use_rslora=True, target_modules=ALL,
                             rank_pattern={r".*\.(k|v)_proj": 3, "up_proj": 2}, alpha_pattern={r"layers\.[12].*o_proj": 1.5}),
    "dora": dict(r=4, lora_alpha=8, use_dora=True, target_modules=ALL),
    "dora, patterns, norms": dict(r=3, lora_alpha=5, use_dora=True, use_rslora=True, target_modules=["q_proj", "k_proj", "up_proj"],
                                  rank_pattern={"k_proj": 5}, modules_to_save=NORMS),
    "miss": dict(method=peft.MissConfig, r=5, target_modules=ALL, init_weights=True),
    "miss, norms": dict(method=peft.MissConfig, r=7, target_modules=["k_proj", "down_proj"], init_weights=False,
                        modules_to_save=NORMS[:1]),
    "norms": dict(r=4, lora_alpha=8, target_modules=ALL, modules_to_save=NORMS),
    "whole linears": dict(r=4, lora_alpha=8, target_modules=ALL, modules_to_save=["1.mlp.down_proj", "0.self_attn.k_proj"]),
    "parameters": dict(r=4, lora_alpha=8, target_modules=["v_proj"], target_parameters=["q_proj.weight", "1.mlp.up_proj.weight"],
                       rank_pattern={"q_proj.weight": 2}),
    "excluded": dict(r=4, lora_alpha=8, target_modules=ALL, exclude_modules=["o_proj", "1.mlp.up_proj"], layers_to_transform=[0, 2]),
    "some layers": dict(r=3, lora_alpha=6, target_modules=r"model\.layers\.[02]\.(self_attn\.[qo]|mlp\.up)_proj"),
}


# Over a base with a head of its own.
UNTIED = {
    "head": dict(r=4, lora_alpha=8, target_modules=["q_proj", "lm_head"]),
    "whole head": dict(r=4, lora_alpha=8, target_modules=ALL, modules_to_save=["lm_head"]),
}


def small_llama(tied):
    config = LlamaConfig(vocab_size=128, hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=6,
                         num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=tied, dtype="float32")
    model = LlamaForCausalLM(config).eval()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.1)
    return model


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0, -1].numpy()


def adapted(base, method=peft.LoraConfig, **options):
    model = peft.get_peft_model(LlamaForCausalLM.from_pretrained(base, dtype=torch.float32),
                                method(task_type="CAUSAL_LM", **options)).eval()
    for name, parameter in model.named_parameters():
        if "magnitude" in name or "modules_to_save" in name:
            parameter.data *= 1 + 0.2 * torch.randn(parameter.shape)
        elif "lora_" in name or "miss_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    return model


def check(name, apart):
    print(f"{name}: {apart:.2e}", flush=True)
    if not apart <= LIMIT:
        sys.exit(f"FAILED: {name}: logits differ by {apart:.2e}, more than {LIMIT}")


def try_all(ours, folder, tied, configs):
    base = folder / f"base tied {tied}"
    plain = small_llama(tied)
    plain.save_pretrained(base)
    model, ids = ours.model(base), torch.randint(0, 128, (20,)).tolist()
    for name, options in configs.items():
        theirs = adapted(base, **options)
        want = logits_of(theirs, ids)
        if abs(want - logits_of(plain, ids)).max() < 0.1:
            sys.exit(f"FAILED: {name}: the adapter changes next to nothing")
        saved, again = folder / (name + " peft"), folder / (name + " ours")
        theirs.save_pretrained(saved)
        adapter = ours.adapter(saved, model)
        notes = [note for note in ours.notes(adapter) if "was trained whole" not in note and "of which there are no" not in note]
        if notes:
            sys.exit(f"FAILED: {name}: {notes}")
        check(f"{name}, PEFT's in ours", abs(ours.logits(model, adapter, ids, 128) - want).max())
        ours.save(adapter, folder / "a.gguf")
        ours.save_peft(ours.adapter(folder / "a.gguf", model), again)
        loaded = peft.PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base, dtype=torch.float32), again).eval()
        check(f"{name}, ours in PEFT", abs(logits_of(loaded, ids) - want).max())
        ours.save(ours.adapter(again, model), folder / "b.gguf")
        if (folder / "a.gguf").read_bytes() != (folder / "b.gguf").read_bytes():
            sys.exit(f"FAILED: {name}: GGUF to PEFT and back is another file")


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    warnings.simplefilter("error", UserWarning)  # PEFT warns of tensors that are missing or left over
    for what in ("Setting `save_embedding_layers`", "target_parameters"):  # and of what it does about the head
        warnings.filterwarnings("ignore", what)
    ours = Library(sys.argv[1])
    folder = Path(tempfile.mkdtemp())
    try_all(ours, folder, True, CONFIGS)
    try_all(ours, folder, False, UNTIED)
    shutil.rmtree(folder)
    print(f"{len(CONFIGS | UNTIED)} adapters, PEFT {peft.__version__}, seed {seed}: equal within {LIMIT}")


if __name__ == "__main__":
    main()
