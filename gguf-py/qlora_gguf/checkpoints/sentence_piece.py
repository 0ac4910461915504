"""SentencePiece's tokenizer.model: protocol buffers, of which fields of numbers, of 4 and 8 bytes, and of a length and bytes are
read; field numbers are those of sentencepiece_model.proto."""
from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import GgufError
from ..files import Path
from .vocabulary import TokenType, Vocabulary


class _Broken(Exception):
    pass


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise _Broken
        value |= (data[at] & 0x7f) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise _Broken


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number of the field, its value where it is a number, its bytes where it has some."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind, value, text = key & 7, 0, b""
        if kind == 0:
            value, at = _varint(data, at)
        elif kind in (1, 2, 5):
            size = {1: 8, 5: 4}.get(kind, 0)
            if kind == 2:
                size, at = _varint(data, at)
            if size > len(data) - at:
                raise _Broken
            text = data[at:at + size]
            at += size
        else:
            raise _Broken
        yield key >> 3, value, text


@dataclass
class _Settings:
    algorithm: int = 1  # 1 unigram, 2 BPE
    suffix: int = 0
    unknown: int = 0
    bos: int = 1
    eos: int = 2
    padding: int = -1
    rules: bool = False
    prefix: int = 1
    removes_spaces: int = 1
    escapes_spaces: int = 1

    _TRAINER = {3: "algorithm", 24: "suffix", 40: "unknown", 41: "bos", 42: "eos", 43: "padding"}
    _NORMALIZER = {3: "prefix", 4: "removes_spaces", 5: "escapes_spaces"}

    def read(self, message: bytes, names: dict[int, str]) -> None:
        for number, value, text in _fields(message):
            if number in names:
                value &= 0xffffffff
                setattr(self, names[number], value - (1 << 32) if value >> 31 else value)
            elif number == 2 and names is self._NORMALIZER:
                self.rules = bool(text)

    def unsupported(self) -> str:
        if self.algorithm != 2:
            return "another algorithm than BPE (its trainer_spec.model_type)"
        if self.suffix:
            return "treat_whitespace_as_suffix"
        if self.rules:
            return "a normalizer with rules (precompiled_charsmap)"
        if self.removes_spaces:
            return "remove_extra_whitespaces"
        return "" if self.escapes_spaces else "escape_whitespaces false"


def _read_piece(message: bytes, vocabulary: Vocabulary) -> None:
    text, score, kind = b"", 0.0, 1
    for number, value, data in _fields(message):
        if number == 1:
            text = data
        elif number == 2 and len(data) == 4:
            score = float(struct.unpack("<f", data)[0])
        elif number == 3:
            kind = value
    if not 1 <= kind <= 6:  # the numbers are GGUF's
        raise GgufError(f"piece {len(vocabulary.tokens)} has no known type")
    assert vocabulary.scores is not None
    vocabulary.tokens.append(text.decode("utf-8", "surrogateescape"))
    vocabulary.types.append(TokenType(kind))
    vocabulary.scores.append(score)


def read_sentence_piece(data: bytes, path: Path) -> Vocabulary:
    """raises  GgufError"""
    vocabulary, settings = Vocabulary("llama", "default", scores=[], add_bos=True), _Settings()
    try:
        for number, _, message in _fields(data):
            if number == 1:
                _read_piece(message, vocabulary)
            elif number == 2:
                settings.read(message, _Settings._TRAINER)
            elif number == 3:
                settings.read(message, _Settings._NORMALIZER)
    except _Broken:
        raise GgufError("is no SentencePiece model, or is cut short", path) from None
    except GgufError as e:
        raise GgufError(e.what, path) from None
    if not vocabulary.tokens or settings.unsupported():
        raise GgufError(f"{settings.unsupported() or 'a vocabulary of 0 tokens'} is not supported", path)
    for name in ("bos", "eos", "unknown", "padding"):
        token_id = getattr(settings, name)
        if 0 <= token_id < len(vocabulary.tokens):
            vocabulary.ids[name] = token_id
    vocabulary.add_bos = "bos" in vocabulary.ids
    vocabulary.add_space_prefix = bool(settings.prefix)
    return vocabulary
