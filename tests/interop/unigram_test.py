"""Unigram tokenizers: a directory that ql-convert writes, whose kind in GGUF is `t5`, gives llama.cpp the tokens that it gives
ours, and that the directory gives. With $QL_TEST_PEFT_PYTHON, a Python that has `tokenizers`, also those of that library."""
import json
import os
import subprocess

from interop import BIN, SCRATCH, SOURCE, Llama, check, finish, program
from tokens import Ours
from widened import write_directory

PARSE_SPECIAL = 2
CASES = json.loads((SOURCE / "tests/text/unigram_cases.json").read_text())
VOCAB = 600  # rows of the embedding, at least as many as any of them has tokens
REFUSED = {  # what t5 does not do, by ql-convert's words
    "tokenizer.json 0": "would be 3, and not",  # white space that `tokenizers` cuts at and this small charsmap does not have
    "tokenizer.json 1": "would be -1, and not",  # it keeps blanks at the end
    "tokenizer.json 2": "byte tokens", "tokenizer.json 3": "byte tokens",
    "tokenizer.model 1": "byte tokens", "tokenizer.model 2": "byte tokens"}
MARK = "\u2581"  # at the end of a text it goes as a blank does, by SentencePiece and ours, but not by llama.cpp: not compared
# Where `tokenizers` differs from what the keys say: white space beyond the charsmap's, U+2581 in a text, marks that a reader
# takes for a part of the character before them.
KNOWN = ["\r", "\x85", "\u2028", MARK, "\u0301"]
ASK_TOKENIZERS = """
import json, sys, tokenizers
given = json.load(sys.stdin)
tokenizer = tokenizers.Tokenizer.from_str(json.dumps(given["tokenizer"]))
print(json.dumps([tokenizer.encode(t, add_special_tokens=False).ids for t in given["texts"]]))
"""


def as_transformers_writes_it():
    """The second set-up with what `transformers` puts behind a charsmap: blanks at the end go, others become one."""
    setup = json.loads(json.dumps(CASES["setups"][1]))
    setup["tokenizer"]["normalizer"]["normalizers"][1:] = [
        {"type": "Strip", "strip_left": False, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"}]
    texts = [text for text, _ in setup["cases"]]
    python = os.environ.get("QL_TEST_PEFT_PYTHON")
    if not python:
        print("$QL_TEST_PEFT_PYTHON is not set: what `tokenizers` gives is not compared")
        return setup["tokenizer"], [[text, None] for text in texts]
    asked = json.dumps({"tokenizer": setup["tokenizer"], "texts": texts})
    done = subprocess.run([python, "-c", ASK_TOKENIZERS], input=asked, capture_output=True, text=True, check=True)
    return setup["tokenizer"], list(zip(texts, json.loads(done.stdout)))


def files():
    """(name, the file's name, its bytes, [[text, ids of the library]], whether names of special tokens are parsed)"""
    for i, setup in enumerate(CASES["setups"]):
        yield f"tokenizer.json {i}", "tokenizer.json", json.dumps(setup["tokenizer"]).encode(), setup["cases"], True
    tokenizer, cases = as_transformers_writes_it()
    yield "tokenizer.json 1b", "tokenizer.json", json.dumps(tokenizer).encode(), cases, True
    for i, model in enumerate(CASES["models"]):
        yield f"tokenizer.model {i}", "tokenizer.model", bytes.fromhex(model["model"]), model["cases"], False


def refuse(name, folder, path):
    done = subprocess.run([BIN / "ql-convert", folder, path], capture_output=True, text=True, check=False)
    print(f"{name:<19}{done.stderr.strip()}", flush=True)
    check(done.returncode == 2 and REFUSED[name] in done.stderr, f"{name}: exited with {done.returncode}: {done.stderr}")


def compare(name, file, content, cases, specials):
    folder, path = SCRATCH / "unigram", SCRATCH / "unigram.gguf"
    write_directory(folder, "llama", {file: content, "tokenizer_config.json": b'{"eos_token": "</s>", "unk_token": "<unk>"}'}, VOCAB)
    if name in REFUSED:
        refuse(name, folder, path)
        return
    program("ql-convert", folder, path, "--type", "f16")
    directory, ours, llama, different, known = Ours(folder), Ours(path), Llama(path), [], 0
    for text, ids in cases:
        if text.endswith(MARK):
            continue
        mine, theirs = ours.tokenize(text, PARSE_SPECIAL * specials), llama.tokenize(text, False, specials)
        before = directory.tokenize(text, PARSE_SPECIAL * specials)
        expected = {"llama.cpp": theirs, "the directory": before, "the library": before if ids is None else ids}
        other = {who: tokens for who, tokens in expected.items() if tokens != mine}
        if other and "llama.cpp" not in other and specials and any(part in text for part in KNOWN):
            known += 1
        elif other:
            different.append(f"{text!r}: ours {mine}, {other}")
    n = sum(not text.endswith(MARK) for text, _ in cases)
    print(f"{name:<19}{n - len(different) - known} of {n} texts have equal tokens, {known} in llama.cpp alone", flush=True)
    check(not different, f"{name}: {len(different)} differ: {'; '.join(different[:5])}")


SCRATCH.mkdir(parents=True, exist_ok=True)
for row in files():
    compare(*row)
finish()
