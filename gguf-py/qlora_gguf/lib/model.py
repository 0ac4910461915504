"""Language models: opened once, shared by everything that is made from them."""
from __future__ import annotations

import ctypes
import itertools
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _structs as s
from ._convert import Options, describe, owned_text, path_bytes, text_bytes, text_of
from ._library import capi, check
from ._native import Handle, Native
from ._records import ModelInfo
from .errors import InvalidArgument
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from ._records import ModelOptions


class Model(Handle):
    """A GGUF file (the first of a sharded one) or a Hugging Face directory."""

    def __init__(self, path: str | os.PathLike[str], **options: Unpack[ModelOptions]) -> None:
        """base_type "keep", "auto" (a model in 16 or 32 bits becomes nf4_dq) or a dtype's name; embedding_type """
        given = Options(s.ql_model_options, options, "Model")
        pointer = ctypes.c_void_p()
        check(capi.ql_model_open(path_bytes(path), given.pointer, ctypes.byref(pointer)))
        self._own(Native("the model", pointer.value, capi.ql_model_close))

    @property
    def info(self) -> ModelInfo:
        with self._use() as model:
            return describe(ModelInfo, s.ql_model_info, capi.ql_model_describe, model)

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer, which keeps the model's memory as long as it lives."""
        with self._use() as model:
            pointer = capi.ql_model_tokenizer(model)
            if not pointer:
                raise InvalidArgument("the model has no tokenizer")
            return Tokenizer._of_model(self._open_native(), pointer)

    @property
    def chat_template(self) -> str:
        """The chat template (Jinja), "" where there is none."""
        with self._use() as model:
            return text_of(capi.ql_model_chat_template(model))

    @property
    def notes(self) -> list[str]:
        """What the files say that is not followed, and matrices that could not take the requested type."""
        with self._use() as model:
            notes = (capi.ql_model_note(model, i) for i in itertools.count())
            return [text_of(n) for n in itertools.takewhile(lambda n: n is not None, notes)]

    def render_chat(self, messages: Sequence[Mapping[str, str]], *, chat_template: str | None = None,
                    date: str | None = None, chat_template_kwargs: Mapping[str, Any] | None = None) -> str:
        """A conversation ([{"role": ..., "content": ...}, ...]) as text that ends where the assistant's answer begins.

        chat_template: Jinja text, None: the model's own. date: what the template is told, YYYY-MM-DD, None: today.
        chat_template_kwargs: values that the template reads by name, such as {"enable_thinking": False}."""
        kwargs = json.dumps(dict(chat_template_kwargs)) if chat_template_kwargs else None
        given = Options(s.ql_chat_options, {"chat_template": chat_template, "date": date, "chat_template_kwargs": kwargs},
                        "render_chat")
        for i, message in enumerate(messages):
            if set(message) != {"role", "content"}:
                raise InvalidArgument(f"render_chat: message {i} has {', '.join(message) or 'no keys'}; role and content are "
                                      "needed")
        texts = [[text_bytes(m[key], f"render_chat: {key} of message {i}") for i, m in enumerate(messages)]
                 for key in ("role", "content")]
        roles, contents = ((ctypes.c_char_p * len(t))(*t) for t in texts)
        text = ctypes.c_void_p()
        with self._use() as model:
            check(capi.ql_chat_render(model, given.pointer, roles, contents, len(messages), ctypes.byref(text)))
        return owned_text(text)


def read_chat_template(name_or_file: str | os.PathLike[str]) -> str:
    """The Jinja text of a built-in template ("chatml"), else of a file."""
    text = ctypes.c_void_p()
    check(capi.ql_chat_template_read(path_bytes(name_or_file, "read_chat_template"), ctypes.byref(text)))
    return owned_text(text)
