"""Byte-level BPE from a tokenizer.json. GGUF files name the pre-tokenizer instead of describing it, so its steps must be
those of a name that readers know."""
from __future__ import annotations

from typing import Any

from ..errors import GgufError
from ..json_file import JsonFile
from .vocabulary import TokenType, Vocabulary

MAX_ID = 1 << 22
# How the tokenizers of Llama 3 and Qwen 2 cut words; they differ in how many digits make one.
_CUT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|"
        r"\s+(?!\S)|\s+")
_SPLITS = {_CUT.format("{1,3}"): "llama-bpe", _CUT.format(""): "qwen2"}


def steps(part: Any, key: str) -> list[dict[str, Any]]:
    """The steps of a part of tokenizer.json, whether it is one or a Sequence of them."""
    if part is None:
        return []
    found = part.get(key) if isinstance(part, dict) and part.get("type") == "Sequence" else [part]
    if not isinstance(found, list) or not all(isinstance(s, dict) and isinstance(s.get("type"), str) for s in found):
        raise GgufError(f"'{key}': has a step without a type")
    return found


def is_byte_level(document: JsonFile) -> bool:
    return any(s["type"] == "ByteLevel" for s in steps(document.at("pre_tokenizer"), "pretokenizers"))


def _pre_tokenizer(document: JsonFile) -> str:
    found = steps(document.at("pre_tokenizer"), "pretokenizers")
    last = found[-1]
    kinds = [s["type"] for s in found]
    if kinds[-1] == "ByteLevel" and not last.get("add_prefix_space", True):
        by_regex = last.get("use_regex", True)
        if kinds == ["ByteLevel"] and by_regex:
            return "gpt-2"
        if kinds == ["Digits", "ByteLevel"] and by_regex and found[0].get("individual_digits") is True:
            return "smollm"
        if kinds == ["Split", "ByteLevel"] and not by_regex:
            pattern, whole = found[0].get("pattern"), found[0].get("behavior") == "Isolated" and not found[0].get("invert")
            name = _SPLITS.get(str(pattern.get("Regex"))) if isinstance(pattern, dict) and whole else None
            if name is not None:
                return name
    raise GgufError(f"the pre_tokenizer ({', '.join(kinds)}) is none that GGUF files have a name for here; known: gpt-2, "
                    "smollm, llama-bpe, qwen2", document.path)


def _read_model(model: JsonFile, vocabulary: Vocabulary) -> None:
    if model.text("type", "BPE") != "BPE":
        raise model.wrong("type", "must be BPE")
    for key in ("continuing_subword_prefix", "end_of_word_suffix", "dropout", "byte_fallback"):
        if model.at(key):
            raise model.wrong(key, "is not supported")
    if model.flag("ignore_merges", False) != (vocabulary.pre == "llama-bpe"):
        raise model.wrong("ignore_merges", f"does not go with the pre-tokenizer {vocabulary.pre}")
    tokens, merges = model.at("vocab"), model.at("merges")
    if not isinstance(tokens, dict) or not isinstance(merges, list):
        raise GgufError("has no vocab, or no merges", model.path)
    for text, token_id in tokens.items():
        put(vocabulary, text, token_id, TokenType.NORMAL, model)
    vocabulary.merges = []
    for merge in merges:
        pair = merge if isinstance(merge, list) else merge.split(" ") if isinstance(merge, str) else []
        if len(pair) != 2 or not all(isinstance(half, str) and half and " " not in half for half in pair):
            raise GgufError(f"merge {len(vocabulary.merges)} is no pair of symbols without spaces", model.path)
        vocabulary.merges.append(" ".join(pair))


def put(vocabulary: Vocabulary, text: Any, token_id: Any, kind: TokenType, file: JsonFile) -> None:
    if isinstance(token_id, bool) or not isinstance(token_id, int) or not 0 <= token_id < MAX_ID or not isinstance(text, str):
        raise GgufError(f"token '{str(text)[:40]}' has no usable id", file.path)
    try:
        vocabulary.put(text, token_id, kind)
    except GgufError as e:
        raise GgufError(e.what, file.path) from None


def add_token(vocabulary: Vocabulary, token: Any, token_id: Any, file: JsonFile) -> None:
    """An added token; what GGUF cannot say of it becomes a note."""
    if not isinstance(token, dict) or not isinstance(token.get("content"), str):
        raise GgufError(f"added token {str(token_id)[:20]} has no content", file.path)
    if not token["content"]:
        return
    special = token.get("special") is True
    put(vocabulary, token["content"], token_id, TokenType.CONTROL if special else TokenType.USER_DEFINED, file)
    lost = [key for key in ("lstrip", "rstrip", "single_word") if token.get(key) is True]
    if lost:
        vocabulary.notes.append(f"token '{token['content'][:40]}': {', '.join(lost)} cannot be said in GGUF, and is lost")


def _read_template(document: JsonFile, vocabulary: Vocabulary) -> None:
    """What stands before and behind the text where special tokens are asked for."""
    for step in steps(document.at("post_processor"), "processors"):
        if step["type"] == "ByteLevel":
            continue
        if step["type"] != "TemplateProcessing" or not isinstance(step.get("single"), list):
            raise GgufError(f"the post_processor {step['type'][:40]} is not supported; TemplateProcessing is", document.path)
        sides: list[list[str]] = [[], []]
        behind = False
        for item in step["single"]:
            token = item.get("SpecialToken") if isinstance(item, dict) else None
            if isinstance(token, dict) and isinstance(token.get("id"), str):
                sides[behind].append(token["id"])
            elif isinstance(item, dict) and "Sequence" in item and not behind:
                behind = True
            else:
                raise GgufError("the post_processor's 'single' holds what is neither the text nor a special token", document.path)
        for name, side in zip(("bos", "eos"), sides):
            if len(side) > 1 or (side and vocabulary.find(side[0]) is None):
                raise GgufError(f"the post_processor adds {len(side)} tokens, or one that is none, as {name}", document.path)
            if side:
                vocabulary.ids[name] = vocabulary.tokens.index(side[0])
        vocabulary.add_bos, vocabulary.add_eos = bool(sides[0]), bool(sides[1])


def read_byte_level(document: JsonFile) -> Vocabulary:
    """raises  GgufError"""
    vocabulary = Vocabulary("gpt2", _pre_tokenizer(document))
    normalizers = [s["type"] for s in steps(document.at("normalizer"), "normalizers")]
    if normalizers not in ([], ["NFC"]):
        raise GgufError(f"the normalizer ({', '.join(normalizers)[:60]}) is not supported; none and NFC are", document.path)
    if normalizers:
        vocabulary.notes.append("normalizer: GGUF files cannot say NFC; text that is not composed gets other tokens")
    _read_model(document.part("model"), vocabulary)
    added = document.at("added_tokens")
    for token in added if isinstance(added, list) else []:
        add_token(vocabulary, token, token.get("id") if isinstance(token, dict) else None, document)
    _read_template(document, vocabulary)
    return vocabulary
