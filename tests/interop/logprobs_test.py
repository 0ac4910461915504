"""llama.cpp and ql-chat, the same model and adapter: probabilities of the next token, and greedy texts.

    logprobs_test.py f16|q4_1

Why the tolerances differ (nats): with an F16 base both compute nearly the same (llama.cpp rounds activations to F16,
0.02); with a Q4_1 base it rounds them to 8 bits and we do not (0.15); with --compute bf16 we round them to bf16 (0.25)."""
import sys

from interop import ADAPTER, MODEL, MODEL_F16, Llama, check, finish, program
from prompts import all_prompts

N_PREDICT = 16
NEED_SAME_TEXT = 18  # of the 20: where two tokens are equally probable either may win
N_OURS = 20          # of ours, so that each of llama.cpp's five is among them
END_IDS = {0, 2}     # <|endoftext|> <|im_end|>: one program lists the token that ended the text, another may not


class Differences:
    def __init__(self, name, limit=None):
        self.name, self.limit, self.values = name, limit, []

    def add(self, theirs, ours):
        """Both {id: logprob}; every id of theirs is looked for."""
        for token, logprob in theirs.items():
            self.values.append(abs(logprob - ours.get(token, float("-inf"))))

    def row(self):
        worst, mean = max(self.values), sum(self.values) / len(self.values)
        limit = f"{self.limit:9.2f}" if self.limit else "         "
        print(f"{self.name:<44}{len(self.values):6}{worst:10.5f}{mean:10.5f}{limit}")
        if self.limit:
            check(worst <= self.limit, f"{self.name}: log-probabilities differ by {worst:.5f}, more than {self.limit}")


def ours(model, options, compute, n_predict, lora=True):
    adapter = ["--lora", ADAPTER] if lora else []
    answer = program("ql-chat", "-m", model, *adapter, *options, "-n", n_predict, "--temp", 0, "--logprobs", N_OURS,
                     "--compute", compute)
    places = answer["logprobs"]
    return [p["id"] for p in places], [{t["id"]: t["logprob"] for t in p["top"]} for p in places]


def without_end(ids):
    return ids[:-1] if ids and ids[-1] in END_IDS else ids


def same_places(a, b):
    """How many places have the same tokens before them."""
    n = 0
    while n < min(len(a), len(b)) and (n == 0 or a[n - 1] == b[n - 1]):
        n += 1
    return n


def check_adapter_matters(model, options, with_adapter):
    """A comparison of two programs that both ignore the adapter would pass everything else."""
    _, places = ours(model, options, "f32", 1, lora=False)
    token = max(with_adapter, key=with_adapter.get)
    moved = abs(with_adapter[token] - places[0].get(token, -20.0))
    print(f"the adapter moves the first token of an order by {moved:.2f}")
    check(moved > 0.2, "the adapter changes next to nothing")


def main(kind):
    model, limit = {"f16": (MODEL_F16, 0.02), "q4_1": (MODEL, 0.15)}[kind]
    llama = Llama(model, ADAPTER)
    first = Differences(f"{kind}, --compute f32: next token, top 5", limit)
    later = Differences(f"{kind}, --compute f32: up to {N_PREDICT} tokens, top 5")
    bf16 = Differences(f"{kind}, --compute bf16: next token, top 5", 0.25 if kind == "f16" else None)
    same_text, prompts = 0, all_prompts(llama)
    for prompt, options in prompts:
        their_ids, their_places = llama.complete(prompt, N_PREDICT)
        our_ids, our_places = ours(model, options, "f32", N_PREDICT)
        first.add(their_places[0], our_places[0])
        for i in range(same_places(their_ids, our_ids)):
            later.add(their_places[i], our_places[i])
        bf16.add(their_places[0], ours(model, options, "bf16", 1)[1][0])
        if without_end(their_ids) == without_end(our_ids):
            same_text += 1
        else:
            print(f"texts differ after {prompt!r}: {their_ids} {our_ids}")
    check_adapter_matters(model, options, our_places[0])
    print(f"{'difference of log-probabilities to llama.cpp':<44}{'values':>6}{'max':>10}{'mean':>10}{'limit':>9}")
    for differences in first, later, bf16:
        differences.row()
    print(f"greedy texts of {N_PREDICT} tokens: {same_text} of {len(prompts)} are the same")
    check(len(prompts) == 20, f"there are {len(prompts)} prompts")
    if kind == "f16":
        check(same_text >= NEED_SAME_TEXT, f"only {same_text} greedy texts are the same; {NEED_SAME_TEXT} are needed")
    finish()


main(sys.argv[1])
