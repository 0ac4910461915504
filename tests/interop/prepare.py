"""Makes what the other tests compare: the model in F16, the adapter of the figures, and one trained for a few steps in NF4.

25 steps: enough that the adapter changes every answer to an order, so that one that is loaded with the wrong scale,
or not at all, is seen at once."""
import shutil

import fixed_adapter
from interop import ADAPTER, FIXED_ADAPTER, LORA_ALPHA, LORA_R, MODEL, MODEL_F16, SCRATCH, check, finish, program
from prompts import ORDERS

shutil.rmtree(SCRATCH, ignore_errors=True)
SCRATCH.mkdir(parents=True)
program("ql-quantize", MODEL, MODEL_F16, "f16", "--embeddings", "f16")
fixed_adapter.write(FIXED_ADAPTER, MODEL)
result = program("ql-finetune", "-m", MODEL_F16, "-d", ORDERS / "orders-train.jsonl", "-o", ADAPTER, "--base-type", "nf4_dq",
                 "--lora-r", LORA_R, "--lora-alpha", LORA_ALPHA, "--ctx", 256, "--batch", 1, "--grad-accum", 1, "--steps", 25,
                 "--lr", 5e-4, "--json")
print(f"trained {result['steps']} steps, {result['tokens']} tokens at {result['tok_s']:.0f} tok/s: "
      f"loss {result['loss_first']:.3f} -> {result['loss_last']:.3f}")
check(result["loss_last"] < result["loss_first"] / 2, "the adapter has learned too little to compare anything with")
finish()
