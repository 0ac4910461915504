"""A chat that grows: each turn reads only the text that the session's cache does not hold yet."""
from __future__ import annotations

import datetime
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ._native import needed
from .errors import Error, InvalidArgument
from .session import Session

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .session import Generation

ROOM_FOR_ANSWER = 32  # fewer tokens than this hold no answer: forget a turn instead


class Chat:
    """A conversation with the session's model. `messages` is what was said so far."""

    def __init__(self, session: Session, system: str = "", *, chat_template: str | None = None, date: str | None = None,
                 chat_template_kwargs: Mapping[str, Any] | None = None) -> None:
        """chat_template: Jinja text; None: that of the session's last adapter that has one, else the model's.
        date: what the template is told, YYYY-MM-DD; None: today. chat_template_kwargs: values that the template reads by name;
        None: those that the adapter with the template was trained with."""
        self.session = needed(session, Session, "Chat: a Session")
        self.messages: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
        own = next((a for a in reversed(session.adapters) if a.chat_template or a.chat_template_kwargs), None)
        own = own if chat_template is None else None
        self._template = chat_template or (own.chat_template if own else "") or None
        self._kwargs = chat_template_kwargs if chat_template_kwargs is not None else own.chat_template_kwargs if own else {}
        self._date = date or datetime.date.today().isoformat()
        self._cached = ""  # the text whose tokens the session has read
        self._cached_end = False  # and the end-of-turn token behind it

    def ask(self, message: str, **options: Unpack[Generation]) -> str:
        """The answer to a message. Options as Session.generate has them."""
        return "".join(self.stream(message, **options))

    def stream(self, message: str, **options: Unpack[Generation]) -> Generator[str, None, None]:
        """The answer, piece by piece. Leaving the loop stops the model; what it has said until then stays said."""
        messages = [*self.messages, {"role": "user", "content": message}]
        tokens, messages, text = self._question(messages)
        answer, ended = "", False
        stream = self.session.stream(tokens, **options)
        before, self.messages = self.messages, messages
        self._cached = ""  # until the answer is there: after a failure the next turn starts over
        try:
            while True:
                token = next(stream)
                answer += token.piece
                ended = self._is_end(token.token)
                if token.piece:
                    yield token.piece
        except StopIteration as end:
            rest = end.value.text[len(answer):] if end.value else ""  # a character that was cut short
            answer += rest
            self._cached, self._cached_end = text + answer, ended
            if rest:
                yield rest
        except Error:
            self.messages = before  # nothing was said
            raise
        finally:
            stream.close()
            if self.messages is messages:
                self.messages.append({"role": "assistant", "content": answer})

    def _is_end(self, token: int) -> bool:
        return self.session.model.tokenizer.is_end(token)

    def _render(self, messages: list[dict[str, str]]) -> str:
        return self.session.model.render_chat(messages, chat_template=self._template, date=self._date,
                                              chat_template_kwargs=self._kwargs)

    def _question(self, messages: list[dict[str, str]]) -> tuple[np.ndarray, list[dict[str, str]], str]:
        """The tokens that the session has to read, the messages that are left, and the whole text."""
        text = self._render(messages)
        with self.session.model.tokenizer as tokenizer:
            if self._cached and text.startswith(self._cached):
                tokens = tokenizer.encode(text[len(self._cached):], parse_special=True, continues=not self._cached_end)
                if self._cached_end and len(tokens) and tokenizer.is_end(tokens[0]):
                    tokens = tokens[1:]
                if self.session.position + len(tokens) + ROOM_FOR_ANSWER <= self.session.ctx:
                    return tokens, messages, text
            first = 1 if messages[0]["role"] == "system" else 0
            tokens = tokenizer.encode_prompt(text)
            while len(tokens) + ROOM_FOR_ANSWER > self.session.ctx and len(messages) > first + 2:
                messages = messages[:first] + messages[first + 2:]  # without the oldest question and its answer
                text = self._render(messages)
                tokens = tokenizer.encode_prompt(text)
        if len(tokens) > self.session.ctx:
            raise InvalidArgument(f"the message has {len(tokens)} tokens, the context {self.session.ctx}")
        self.session.reset()
        return tokens, messages, text
