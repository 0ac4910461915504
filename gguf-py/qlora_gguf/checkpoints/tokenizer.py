"""The tokenizer of a Hugging Face directory: tokenizer.json or tokenizer.model give the tokens, tokenizer_config.json names
bos, eos and padding and may change added tokens, generation_config.json and config.json name what ends a reply."""
from __future__ import annotations

import os
from typing import Any

from ..errors import GgufError
from ..files import read_small
from ..json_file import JsonFile
from .byte_level import add_token, is_byte_level, read_byte_level
from .sentence_piece import read_sentence_piece
from .vocabulary import TokenType, Vocabulary

_MAX_MODEL = 1 << 26
_NAMED = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}


def _optional(directory: str, name: str) -> JsonFile:
    path = os.path.join(directory, name)
    return JsonFile.open(path) if os.path.exists(path) else JsonFile(path, {})


def _text(token: Any) -> str:
    """A token as a string, or as {"content": ...}."""
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else ""


def _read_config(config: JsonFile, vocabulary: Vocabulary) -> None:
    added = config.at("added_tokens_decoder")
    for key, token in added.items() if isinstance(added, dict) else []:
        add_token(vocabulary, token, int(key) if key.isascii() and key.isdigit() and len(key) < 10 else None, config)
    for key, name in _NAMED.items():
        text = _text(config.at(key))
        if not text:
            continue
        token_id = vocabulary.find(text)
        if token_id is None:
            vocabulary.notes.append(f"{key} '{text[:40]}' is not in the vocabulary, and is passed over")
            continue
        adds = {"bos": vocabulary.add_bos, "eos": vocabulary.add_eos}.get(name, False)
        if vocabulary.model == "gpt2" and adds and vocabulary.ids.get(name, token_id) != token_id:
            raise GgufError(f"{key} is token {token_id}, but tokenizer.json adds {vocabulary.ids[name]}", config.path)
        vocabulary.ids[name] = token_id
        if vocabulary.types[token_id] != TokenType.UNKNOWN:
            vocabulary.types[token_id] = TokenType.CONTROL
    vocabulary.add_bos = config.flag("add_bos_token", vocabulary.add_bos)
    vocabulary.add_eos = config.flag("add_eos_token", vocabulary.add_eos)
    if vocabulary.model == "llama":
        vocabulary.add_space_prefix = config.flag("add_prefix_space", vocabulary.add_space_prefix)


def _read_ends(directory: str, vocabulary: Vocabulary) -> None:
    """The first file that names any ends a reply; GGUF has places for two, eos and eot."""
    for name in ("generation_config.json", "config.json"):
        ids = _optional(directory, name).at("eos_token_id")
        if ids is None:
            continue
        marked = (TokenType.CONTROL, TokenType.USER_DEFINED)
        ends = [i for i in (ids if isinstance(ids, list) else [ids])
                if isinstance(i, int) and not isinstance(i, bool) and 0 <= i < len(vocabulary.tokens)
                and vocabulary.types[i] in marked]
        if ends and "eos" not in vocabulary.ids:
            vocabulary.ids["eos"] = ends[0]
        others = [i for i in ends if i != vocabulary.ids.get("eos")]
        if others:
            vocabulary.ids["eot"] = others[0]
        if len(others) > 1:
            vocabulary.notes.append(f"{name}: GGUF has places for two tokens that end a reply; {others[1:]} are not said")
        return


def read_tokenizer(directory: str, n_vocab: int) -> Vocabulary | None:
    """None where the directory has no tokenizer.    raises  OSError, GgufError"""
    path, model = os.path.join(directory, "tokenizer.json"), os.path.join(directory, "tokenizer.model")
    document = JsonFile.open(path) if os.path.exists(path) else None
    try:
        if document is not None and is_byte_level(document):
            vocabulary = read_byte_level(document)
        elif os.path.exists(model):
            vocabulary = read_sentence_piece(read_small(model, _MAX_MODEL), model)
        elif document is not None:
            raise GgufError("is no byte-level tokenizer, and GGUF needs the scores of tokenizer.model, which is missing", path)
        else:
            return None
        _read_config(_optional(directory, "tokenizer_config.json"), vocabulary)
        _read_ends(directory, vocabulary)
        vocabulary.fill(n_vocab)
    except GgufError as e:
        raise e.of(directory) from None
    for name in ("bos", "eos"):
        if (vocabulary.add_bos if name == "bos" else vocabulary.add_eos) and name not in vocabulary.ids:
            raise GgufError(f"the tokenizer adds a {name} token but has none", directory)
    return vocabulary
