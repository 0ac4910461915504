"""Inference: a session holds a model, adapters and a cache, and goes on from what it has read."""
from __future__ import annotations

import ctypes
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from . import _structs as s
from ._convert import Options, describe, field_types, pointer_to, real, record, text_of, tokens_of
from ._library import capi, check
from ._native import Handle, Native, needed
from ._records import GenerateResult, InferenceInfo
from ._run import Run, finish
from .adapter import Adapters, applied, weighted
from .device import Device, default_device
from .errors import Closed, InvalidArgument
from .model import Model

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._records import GenerateOptions, Sampling, SessionOptions

    class Generation(GenerateOptions, Sampling):
        """Options of generate() and stream()."""

PIECE = 512  # tokens that the library reads at once: between pieces of a long prompt Python sees Ctrl-C
Prompt = Union[str, Sequence[int], np.ndarray]
_ON_TOKEN = field_types(s.ql_generate_options)["on_token"]


@dataclass(frozen=True)
class Token:
    """A generated token."""

    token: int
    logprob: float
    piece: str  # the text that became complete with it; may be empty
    top: tuple[tuple[int, float], ...]  # the n_top most probable tokens and their logprobs, best first


class _Logits:
    """The session's memory as NumPy sees it: views hold this object, and it holds the session's memory."""

    def __init__(self, native: Native, address: int, n: int) -> None:
        self._native: Native | None = None
        native.hold()
        self._native = native
        self.address = address
        self.__array_interface__ = {"data": (address, True), "shape": (n,), "typestr": np.dtype(np.float32).str, "version": 3}

    def __del__(self) -> None:
        if self._native is not None:
            self._native.release()


class Session(Handle):
    """One sequence of tokens, used by one thread at a time."""

    def __init__(self, model: Model, adapters: Adapters = None, *, device: Device | None = None,
                 **options: Unpack[SessionOptions]) -> None:
        """ctx 0 (min(2048, the model's)), cache_type "f16" or "f32", memory 0 (bytes that the process may take: no limit);
        adapters: one, a pair (adapter, factor), or several of either"""
        given = Options(s.ql_session_options, options, "Session")
        device = device or default_device()
        adapters = weighted(adapters)
        pointer, info = ctypes.c_void_p(), needed(model, Model, "Session: a Model").info
        self._model: Model | None = model
        self.adapters = [a for a, _ in adapters]
        self._n_vocab, self.ctx = info.n_vocab, given.struct.ctx or min(2048, info.n_ctx)
        self._logits: _Logits | None = None
        with model._use() as base, device._use() as where, applied(adapters) as (pointers, factors, n):
            given.point("adapters", ctypes.cast(pointers, ctypes.POINTER(ctypes.c_void_p)))
            given.point("adapter_scales", ctypes.cast(factors, ctypes.POINTER(ctypes.c_float)))
            given.point("n_adapters", n)
            check(capi.ql_session_create(base, where, given.pointer, ctypes.byref(pointer)))
            parts = (model, device, *self.adapters)
            self._own(Native("the session", pointer.value, capi.ql_session_free, tuple(p._open_native() for p in parts)))

    def close(self) -> None:
        self._logits, self._model, self.adapters = None, None, []
        super().close()

    @property
    def model(self) -> Model:
        if self._model is None:
            raise Closed("Session is closed")
        return self._model

    @property
    def info(self) -> InferenceInfo:
        """What it takes of memory, and reads, as it was planned."""
        with self._use(exclusive=True) as session:
            return describe(InferenceInfo, s.ql_inference_info, capi.ql_session_describe, session)

    @property
    def position(self) -> int:
        """Tokens in the cache."""
        with self._use(exclusive=True) as session:
            return int(capi.ql_session_position(session))

    def reset(self) -> None:
        """Forgets everything that was read."""
        with self._use(exclusive=True) as session:
            capi.ql_session_reset(session)

    def set_adapter_scales(self, scales: Sequence[float]) -> None:
        """Applies the session's adapters with other scales, one for each; 0 switches one off. What was read is forgotten where
        they change."""
        values = (ctypes.c_float * len(scales))(*(real(scale, "set_adapter_scales: scale") for scale in scales))
        with self._use(exclusive=True) as session:
            check(capi.ql_session_set_adapter_scales(session, values, len(scales)))

    def eval(self, tokens: Sequence[int] | np.ndarray) -> np.ndarray:
        """Reads tokens that follow those read before; the logits (float32, [n_vocab]) of the token after them.

        The array is a read-only view of the session's memory, not a copy. The next call that reads or generates
        overwrites its values: copy() what is to stay. The view itself stays valid, also after close()."""
        ids = tokens_of(tokens, "eval: tokens")
        self._check_room(len(ids))
        for first in range(0, max(len(ids), 1), PIECE):
            view = self._eval(ids[first:first + PIECE])
        return view

    def _check_room(self, n: int) -> None:
        if self.position + n > self.ctx:
            raise InvalidArgument(f"{n} tokens do not fit: {self.position} of the context of {self.ctx} are taken; "
                                  "choose a larger ctx, or reset() the session")

    def _eval(self, ids: np.ndarray) -> np.ndarray:
        logits = ctypes.POINTER(ctypes.c_float)()
        with self._use(exclusive=True) as session:
            check(capi.ql_session_eval(session, pointer_to(ids, ctypes.c_int32), len(ids), ctypes.byref(logits)))
            address = ctypes.cast(logits, ctypes.c_void_p).value or 0
            if self._logits is None or self._logits.address != address:
                self._logits = _Logits(self._open_native(), address, self._n_vocab)
            view: np.ndarray = np.asarray(self._logits)
            return view

    def _tokens(self, prompt: Prompt) -> np.ndarray:
        if isinstance(prompt, str):
            with self.model.tokenizer as tokenizer:
                return tokenizer.encode_prompt(prompt)
        return tokens_of(prompt, "prompt")

    def generate(self, prompt: Prompt, **options: Unpack[Generation]) -> GenerateResult:
        """Reads a prompt, a text or tokens, and generates. n_predict -1 (until the end), temperature 0.8, top_k 40,
        top_p 0.95, min_p 0.05, repeat_penalty 1, seed 42. Ctrl-C stops after a token; the session has read it."""
        result: GenerateResult = finish(self._run(prompt, options, False))
        return result

    def stream(self, prompt: Prompt, **options: Unpack[Generation]) -> Generator[Token, None, GenerateResult]:
        """The same, a token each; `n_top` asks for the most probable ones. Whoever leaves the loop stops the model there."""
        run = self._run(prompt, options, True)  # now: what is wrong is said before the first token is asked for
        return run.items()

    def _run(self, prompt: Prompt, options: Any, tokens_wanted: bool) -> Run:
        given = Options(s.ql_generate_options, options, "generate", "sampling")
        ids = self._tokens(prompt)
        self._check_room(len(ids))
        return Run(lambda run: self._generate(run, ids, given, tokens_wanted))

    def _generate(self, run: Run, ids: np.ndarray, given: Options, tokens_wanted: bool) -> GenerateResult | None:
        def generated(_: Any, token: Any) -> int:
            try:
                return run.give(_token(token.contents)) if tokens_wanted else int(run.stopping)
            except BaseException as e:
                return run.fail(e)

        given.point("on_token", _ON_TOKEN(generated))
        result = s.ql_generate_result()
        result.size = ctypes.sizeof(result)
        n_before = max(len(ids) - 1, 0) // PIECE * PIECE  # the last piece, never empty, is the library's
        start = time.perf_counter()
        for first in range(0, n_before, PIECE):
            if run.stopping:
                return None
            self._eval(ids[first:first + PIECE])
        before = time.perf_counter() - start
        rest = ids[n_before:]
        with self._use(exclusive=True) as session:
            check(capi.ql_generate(session, pointer_to(rest, ctypes.c_int32), len(rest), given.pointer, ctypes.byref(result)))
            made = record(GenerateResult, result)
        return replace(made, n_prompt=len(ids), prompt_seconds=made.prompt_seconds + before)


def _token(token: s.ql_generated) -> Token:
    return Token(token.token, token.logprob, text_of(token.piece), tuple((t.id, t.logprob) for t in token.top[:token.n_top]))
