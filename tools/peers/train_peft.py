"""LoRA steps with PEFT, on a base in bfloat16 or in bitsandbytes' double-quantised NF4. Prints one JSON object.

    train_peft.py FOLDER --base nf4|bf16 --compute bf16|f32 [--ctx 512] [--lora-r 8] [--steps 5] [--threads 2]
                  [--device cpu|cuda]

A step is one sequence: forward, backward, clipping, AdamW. Nothing is evaluated before or between: bitsandbytes 0.50 on
a CPU repacks its weights at an evaluation, and gradients are wrong from then on.
"""
import argparse
import importlib.metadata
import json
import resource
import statistics
import time

import peft
import torch
import transformers

TYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


def load(folder, base, compute, device):
    """The frozen base. Norms and embedding are in the type of the computation, without checkpointing: the fastest of what
    PEFT offers."""
    if base == "bf16":
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=compute).to(device)
    quantization = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4",
                                                   bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute)
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=compute, device_map=device,
                                                             quantization_config=quantization)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--base", choices=("nf4", "bf16"), required=True)
    parser.add_argument("--compute", choices=tuple(TYPES), required=True)
    parser.add_argument("--ctx", type=int, default=512)
    parser.add_argument("--lora-r", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)

    model = load(o.folder, o.base, TYPES[o.compute], o.device)
    model = peft.get_peft_model(model, peft.LoraConfig(r=o.lora_r, lora_alpha=2 * o.lora_r, task_type="CAUSAL_LM",
                                                       target_modules="all-linear"))
    model.train()
    model.config.use_cache = False
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-4)
    tokens = torch.randint(0, model.config.vocab_size, (o.steps + 1, 1, o.ctx), device=o.device)

    rates = []
    for batch in tokens:  # the first step warms up
        start = time.perf_counter()
        model(input_ids=batch, labels=batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if o.device == "cuda":
            torch.cuda.synchronize()
        rates.append(o.ctx / (time.perf_counter() - start))
    used = ["peft", "torch", "transformers"] + ["bitsandbytes"] * (o.base == "nf4")
    print(json.dumps({"tok_s": statistics.median(rates[1:]), "trained": sum(p.numel() for p in trained),
                      "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      "card_bytes": torch.cuda.max_memory_allocated() if o.device == "cuda" else None,
                      "version": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in used)}))


if __name__ == "__main__":
    main()
