"""A real model: Gemma 3 270M (base, Q4_K_M of four types, vocabulary of 262,144; Gemma's terms), by hand and by tests/long.sh.

    gemma_test.py MODEL.gguf

Loss of a text as llama.cpp's, in its own types and in f16; it completes; it learns the orders; the adapter changes llama.cpp's
output as it changes ours. Takes some minutes."""
import sys

import numpy as np

from interop import SCRATCH, SOURCE, Llama, chat, check, finish, program
from prompts import ORDERS, SYSTEM, order_messages

sys.path.insert(0, str(SOURCE / "gguf-py"))
from qlora_gguf import lib as ql  # noqa: E402  ($QL_LIBRARY says which library)

MODEL = sys.argv[1]
N_TOKENS = 192  # of the text, each after all before it
N_PROBABLE = 2000  # a token that is none of llama.cpp's most probable is not compared
LOSS_LIMIT, LIMIT = 0.003, 0.05  # of the perplexity in f16; of log-probabilities
ROUNDED_LIMIT = 0.05  # of the perplexity in the file's own types, where llama.cpp rounds activations to 8 bits and we do not


def logprobs_ours(model, tokens):
    """Of each token but the first, as a whole row."""
    rows = []
    with ql.Session(model, device=ql.Device(compute="f32")) as session:
        for token in tokens[:-1]:
            logits = np.array(session.eval([token]), dtype=np.float64)
            rows.append(logits - np.logaddexp.reduce(logits))
    return rows


def losses(path, text):
    """Mean loss of the tokens that both can say something of: ours, llama.cpp's, and of how many."""
    llama = Llama(path)
    tokens = llama.tokenize(text, True, False)[:N_TOKENS]
    ours = logprobs_ours(ql.Model(path), tokens)
    pairs = []
    for i in range(1, len(tokens)):
        theirs = llama.next_logprobs(tokens[:i], N_PROBABLE)
        if tokens[i] in theirs:
            pairs.append((-ours[i - 1][tokens[i]], -theirs[tokens[i]]))
    mine, other = np.mean(pairs, axis=0)
    return mine, other, len(pairs)


def compare_losses(name, path, text, limit):
    mine, other, n = losses(path, text)
    apart = np.exp(mine - other) - 1
    print(f"{name:<8}perplexity of {n} tokens: ours {np.exp(mine):.4f}, llama.cpp {np.exp(other):.4f}, {100 * apart:+.3f} %",
          flush=True)
    check(abs(apart) <= limit, f"{name}: the perplexities are {100 * apart:.3f} % apart")
    check(n > 0.9 * N_TOKENS, f"{name}: llama.cpp gave the probability of {n} tokens alone")


def best(logprobs, n=5):
    return sorted(logprobs, key=logprobs.get, reverse=True)[:n]


TEXT = " ".join((SOURCE / "docs/faq.md").read_text().split())
f16, adapter = SCRATCH / "gemma-f16.gguf", SCRATCH / "gemma-orders.gguf"
SCRATCH.mkdir(parents=True, exist_ok=True)
program("ql-quantize", MODEL, f16, "f16", "--embeddings", "f16")
compare_losses("f16", f16, TEXT, LOSS_LIMIT)
compare_losses("Q4_K_M", MODEL, TEXT, ROUNDED_LIMIT)

answer = program("ql-chat", "-m", MODEL, "--raw", "-p", "The capital of France is", "-n", 8, "--temp", 0, "--json")
print(f"completes: {answer['text']!r}", flush=True)
check(answer["text"].strip(), "it completes nothing")

result = program("ql-finetune", "-m", MODEL, "-d", ORDERS / "orders-train.jsonl", "-o", adapter, "--chat-template", "gemma",
                 "--lora-r", 8, "--ctx", 256, "--batch", 1, "--grad-accum", 1, "--steps", 20, "--lr", 1e-3, "--json")
print(f"trained {result['steps']} steps, {result['tokens']} tokens at {result['tok_s']:.0f} tok/s: "
      f"loss {result['loss_first']:.3f} -> {result['loss_last']:.3f}", flush=True)
check(result["loss_last"] < result["loss_first"] / 3, "it has learned too little")

llama, worst = Llama(f16, adapter), 0.0
for message in order_messages()[:3]:
    prompt = f"<start_of_turn>user\n{SYSTEM}\n\n{message}<end_of_turn>\n<start_of_turn>model\n"
    mine = chat(f16, adapter, ["--raw", "-p", prompt], 1)[1][0]
    theirs = llama.complete(prompt, 1)[1][0]
    worst = max([worst, *(abs(mine[t] - theirs.get(t, float("-inf"))) for t in best(mine))])
print(f"with the adapter, f16: llama.cpp to ours {worst:.5f} at the five best")
check(worst <= LIMIT, f"with the adapter they differ by {worst:.5f}")
f16.unlink()
finish()
