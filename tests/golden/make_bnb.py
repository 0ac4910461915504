"""Tiny models of golden/arch as transformers and bitsandbytes save them quantised: bnb/KIND.

Made with torch 2.15.0 (CPU), transformers 5.23.0, bitsandbytes 0.50.2:  python make_bnb.py [KIND ...]
A folder holds config.json and model.safetensors as save_pretrained writes them, and expected.safetensors: the token ids of the
model that was quantised, and the logits that PyTorch computes of them in f32 with the weights that bitsandbytes dequantises.
"""
import copy
import pathlib
import sys

import bitsandbytes.functional as F
import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
FOUR = dict(load_in_4bit=True, bnb_4bit_compute_dtype=torch.float32)
KINDS = {  # the model, and how it is quantised; granite has rows that are no whole blocks
    "nf4": ("granite", dict(FOUR, bnb_4bit_quant_type="nf4")),
    "nf4_dq": ("llama", dict(FOUR, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)),
    "fp4_dq": ("llama", dict(FOUR, bnb_4bit_quant_type="fp4", bnb_4bit_use_double_quant=True)),
    "int8": ("llama", dict(load_in_8bit=True)),
}


def dequantised(linear):
    if hasattr(linear.weight, "quant_state"):
        state, codes = linear.weight.quant_state, linear.weight.data.flatten()
        if state.shape[1] % state.blocksize == 0:
            return F.dequantize_4bit(linear.weight.data, state)
        # Of rows that are no whole blocks, 0.50.2 on a CPU makes something else than it has quantised.
        values = state.code[torch.stack([codes >> 4, codes & 15], 1).flatten().long()]
        return (values.reshape(-1, state.blocksize) * state.absmax[:, None]).reshape(state.shape)
    return F.int8_vectorwise_dequant(linear.weight.data, linear.state.SCB if linear.state.SCB is not None else linear.weight.SCB)


def make(kind):
    arch, how = KINDS[kind]
    source, folder = HERE / "arch" / arch, HERE / "bnb" / kind
    config = transformers.AutoConfig.from_pretrained(source)
    config.num_hidden_layers = 2
    if hasattr(config, "layer_types"):
        config.layer_types = config.layer_types[:2]
    open_as = dict(dtype=torch.float32, attn_implementation="eager")
    quantised = transformers.AutoModelForCausalLM.from_pretrained(
        source, quantization_config=transformers.BitsAndBytesConfig(**how), device_map="cpu", config=copy.deepcopy(config), **open_as)
    quantised.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    plain = transformers.AutoModelForCausalLM.from_pretrained(source, config=copy.deepcopy(config), **open_as)
    modules = dict(plain.named_modules())
    for name, module in quantised.named_modules():
        if "bitsandbytes" in type(module).__module__ and hasattr(module, "weight"):
            modules[name].weight.data = dequantised(module).float()
    tokens = load_file(source / "expected.safetensors")["input_ids"]
    with torch.no_grad():
        logits = plain(input_ids=tokens.long()[None]).logits[0]
    save_file({"input_ids": tokens, "logits": logits.contiguous()}, folder / "expected.safetensors")


if __name__ == "__main__":
    for kind in sys.argv[1:] or KINDS:
        make(kind)
