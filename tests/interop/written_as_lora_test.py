"""What is not plain LoRA, or is made of several adapters, in llama.cpp: the plain LoRA that `ql-adapter` writes of it, and the
merged model. llama.cpp with either agrees with ours in f32 about the five best tokens within 0.05. It rounds activations to F16,
and how much that moves depends on the processor: where it moves more without any adapter, so much more is allowed with one."""
from interop import ADAPTER, MODEL_F16, SCRATCH, Llama, chat, check, finish, program
from prompts import ORDERS, TEXTS

LIMIT = 0.05
PROMPTS = TEXTS[:6]


def ours(model, adapter):
    return [chat(model, adapter, ["--raw", "-p", p], 1)[1][0] for p in PROMPTS]


def theirs(model, adapter):
    llama = Llama(model, adapter)
    return [llama.complete(p, 1)[1][0] for p in PROMPTS]


def distances(one, other, n=5):
    """Differences of the log-probabilities of the first's n best tokens, over all prompts."""
    return [abs(value - y.get(token, float("-inf"))) for x, y in zip(one, other) for token, value in list(x.items())[:n]]


def train(kind, *options):
    """An adapter of a kind after four steps that change a lot."""
    path = SCRATCH / f"{kind}.gguf"
    program("ql-finetune", "-m", MODEL_F16, "-d", ORDERS / "orders-train.jsonl", "-o", path, "--lora-r", 4, "--ctx", 128,
            "--batch", 1, "--grad-accum", 1, "--steps", 4, "--lr", 2e-3, "--json", *options)
    return path


def judge(name, wanted, model, adapter):
    worst = max(distances(wanted, theirs(model, adapter)))
    moved = sum(min(d, 10) for d in distances(wanted, base)) / len(wanted) / 5
    print(f"{name:<46} llama.cpp to ours {worst:.5f}; moves the model by {moved:.3f} in the mean")
    check(worst <= limit, f"{name}: differs by {worst:.5f}, more than {limit:.5f}")
    check(moved > 0.1, f"{name}: changes next to nothing")


base = ours(MODEL_F16, None)
rounding = max(distances(base, theirs(MODEL_F16, None)))
limit = max(LIMIT, 3 * rounding)
print(f"without an adapter: {rounding:.5f}")

miss = train("miss", "--lora-type", "miss")
judge("MiSS, as it is", ours(MODEL_F16, miss), MODEL_F16, miss)

dora, plain = train("dora", "--lora-type", "dora", "--lora-alpha", 32), SCRATCH / "dora-as-lora.gguf"
program("ql-adapter", "to-lora", "-m", MODEL_F16, dora, "--rank", 64, "-o", plain)
judge("DoRA, as a plain LoRA of rank 64", ours(MODEL_F16, plain), MODEL_F16, plain)
lost = max(distances(ours(MODEL_F16, dora), ours(MODEL_F16, plain)))
print(f"{'':<46} what rank 64 loses of the DoRA {lost:.5f}")

both = SCRATCH / "both.gguf"
program("ql-adapter", "compose", f"{ADAPTER}:0.7", f"{miss}:-0.4", "-o", both)
judge("two composed, one negative", ours(MODEL_F16, both), MODEL_F16, both)

merged = SCRATCH / "both-merged.gguf"
program("ql-adapter", "merge", "-m", MODEL_F16, "--lora", both, "--type", "f16", "-o", merged)
judge("the same, merged into F16", ours(MODEL_F16, both), merged, None)

merged_dora = SCRATCH / "dora-merged.gguf"
program("ql-adapter", "merge", "-m", MODEL_F16, "--lora", dora, "--type", "f16", "-o", merged_dora)
judge("the DoRA, merged into F16", ours(MODEL_F16, dora), merged_dora, None)
for path in (merged, merged_dora):
    path.unlink()
finish()
