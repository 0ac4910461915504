"""llama.cpp and ql-chat, the same model and adapter: probabilities of the next token, and greedy texts.

    logprobs_test.py f16|q4_1

Where the tolerances come from (nats). F16 base: llama.cpp rounds activations to F16 and we do not, 0.02. --compute bf16:
we round them to bf16, 0.25. Q4_1 base: llama.cpp rounds activations to 8 bits, which alone moves a few of its values by
0.3 to 0.7, as its own F16 run of the same weights shows. So a Q4_1 base is held to that F16 run (0.05: there the weights
are rounded to F16 too), and to the Q4_1 run within 0.15 beyond what that one is off itself."""
import sys

from interop import ADAPTER, MODEL, MODEL_F16, Llama, chat, check, finish, has_bf16
from prompts import all_prompts

N_PREDICT = 16
NEED_SAME_TEXT = 18  # of the 20: where two tokens are about equally probable either may win
END_IDS = {0, 2}     # <|endoftext|> <|im_end|>: one program lists the token that ended the text, another may not


class Row:
    """A line of the table: differences of log-probabilities."""

    def __init__(self, name, limit=None):
        self.name, self.limit, self.values = name, limit, []

    def add(self, a, b, less=None):
        """The five best of a in b; `less` holds differences to take off."""
        for i, token in enumerate(list(a)[:5]):
            self.values.append(abs(a[token] - b.get(token, float("-inf"))) - (less[i] if less else 0))

    def print(self):
        worst, mean = max(self.values), sum(self.values) / len(self.values)
        print(f"{self.name:<52}{len(self.values):6}{worst:9.4f}{mean:9.4f}" + (f"{self.limit:8.2f}" if self.limit else ""))
        if self.limit:
            check(worst <= self.limit, f"{self.name}: log-probabilities differ by {worst:.4f}, more than {self.limit}")


class Texts:
    """Counts greedy texts that are the same."""

    def __init__(self, name, need=0):
        self.name, self.need, self.same, self.n = name, need, 0, 0

    def add(self, prompt, theirs, ours):
        def text(ids):
            return ids[:-1] if ids and ids[-1] in END_IDS else ids

        self.n += 1
        self.same += text(theirs) == text(ours)
        if self.need and text(theirs) != text(ours):
            print(f"texts differ after {prompt!r}: {theirs} {ours}")

    def print(self):
        print(f"{self.name}: {self.same} of {self.n} greedy texts of {N_PREDICT} tokens are the same")
        check(self.n == 20 and self.same >= self.need, f"{self.name}: {self.same} of {self.n} texts are the same, {self.need} are needed")


def same_start(a, b):
    """How many places have the same tokens before them."""
    n = 0
    while n < min(len(a), len(b)) and (n == 0 or a[n - 1] == b[n - 1]):
        n += 1
    return n


def check_adapter_matters(options, with_adapter):
    """Two programs that both ignore the adapter would pass everything else."""
    _, places = chat(MODEL, options, 1, lora=False)
    token = max(with_adapter, key=with_adapter.get)
    without = places[0].get(token, min(places[0].values()))
    print(f"first token of an order: log-probability {with_adapter[token]:.2f}, without the adapter {without:.2f} at most")
    check(with_adapter[token] - without > 1, "the adapter changes next to nothing")


def compare_f16():
    llama, bf16 = Llama(MODEL_F16, ADAPTER), has_bf16()
    next_token, later = Row("f16: next token", 0.02), Row(f"f16: while texts are the same, up to {N_PREDICT} tokens")
    rounded, texts = Row("f16, --compute bf16: next token", 0.25), Texts("f16", NEED_SAME_TEXT)
    for prompt, options in all_prompts(llama):
        their_ids, theirs = llama.complete(prompt, N_PREDICT)
        our_ids, ours = chat(MODEL_F16, options, N_PREDICT)
        next_token.add(theirs[0], ours[0])
        for i in range(same_start(their_ids, our_ids)):
            later.add(theirs[i], ours[i])
        if bf16:
            rounded.add(theirs[0], chat(MODEL_F16, options, 1, "bf16")[1][0])
        texts.add(prompt, their_ids, our_ids)
    check_adapter_matters(options, ours[0])
    if not bf16:
        print("--compute bf16 is left out: this machine has no bf16 product")
    return [next_token, later] + ([rounded] if bf16 else []), [texts]


def compare_q4_1():
    exact, llama = Llama(MODEL_F16, ADAPTER), Llama(MODEL, ADAPTER)
    ours_exact, ours_theirs = Row("q4_1 here, f16 there: next token", 0.05), Row("q4_1 here and there: next token")
    theirs_exact, beyond = Row("q4_1 and f16, both there: next token"), Row("q4_1 here and there, beyond that", 0.15)
    texts_exact, texts = Texts("q4_1 here, f16 there", NEED_SAME_TEXT), Texts("q4_1 here and there")
    for prompt, options in all_prompts(llama):
        exact_ids, exact_places = exact.complete(prompt, N_PREDICT)
        their_ids, theirs = llama.complete(prompt, N_PREDICT)
        our_ids, ours = chat(MODEL, options, N_PREDICT)
        ours_exact.add(exact_places[0], ours[0])
        ours_theirs.add(theirs[0], ours[0])
        theirs_exact.add(theirs[0], exact_places[0])
        beyond.add(theirs[0], ours[0], less=theirs_exact.values[-5:])
        texts_exact.add(prompt, exact_ids, our_ids)
        texts.add(prompt, their_ids, our_ids)
    return [ours_exact, ours_theirs, theirs_exact, beyond], [texts_exact, texts]


rows, counts = {"f16": compare_f16, "q4_1": compare_q4_1}[sys.argv[1]]()
print(f"{'log-probabilities of the top 5, ours to llama.cpp':<52}{'values':>6}{'max':>9}{'mean':>9}{'limit':>8}")
for line in rows + counts:
    line.print()
finish()
