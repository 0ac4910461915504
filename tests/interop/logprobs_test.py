"""ql-chat against PyTorch's figures, and llama.cpp beside them: probabilities of the next token, and greedy texts.

    logprobs_test.py f16|q4_1

PyTorch judges (figures.py): ours in f32 are within 1e-3 of it and say the same texts; with --compute bf16 they are no
further off than PyTorch's own bf16. llama.cpp cannot judge: it rounds activations to F16, beside a Q4_1 base to 8 bits, and
how much that moves depends on the processor (0.02 to 0.15 was seen on F16). So its distance from PyTorch is measured
here, and what is asked of it follows from that distance: that it takes our files and applies the adapter, that its texts
part from PyTorch's only where the two best tokens are nearer to each other than it is exact, and that it agrees with
ours about an adapter that ql-finetune has trained, for which no figures can exist, within twice that distance."""
import sys

import figures
from interop import ADAPTER, FIXED_ADAPTER, MODEL, MODEL_F16, Llama, chat, check, finish, has_bf16
from prompts import all_prompts

N_PREDICT = 16
LIMIT = 1e-3
END_IDS = {0, 2}  # <|endoftext|> <|im_end|>: one program lists the token that ended the text, another may not


class Row:
    """A line of the table: differences of log-probabilities."""

    def __init__(self, name, limit=None):
        self.name, self.limit, self.values = name, limit, []

    def add(self, wanted, got, missing=float("-inf")):
        self.values += [abs(value - got.get(token, missing)) for token, value in wanted.items()]

    def worst(self):
        return max(self.values)

    def mean(self):
        return sum(self.values) / len(self.values)

    def print(self):
        print(f"{self.name:<62}{len(self.values):6}{self.worst():9.5f}{self.mean():9.5f}" +
              (f"{self.limit:9.5f}" if self.limit else ""))
        if self.limit:
            check(self.worst() <= self.limit, f"{self.name}: differ by {self.worst():.5f}, more than {self.limit:.5f}")


class Texts:
    """Greedy texts: two may part where the first one's best tokens are so near each other that either may win."""

    def __init__(self, name):
        self.name, self.same, self.parted = name, 0, []

    def add(self, prompt, wanted, got):
        """wanted has (id, ..., its lead over the second) by place, got ids."""
        ids = [w[0] for w in wanted]
        if _said(ids) == _said(got):
            self.same += 1
            return
        place = next(i for i in range(len(ids) + 1) if ids[i:i + 1] != got[i:i + 1])
        self.parted.append((wanted[place][-1] if place < len(ids) else float("inf"), prompt, place))

    def print(self, lead):
        print(f"{self.name}: {self.same} of {self.same + len(self.parted)} greedy texts are the same")
        for gap, prompt, place in self.parted:
            print(f"    token {place + 1} differs after {prompt!r}, where the best one leads by {gap:.4f}")
            check(gap <= lead, f"{self.name}: texts part where the best token leads by {gap:.4f}, more than {lead:.4f}")


def _said(ids):
    return ids[:-1] if ids and ids[-1] in END_IDS else ids


def compare_ours(case, model, adapter, prompts):
    top, along, texts = Row(f"{case.name}: next token"), Row(f"{case.name}: along the text"), Texts(case.name)
    top.limit = along.limit = LIMIT
    for i, (prompt, options) in enumerate(prompts):
        ids, places = chat(model, adapter, options, N_PREDICT)
        top.add(case.top(i), places[0])
        text = case.text(i)
        texts.add(prompt, text, ids)
        for place in range(min(len(text), len(places))):
            if [t[0] for t in text[:place]] == ids[:place]:
                along.add({text[place][0]: text[place][1]}, places[place])
    top.print()
    along.print()
    texts.print(2 * LIMIT)


def compare_bf16(case, model, adapter, prompts):
    worst, mean = case.bf16_distance()
    rounded = Row(f"{case.name}, --compute bf16: next token", worst)
    for i, (_, options) in enumerate(prompts):
        rounded.add(case.top(i), chat(model, adapter, options, 1, "bf16")[1][0])
    rounded.print()
    check(rounded.mean() <= mean, f"{rounded.name}: {rounded.mean():.5f} in the mean, PyTorch's bf16 {mean:.5f}")


def measure_llama_cpp(case, llama, prompts):
    """The largest distance of llama.cpp's log-probabilities from PyTorch's."""
    top, moved, texts = Row(f"{case.name}: llama.cpp, next token"), Row(""), Texts(f"{case.name}: llama.cpp")
    for i, (prompt, _) in enumerate(prompts):
        check(llama.tokenize(prompt, False, True) == figures.prompt_tokens(i), f"llama.cpp has other tokens of {prompt!r}")
        ids, places = llama.complete(prompt, N_PREDICT)
        top.add(case.top(i), places[0], missing=min(places[0].values()))
        moved.add(case.top(i), case.without_adapter(i))
        texts.add(prompt, case.text(i), ids)
    top.print()
    texts.print(2 * top.worst())
    print(f"{case.name}: the adapter moves the same values by {moved.mean():.5f} in the mean")
    check(top.mean() < moved.mean() / 4, "llama.cpp is so far off that it cannot have applied the adapter")
    return top.worst()


def compare_trained(distance, prompts):
    """The adapter that ql-finetune has trained, in both programs."""
    llama, texts = Llama(MODEL_F16, ADAPTER), Texts("trained adapter")
    row = Row("trained adapter, llama.cpp to ours: the five best", 2 * distance)
    for prompt, options in prompts:
        our_ids, ours = chat(MODEL_F16, ADAPTER, options, N_PREDICT)
        their_ids, theirs = llama.complete(prompt, N_PREDICT)
        row.add(dict(list(ours[0].items())[:5]), theirs[0])
        leads = [first - second for first, second, *_ in (place.values() for place in ours)]
        texts.add(prompt, list(zip(our_ids, leads)), their_ids)
    row.print()
    texts.print(2 * distance)
    token, value = next(iter(ours[0].items()))
    _, places = chat(MODEL_F16, None, options, 1)
    without = places[0].get(token, min(places[0].values()))
    print(f"first token of an order: log-probability {value:.2f}, without the adapter {without:.2f} at most")
    check(value - without > 1, "the adapter changes next to nothing")


def main(name):
    model = {"f16": MODEL_F16, "q4_1": MODEL}[name]
    llama = Llama(model, FIXED_ADAPTER)
    prompts = all_prompts(llama.render_chat)
    plain, adapted = figures.Case(name), figures.Case(name + "+adapter")
    print(f"{'log-probabilities, distance from PyTorch in f32':<62}{'values':>6}{'max':>9}{'mean':>9}{'limit':>9}")
    compare_ours(plain, model, None, prompts)
    compare_ours(adapted, model, FIXED_ADAPTER, prompts)
    if has_bf16():
        compare_bf16(adapted, model, FIXED_ADAPTER, prompts)
    else:
        print("--compute bf16 is left out: this machine has no bf16 product")
    distance = measure_llama_cpp(adapted, llama, prompts)
    if name == "f16":
        compare_trained(distance, prompts)


main(sys.argv[1])
finish()
