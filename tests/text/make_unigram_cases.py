#!/usr/bin/env python3
"""Small Unigram tokenizers, and what PyPI `tokenizers` and `sentencepiece` make of odd texts with them: unigram_cases.json.

    make_unigram_cases.py OUT.json [TEXTS [SEED]]

The committed file is `make_unigram_cases.py unigram_cases.json 80 1`. Needs tokenizer_requirements.txt. A file is {"setups":
[{"tokenizer": a tokenizer.json, "cases": [[text, [ids]], ...]}], "models": [{"model": a tokenizer.model, in hexadecimal digits,
"cases"}]}. The charsmap has a few rules of NFKC; a whole one would be 300 KB.
"""
import base64
import io
import json
import random
import sys
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers

from make_tokenizer_cases import ODD, SENTENCES, SPACE, encode, random_text

RULES = {"ﬁ": "fi", "Ａ": "A", "\u3000": " ", "\u00a0": " ", "e\u0301": "é", "Ⅷ": "VIII", "½": "1⁄2", "\t": " ", "\n": " ",
         "\u0001": "", "ẛ\u0323": "ṩ", "ẛ": "ṡ", "がが": "カ", "か\u3099": "が", "…": "...", "한": "韓"}
MORE = list(RULES) + ["ﬁﬁ", "e\u0301\u0301", "か", "\u0301", "ẛx", "ﷺ", "  ", "a b", "👩‍🔬ﬁ", "e\u0301 e", " e\u0301"]


def sentence_piece(**options):
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        for old, new in RULES.items():
            rules.write(" ".join(f"{ord(c):X}" for c in old) + "\t" + " ".join(f"{ord(c):X}" for c in new) + "\n")
        rules.flush()
        model = io.BytesIO()
        if options.pop("rules"):
            options["normalization_rule_tsv"] = rules.name
        else:
            options["normalization_rule_name"] = "identity"
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SENTENCES * 3), model_writer=model, model_type="unigram", minloglevel=2,
            num_threads=1, hard_vocab_limit=False, **options)
        return model.getvalue()


def charsmap(model):
    parsed = proto.ModelProto()
    parsed.ParseFromString(model)
    return base64.b64encode(parsed.normalizer_spec.precompiled_charsmap).decode()


def hugging_face(normalizers, pre_tokenizer, byte_fallback, added):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(SENTENCES, trainers.UnigramTrainer(
        vocab_size=260, show_progress=False, unk_token="<unk>", special_tokens=["<pad>", "</s>", "<unk>"]))
    state = json.loads(tokenizer.to_str())
    if byte_fallback:
        state["model"]["vocab"] += [[f"<0x{b:02X}>", 0.0] for b in range(256)]
        state["model"]["byte_fallback"] = True
    state["normalizer"] = {"type": "Sequence", "normalizers": normalizers} if normalizers else None
    state["pre_tokenizer"] = pre_tokenizer
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in added])
    return tokenizer


def setups(map_text):
    precompiled = {"type": "Precompiled", "precompiled_charsmap": map_text}
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    marks = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": SPACE}
    strip = {"type": "Strip", "strip_left": False, "strip_right": True}

    def metaspace(scheme, split=True):
        return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}

    words = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace("always")]}
    yield hugging_face([precompiled], words, False, [])  # T5
    yield hugging_face([precompiled, spaces], metaspace("always"), False, ["<s>"])  # XLM-R
    yield hugging_face([precompiled, strip, marks], metaspace("first"), True, ["<s>", "<|x|>"])
    yield hugging_face([], metaspace("never", False), True, ["<|x|>"])


def main():
    out, n, seed = sys.argv[1], *(int(a) for a in (sys.argv[2:] + ["80", "1"][len(sys.argv) - 2:]))
    rng = random.Random(seed)
    texts = ODD + MORE + [random_text(rng) for _ in range(n)]
    texts += ["".join(rng.choice(MORE + ["a", "the", " ", "x"]) for _ in range(rng.randrange(1, 7))) for _ in range(n)]
    texts = [t for t in texts if "\x00" not in t and "<0x" not in t]
    binary = [sentence_piece(rules=True, vocab_size=300),
              sentence_piece(rules=True, vocab_size=560, byte_fallback=True, remove_extra_whitespaces=False),
              sentence_piece(rules=False, vocab_size=560, byte_fallback=True, remove_extra_whitespaces=False,
                             add_dummy_prefix=False, allow_whitespace_only_pieces=True, split_digits=True)]
    result = {"setups": [], "models": []}
    for tokenizer in setups(charsmap(binary[0])):
        cases = [[t, ids] for t in texts if (ids := encode(tokenizer, t)) is not None]
        result["setups"].append({"tokenizer": json.loads(tokenizer.to_str()), "cases": cases})
    for model in binary:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        result["models"].append({"model": model.hex(), "cases": [[t, processor.encode(t)] for t in texts]})
    with open(out, "w") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


main()
