"""The loss of a model, with or without adapters, on a dataset or a text."""
from __future__ import annotations

import ctypes
from typing import Any

from . import _structs as s
from ._convert import describe, integer
from ._library import capi
from ._native import needed
from ._records import Nll
from .adapter import Adapters, applied
from .dataset import Dataset
from .device import Device, default_device
from .model import Model


def evaluate(model: Model, data: Dataset, adapters: Adapters = None, *, ctx: int = 0, device: Device | None = None) -> Nll:
    """Mean NLL (nats) of a dataset's trained tokens. ctx 0: min(512, the model's); of longer samples the first ctx count."""
    ctx = integer(ctx, ctypes.c_int64, "evaluate: ctx") or _default_ctx(model)
    with needed(data, Dataset, "evaluate: a Dataset")._use() as samples:
        return _evaluate(capi.ql_evaluate_dataset, model, adapters, device, samples, ctx)


def evaluate_text(model: Model, text: str | bytes, adapters: Adapters = None, *, ctx: int = 0, stride: int = 0,
                  device: Device | None = None) -> Nll:
    """Mean NLL of a text in windows of ctx tokens that advance by `stride` (0: ctx); ctx 0: min(512, the model's)."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    ctx = integer(ctx, ctypes.c_int64, "evaluate_text: ctx") or _default_ctx(model)
    stride = integer(stride, ctypes.c_int64, "evaluate_text: stride")
    return _evaluate(capi.ql_evaluate_text, model, adapters, device, data, len(data), ctx, stride)


def _default_ctx(model: Model) -> int:
    return min(512, needed(model, Model, "evaluate: a Model").info.n_ctx)


def _evaluate(function: Any, model: Model, adapters: Adapters, device: Device | None, *arguments: Any) -> Nll:
    with model._use() as base, (device or default_device())._use() as where, applied(adapters) as (pointers, factors, n):
        return describe(Nll, s.ql_nll, function, base, where, pointers, factors, n, *arguments)
