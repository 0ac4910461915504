"""Text to tokens and back. A tokenizer does not change and may be used by several threads."""
from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence

import numpy as np

from . import _structs as s
from ._convert import data_of, integer, path_bytes, pointer_to, tokens_of
from ._library import capi, check
from ._native import Handle, Native

_FLAGS = s.ENUMS["ql_tokenize_flags"]


class Tokenizer(Handle):
    """A GGUF file's or a Hugging Face directory's tokenizer. A model has its own: Model.tokenizer."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        pointer = ctypes.c_void_p()
        check(capi.ql_tokenizer_open(path_bytes(path), ctypes.byref(pointer)))
        self._own(Native("the tokenizer", pointer.value, capi.ql_tokenizer_free))

    @classmethod
    def _of_model(cls, model: Native, pointer: int) -> Tokenizer:
        tokenizer = cls.__new__(cls)
        tokenizer._own(Native("the tokenizer", pointer, lambda _: None, (model,)))
        return tokenizer

    def encode(self, text: str | bytes, *, add_special: bool = False, parse_special: bool = False,
               continues: bool = False) -> np.ndarray:
        """The tokens (int32) of a text.

        add_special: BOS and EOS where the model wants them. parse_special: control tokens written in the text become
        those tokens; leave it off for text of unknown origin. continues: the text goes on behind another."""
        return self._tokenize(text, add_special, parse_special, continues, False)[0]

    def encode_spans(self, text: str | bytes, *, add_special: bool = False, parse_special: bool = False,
                     continues: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The tokens, and for each the bytes of the UTF-8 text that it stands for: [n, 2], begin and end."""
        return self._tokenize(text, add_special, parse_special, continues, True)

    def _tokenize(self, text: str | bytes, add: bool, parse: bool, continues: bool, spans: bool) -> tuple[np.ndarray, np.ndarray]:
        data, n = data_of(text, "encode: text"), ctypes.c_int64()
        flags = (add * _FLAGS["QL_TOKENIZE_ADD_SPECIAL"] | parse * _FLAGS["QL_TOKENIZE_PARSE_SPECIAL"]
                 | continues * _FLAGS["QL_TOKENIZE_CONTINUE"])
        with self._use() as tokenizer:
            check(capi.ql_tokenize(tokenizer, data, len(data), flags, None, None, 0, ctypes.byref(n)))
            tokens = np.empty(n.value, np.int32)
            places = np.empty((n.value if spans else 0, 2), np.uintp)
            check(capi.ql_tokenize(tokenizer, data, len(data), flags, pointer_to(tokens, ctypes.c_int32),
                                   pointer_to(places, s.ql_token_span) if spans else None, n.value, ctypes.byref(n)))
        return tokens, places.astype(np.int64)

    def encode_prompt(self, text: str | bytes) -> np.ndarray:
        """The tokens of what a model is asked: special tokens count, behind a BOS where the model wants one."""
        tokens = self.encode(text, parse_special=True)
        if self.adds_bos and self.bos >= 0 and (len(tokens) == 0 or tokens[0] != self.bos):
            tokens = np.concatenate([np.array([self.bos], np.int32), tokens])
        return tokens

    def decode_bytes(self, tokens: Sequence[int] | np.ndarray, *, render_special: bool = False) -> bytes:
        """The bytes of tokens. render_special: control tokens appear by their names; else they are left out."""
        ids, size = tokens_of(tokens, "decode: tokens"), ctypes.c_size_t()
        flags = render_special * _FLAGS["QL_DETOKENIZE_RENDER_SPECIAL"]
        pointer = pointer_to(ids, ctypes.c_int32)
        with self._use() as tokenizer:
            check(capi.ql_detokenize(tokenizer, pointer, len(ids), flags, None, 0, ctypes.byref(size)))
            text = ctypes.create_string_buffer(size.value + 1)
            check(capi.ql_detokenize(tokenizer, pointer, len(ids), flags, text, size.value, ctypes.byref(size)))
        return text.raw[:size.value]

    def decode(self, tokens: Sequence[int] | np.ndarray, *, render_special: bool = False) -> str:
        """The text of tokens; bytes that are no UTF-8 become U+FFFD."""
        return self.decode_bytes(tokens, render_special=render_special).decode("utf-8", "replace")

    def piece(self, token: int) -> bytes:
        """The bytes of one token as they stand in running text; they may end inside of a character."""
        data, size = ctypes.c_char_p(), ctypes.c_size_t()
        with self._use() as tokenizer:
            check(capi.ql_token_piece(tokenizer, integer(token, ctypes.c_int32, "piece: token"), ctypes.byref(data),
                                      ctypes.byref(size)))
            return ctypes.string_at(ctypes.cast(data, ctypes.c_void_p), size.value)

    def is_end(self, token: int) -> bool:
        """Whether the model has ended its reply with this token."""
        with self._use() as tokenizer:
            return bool(capi.ql_tokenizer_is_end(tokenizer, integer(token, ctypes.c_int32, "is_end: token")))

    def _number(self, name: str) -> int:
        with self._use() as tokenizer:
            return int(getattr(capi, f"ql_tokenizer_{name}")(tokenizer))

    def __len__(self) -> int:
        return self._number("n_tokens")

    @property
    def bos(self) -> int:
        """Begins a text; -1 where the model has none, as in the next three."""
        return self._number("bos")

    @property
    def eos(self) -> int:
        """Ends a text."""
        return self._number("eos")

    @property
    def eot(self) -> int:
        """Ends a turn of a chat."""
        return self._number("eot")

    @property
    def padding(self) -> int:
        return self._number("padding")

    @property
    def adds_bos(self) -> bool:
        """Whether the model wants a BOS before a text."""
        return bool(self._number("adds_bos"))
