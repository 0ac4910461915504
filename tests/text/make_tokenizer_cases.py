#!/usr/bin/env python3
"""Tokenizers of random set-ups and what PyPI `tokenizers` makes of odd texts with them, for tokenizer_json_test.cpp.

    make_tokenizer_cases.py OUT.json [SETUPS [TEXTS [SEED]]]

The committed tokenizer_cases.json is `make_tokenizer_cases.py tokenizer_cases.json 20 60 1`; tests/long.sh makes a larger
file, with thousands of texts for the first set-up, Llama 2's, and runs the test over it. Needs tokenizer_requirements.txt.

A file is {"version", "setups": [{"tokenizer": the tokenizer.json, "cases": [[text, [ids]], ...]}]}. Vocabularies are
trained here on a few sentences, so that everything is a function of the seed and the version.
"""
import json
import random
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPACE = "\u2581"
SENTENCES = """The quick brown fox jumps over the lazy dog, and the 3 dogs don't mind: 42 of 123,456 were asleep.
He said "I'll be there at 10:30", but it wasn't so; she'd've known. In 2024 there were 1 234 567 of them!
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. L'été, à Noël, où est-ce qu'on va?
def stage(x, n):\n    return [x ** i for i in range(n)]  # the stage of x\n\tif a <= b && c != d { f(); }
Съешь же ещё этих мягких французских булок, да выпей чаю. 日本語の文章です。東京は大きい。 안녕하세요 세계
the theme there then these them that this than a b c aa bb cc ab abc aab the the the of of of and and and""".split("\n")
ODD = [" ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\u200b", "\u180e", SPACE, SPACE * 2,
       "a", "b", "the", "The", "stage", "x", "tag", "1", "12", "123", "1234", "\u0664\u0665", "\u00bd", "\u2167", "'s", "'S",
       "'ll", "'\u017f", "'T", "don't", ".", ",", "!?", "...", "-", "_", "$", "<", "<s>", "</s>", "<|x|>", "<|x", "<|xy|>",
       "tagtag", "tag.", "_tag", "\u00e9", "e\u0301", "\u0130", "\u00df", "\ufb01", "\u6771\u4eac", "\u306e", "\ud55c",
       "\U0001f600", "\U0001f469\u200d\U0001f52c", "\u0915\u094d\u0937", "\u05d0\u05b0", "\x00", "\x01", "\x7f", "\u0085",
       "\ufffd", "\ufeff", "\U00010400", "<0x41>", "ab", "abc", "aab", "of and the", "x = 1;", "{[(", "\\", "\"", "`~^+="]
PATTERNS = [r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+",
            r"\s+$", r"[\r\n]", r"\d{2}", r"\s?\p{P}+", r"[a-fx]+", r"the|th", r"[^\S\n]+", r"\p{Han}|\p{Hiragana}", r".{3}",
            r"\p{Lu}|\p{^L}", r"(?:ab)+", r"a++b?", r"\p{N}{1,3}(?=\s)", r"[.,!?\-\]]"]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def split_step(rng):
    if rng.random() < 0.25:
        pattern = rng.choice([" ", ".", "the", "a", "\n", "\\d", "+"])
    else:
        pattern = Regex(rng.choice(PATTERNS))
    return pre_tokenizers.Split(pattern, rng.choice(BEHAVIORS), invert=rng.random() < 0.3)


def middle_steps(rng):
    steps = []
    for _ in range(rng.choice([0, 1, 1, 2])):
        kind = rng.random()
        if kind < 0.6:
            steps.append(split_step(rng))
        elif kind < 0.85:
            steps.append(pre_tokenizers.Digits(individual_digits=rng.random() < 0.5))
        else:
            steps.append(pre_tokenizers.Punctuation(rng.choice(BEHAVIORS)))
    return steps


def random_normalizer(rng, byte_level):
    steps = []
    if rng.random() < 0.3:
        steps.append(normalizers.Strip(left=rng.random() < 0.5, right=rng.random() < 0.5))
    if rng.random() < 0.3:
        steps.append(normalizers.Replace(rng.choice(["the", "a", "\n", "''"]), rng.choice(["", "b", "th", "\u00e9"])))
    if rng.random() < 0.2:
        steps.append(normalizers.NFC())
    if rng.random() < (0.2 if byte_level else 0.5):
        steps.append(normalizers.Prepend(rng.choice(["x", "x"]) if byte_level else SPACE))
    return steps


def byte_level_tokenizer(rng):
    model = models.BPE(ignore_merges=rng.random() < 0.3)
    tokenizer = Tokenizer(model)
    normalizer = random_normalizer(rng, True) if rng.random() < 0.4 else []
    steps = middle_steps(rng)
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=not steps and rng.random() < 0.5, use_regex=rng.random() < 0.6))
    trainer = trainers.BpeTrainer(vocab_size=rng.choice([280, 400, 700]), show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    if rng.random() < 0.7:  # merges that another set-up's words would never meet
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=rng.random() < 0.5)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.pre_tokenizer = steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, normalizer


def character_tokenizer(rng):
    fallback = rng.random()
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>" if fallback < 0.8 else None, fuse_unk=rng.random() < 0.6,
                                     byte_fallback=rng.random() < 0.6, ignore_merges=rng.random() < 0.15))
    special = ["<unk>"] + ([f"<0x{b:02X}>" for b in range(256)] if rng.random() < 0.8 else [f"<0x{b:02X}>" for b in range(0, 256, 2)])
    trainer = trainers.BpeTrainer(vocab_size=rng.choice([450, 600]), show_progress=False, special_tokens=special,
                                  limit_alphabet=rng.choice([40, 80, 200]))
    within_words = rng.random() < 0.7
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(f"{SPACE}?[^{SPACE}]+"), "isolated") if within_words else None
    tokenizer.train_from_iterator(SENTENCES, trainer)
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] == "<unk>"]  # bytes are the model's own
    tokenizer = Tokenizer.from_str(json.dumps(state))
    normalizer = random_normalizer(rng, False)
    steps = []
    if rng.random() < 0.5:
        normalizer.append(normalizers.Replace(" ", SPACE))
    else:
        steps.append(pre_tokenizers.Metaspace(prepend_scheme=rng.choice(["always", "first", "never"]), split=rng.random() < 0.5))
    if rng.random() < 0.4:
        steps += middle_steps(rng)
    tokenizer.pre_tokenizer = None if not steps else steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer, normalizer


def add_tokens(rng, tokenizer):
    texts = rng.sample(["<s>", "</s>", "<|x|>", "<|xy|>", "tag", "stage", "tagtag", "<|x", "x|>", "the", "a", " ", "12", "é", "ab"],
                       rng.choice([2, 4, 6, 8]))
    for text in texts:
        token = AddedToken(text, single_word=rng.random() < 0.3, lstrip=rng.random() < 0.3, rstrip=rng.random() < 0.3,
                           normalized=rng.random() < 0.3)
        if token.normalized and tokenizer.normalizer and not tokenizer.normalizer.normalize_str(text):
            continue  # 0.23 finds an empty text everywhere, and breaks off inside characters
        (tokenizer.add_special_tokens if rng.random() < 0.5 else tokenizer.add_tokens)([token])


def llama2_tokenizer():
    """What the conversion of a SentencePiece model of Llama 2 gives."""
    rng = random.Random(2)
    tokenizer = character_tokenizer(rng)[0]
    state = json.loads(tokenizer.to_str())
    state["model"].update(unk_token="<unk>", fuse_unk=True, byte_fallback=True, ignore_merges=False)
    state["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE},
                                                               {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]}
    state["pre_tokenizer"] = None
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_special_tokens([AddedToken("<s>", normalized=False), AddedToken("</s>", normalized=False)])
    return tokenizer


def random_tokenizer(rng):
    tokenizer, normalizer = byte_level_tokenizer(rng) if rng.random() < 0.5 else character_tokenizer(rng)
    if normalizer:
        tokenizer.normalizer = normalizer[0] if len(normalizer) == 1 else normalizers.Sequence(normalizer)
    else:
        tokenizer.normalizer = None
    add_tokens(rng, tokenizer)
    return tokenizer


def random_text(rng):
    return "".join(rng.choice(ODD) if rng.random() < 0.8 else rng.choice(SENTENCES)[:rng.randrange(30)] for _ in range(rng.randrange(1, 9)))


def encode(tokenizer, text):
    """Its tokens; None where the library itself breaks off ("bad split"): 0.23 does where a token lies in white space that
    the one before it has swallowed."""
    try:
        return tokenizer.encode(text, add_special_tokens=False).ids
    except BaseException as e:
        if type(e).__name__ != "PanicException":
            raise
        return None


def main():
    out, n_setups, n_texts, seed = sys.argv[1], *(int(a) for a in (sys.argv[2:] + ["20", "60", "1"][len(sys.argv) - 2:]))
    rng = random.Random(seed)
    setups = []
    for i in range(n_setups):
        tokenizer = llama2_tokenizer() if i == 0 else random_tokenizer(rng)
        n = n_texts if i > 0 or n_setups < 100 else 30 * n_texts
        texts = (ODD if i == 0 else []) + [random_text(rng) for _ in range(n)]
        cases = [[text, ids] for text in texts if (ids := encode(tokenizer, text)) is not None]
        setups.append({"tokenizer": json.loads(tokenizer.to_str()), "cases": cases})
    with open(out, "w") as file:
        json.dump({"version": tokenizers.__version__, "setups": setups}, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
