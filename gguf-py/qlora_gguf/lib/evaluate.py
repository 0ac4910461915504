"""The loss of a model, with or without adapters, on a dataset or a text, and what it chooses of several answers.

on_window, if given, is called after each window (of a text, of choices) or packed sequence (of a dataset) with how far the evaluation is.
What it raises stops the evaluation, and so does Ctrl-C, with or without it."""
from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, TypeVar

from . import _structs as s
from ._convert import Options, data_of, describe, field_types, path_bytes, record
from ._library import capi
from ._native import needed
from ._records import Choices, Evaluated, Nll
from ._run import Run, finish
from .adapter import Adapters, applied
from .dataset import Dataset
from .device import Device, default_device
from .model import Model

OnWindow = Callable[[Evaluated], Any]
Result = TypeVar("Result")
_CALLBACK = field_types(s.ql_evaluate_options)["on_window"]


def evaluate(model: Model, data: Dataset, adapters: Adapters = None, *, ctx: int = 0, memory: int = 0,
             device: Device | None = None, on_window: OnWindow | None = None) -> Nll:
    """Mean NLL (nats) of a dataset's trained tokens. ctx 0: min(512, the model's); of longer samples the first ctx count.
    memory: bytes that the process may take; 0: no limit. What does not fit of the weights is read from the model's file."""
    samples = needed(data, Dataset, "evaluate: a Dataset")._use()
    return _evaluate(Nll, s.ql_nll, capi.ql_evaluate_dataset, model, adapters, device, on_window,
                     Options(s.ql_evaluate_options, {"ctx": ctx, "memory": memory}, "evaluate"), samples)


def evaluate_text(model: Model, text: str | bytes, adapters: Adapters = None, *, ctx: int = 0, stride: int = 0,
                  count: Literal["each", "llama_cpp"] = "each", memory: int = 0, device: Device | None = None,
                  on_window: OnWindow | None = None) -> Nll:
    """Mean NLL of a text in windows of ctx tokens that advance by `stride` (0: ctx); ctx 0: min(512, the model's). count: each token
    once, or as llama-perplexity does it: of windows side by side the second half. memory: as of evaluate()."""
    data = data_of(text, "evaluate_text: text")
    given = Options(s.ql_evaluate_options, {"ctx": ctx, "stride": stride, "count": count, "memory": memory}, "evaluate_text")
    return _evaluate(Nll, s.ql_nll, capi.ql_evaluate_text, model, adapters, device, on_window, given, nullcontext(data), len(data))


def evaluate_choices(model: Model, path: str | os.PathLike[str], adapters: Adapters = None, *, ctx: int = 0, memory: int = 0,
                     device: Device | None = None, on_window: OnWindow | None = None) -> Choices:
    """Multiple choice: for how many of a file's questions the right choice is the most probable one. path: .jsonl or .json (or
    .gz) of {"question": text, "choices": [text, ...], "answer": a choice's number, from 0, or its text}. ctx, memory: as of
    evaluate(); each choice with its question must fit in ctx."""
    given = Options(s.ql_evaluate_options, {"ctx": ctx, "memory": memory}, "evaluate_choices")
    return _evaluate(Choices, s.ql_choices, capi.ql_evaluate_choices, model, adapters, device, on_window, given,
                     nullcontext(path_bytes(path)))


def _evaluate(result: type[Result], struct: Any, function: Any, model: Model, adapters: Adapters, device: Device | None,
              on_window: OnWindow | None, given: Options, source: AbstractContextManager[Any], *sizes: int) -> Result:
    needed(model, Model, "evaluate: a Model")
    where = device or default_device()

    def call(run: Run) -> Result:
        def window(_: Any, so_far: Any) -> int:
            try:
                return run.give(record(Evaluated, so_far.contents)) if on_window else int(run.stopping)
            except BaseException as e:
                return run.fail(e)

        given.point("on_window", _CALLBACK(window))
        with source as data, model._use() as base, where._use() as on, applied(adapters) as (pointers, factors, n):
            return describe(result, struct, function, base, on, pointers, factors, n, data, *sizes, given.pointer)

    found: Result = finish(Run(call), on_window)
    return found
