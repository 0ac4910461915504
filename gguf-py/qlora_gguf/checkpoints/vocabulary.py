"""A tokenizer's vocabulary as GGUF files hold it (tokenizer.ggml.*)."""
from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np

from ..errors import GgufError
from ..gguf import Writer


class TokenType(enum.IntEnum):
    """GGUF's numbers."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3  # matched in text only where special tokens are parsed
    USER_DEFINED = 4  # always matched in text
    UNUSED = 5
    BYTE = 6  # "<0x41>"


@dataclass
class Vocabulary:
    model: str  # "gpt2": byte-level BPE; "llama": SentencePiece
    pre: str  # the name of the pre-tokenizer
    tokens: list[str] = field(default_factory=list)
    types: list[TokenType] = field(default_factory=list)
    scores: list[float] | None = None  # of SentencePiece
    merges: list[str] | None = None  # of BPE
    ids: dict[str, int] = field(default_factory=dict)  # bos, eos, eot, unknown, padding
    add_bos: bool = False
    add_eos: bool = False
    add_space_prefix: bool = False
    notes: list[str] = field(default_factory=list)  # what the files say that GGUF cannot, for people

    def find(self, text: str) -> int | None:
        return self.tokens.index(text) if text in self.tokens else None

    def put(self, text: str, token_id: int, kind: TokenType) -> None:
        """raises  GgufError: another token has the id"""
        while len(self.tokens) <= token_id:
            self.tokens.append("")
            self.types.append(TokenType.UNUSED)
            if self.scores is not None:
                self.scores.append(-1000.0)
        if self.tokens[token_id] not in ("", text):
            raise GgufError(f"tokens '{self.tokens[token_id][:40]}' and '{text[:40]}' have the same id {token_id}")
        self.tokens[token_id], self.types[token_id] = text, kind

    def fill(self, n: int) -> None:
        """Gives ids without a token a name that no text has, up to the rows of the embedding."""
        if len(self.tokens) > n:
            raise GgufError(f"the tokenizer has {len(self.tokens)} tokens, the model's embedding {n}")
        known = set(self.tokens)
        for i in range(n):
            if i < len(self.tokens) and self.tokens[i]:
                continue
            name = f"[PAD{i}]"
            if name in known:
                raise GgufError(f"token {i} has no text, and its name '{name}' is another token's")
            self.put(name, i, TokenType.UNUSED)

    def write_keys(self, w: Writer) -> None:
        w.set_str("tokenizer.ggml.model", self.model)
        w.set_str("tokenizer.ggml.pre", self.pre)
        w.set_strings("tokenizer.ggml.tokens", self.tokens)
        if self.scores is not None:
            w.set_array("tokenizer.ggml.scores", np.array(self.scores, dtype=np.float32))
        w.set_array("tokenizer.ggml.token_type", np.array(self.types, dtype=np.int32))
        if self.merges is not None:
            w.set_strings("tokenizer.ggml.merges", self.merges)
        for name, token_id in self.ids.items():
            w.set_int(f"tokenizer.ggml.{name}_token_id", token_id)
        w.set_bool("tokenizer.ggml.add_bos_token", self.add_bos)
        w.set_bool("tokenizer.ggml.add_eos_token", self.add_eos)
        w.set_bool("tokenizer.ggml.add_space_prefix", self.add_space_prefix)
