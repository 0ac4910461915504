"""A LoRA adapter in memory, independent of files: for each linear two matrices and the scale that multiplies B A; a DoRA has
the norms of the rows, too."""
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .. import llama
from ..errors import GgufError, UnsupportedError
from .base import Base
from .origin import add_other_base
from .tokens import TokenRows, check_invocation, check_rows
from .values import F32, check_array, check_values


def _fewest_digits(exact: float, gives_back: Callable[[float], bool]) -> float:
    return next((value for digits in range(1, 17) if gives_back(value := float(f"{exact:.{digits}g}"))), exact)


@dataclass
class LoraMatrix:
    """y += scale * B (A x): a [r, columns of the weight], b [rows of the weight, r]. Rows are in GGUF's order."""

    weight: str  # "blk.0.attn_q.weight"
    a: F32
    b: F32
    scale: float  # an f32
    magnitude: F32 | None = None  # of a DoRA: [rows of the weight]

    @property
    def r(self) -> int:
        return int(self.a.shape[0])

    @property
    def alpha(self) -> float:
        """The number of fewest digits near scale * r that, over r, gives the scale back as an f32."""
        return _fewest_digits(self.scale * self.r, lambda alpha: np.float32(alpha / self.r) == np.float32(self.scale))

    @property
    def gguf_alpha(self) -> np.float32:
        """The same, divided in f32, as readers of GGUF do."""
        return np.float32(_fewest_digits(self.scale * self.r, lambda alpha: bool(
            np.float32(alpha) / np.float32(self.r) == np.float32(self.scale))))


@dataclass
class Adapter:
    """chat_template is the one that it was trained with, chat_date the day that this was told, chat_kwargs
    (JSON) the values that it was given by name; "" where unknown."""

    architecture: str
    name: str = ""
    base_name: str = ""
    chat_template: str = ""
    chat_date: str = ""
    kind: str = "lora"  # "miss": trained with A as it is (fixed_a); "dora": c (W + s B A), with rows as long as `magnitude`
    origin: dict[str, str | int | float] = field(default_factory=dict)  # keys under "qlora." (origin.py)
    matrices: list[LoraMatrix] = field(default_factory=list)
    norms: dict[str, F32] = field(default_factory=dict)  # trained whole, in place of the base's: "blk.0.attn_norm.weight"
    chat_kwargs: str = ""
    notes: list[str] = field(default_factory=list)  # on reading: what is not followed
    rows: list[TokenRows] = field(default_factory=list)  # of each weight once, the embedding's first
    invocation: list[int] = field(default_factory=list)  # tokens from which on it acts; []: on all


_MOST_KWARGS = 16 * 1024  # bytes
_GIVEN_TO_ALL = {"messages", "add_generation_prompt", "tools", "documents", "bos_token", "eos_token", "unk_token", "pad_token",
                 "strftime_now"}


def check_kwargs(key: str, kwargs: str) -> str:
    """raises  GgufError: no JSON object, a long one, a name that is given twice, or to every template"""
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = dict(pairs)
        if len(names) < len(pairs) or not _GIVEN_TO_ALL.isdisjoint(names):
            raise ValueError
        return names

    try:
        if len(kwargs.encode("utf-8", "surrogateescape")) > _MOST_KWARGS:
            raise ValueError
        if kwargs and not isinstance(json.loads(kwargs, object_pairs_hook=once), dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise GgufError(f"{key}: '{kwargs[:40]}' is no JSON object of values for a chat template") from None
    return kwargs


def fixed_a(weight: str, r: int, columns: int) -> F32:
    """A of a MiSS: A[j, i] = 1 where i mod r is j.    raises  GgufError: tiles longer than rows"""
    if r > columns:
        raise GgufError(f"MiSS r is {r}, but the rows of '{weight}' have {columns} numbers")
    return (np.arange(columns) % r == np.arange(r)[:, None]).astype(np.float32)


def check_fits(base: Base, weight: str, shape: tuple[int, int], what: str) -> None:
    """A linear of the base with rows and columns of this number."""
    if weight not in base.shapes:
        if weight == "output.weight" and base.tied:
            raise GgufError(f"'{what[:80]}': the head of the model '{base.name}' is its embedding, which takes no LoRA")
        raise GgufError(f"'{what[:80]}' belongs to '{weight[:64]}', which is no linear of the model '{base.name}'; is it an "
                        "adapter for another model?")
    if base.shapes[weight] != shape:
        raise GgufError(f"'{what[:80]}' is for a weight {list(shape)}, but '{weight}' of the model '{base.name}' is "
                        f"{list(base.shapes[weight])}; is it an adapter for another model?")


def _check_matrix(m: LoraMatrix, kind: str, base: Base | None) -> None:
    for half, values in (("lora_a", m.a), ("lora_b", m.b)):
        check_array(f"{m.weight}.{half}", values, 2)
    if m.r < 1 or m.a.size == 0 or m.b.size == 0 or m.b.shape[1] != m.r:
        raise GgufError(f"'{m.weight}': A is {list(m.a.shape)} and B is {list(m.b.shape)}; they need one rank, 1 at least")
    rows, columns = m.b.shape[0], m.a.shape[1]
    if base is not None:
        check_fits(base, m.weight, (rows, columns), m.weight)
    if m.r > max(rows, columns):
        raise GgufError(f"'{m.weight}' has rank {m.r}, more than both sides of its weight {[rows, columns]}")
    if (kind == "dora") != (m.magnitude is not None):
        raise GgufError(f"'{m.weight}' has {'no' if m.magnitude is None else 'a'} magnitude, and is a {kind}")
    if m.magnitude is not None:
        check_array(f"{m.weight}.lora_magnitude", m.magnitude, 1)
        if len(m.magnitude) != rows:
            raise GgufError(f"'{m.weight}' has {len(m.magnitude)} magnitudes, a dora of its shape has {rows}")
        check_values(f"{m.weight}.lora_magnitude", m.magnitude)
    check_values(f"{m.weight}.lora_a", m.a)
    check_values(f"{m.weight}.lora_b", m.b)
    if not np.isfinite(m.scale):
        raise GgufError(f"the scale of '{m.weight}' is not finite")


def _check_norm(weight: str, values: F32, base: Base | None) -> None:
    check_array(weight, values, 1)
    ours = base.weight(weight) if base is not None else None
    if base is not None and not (llama.is_norm(weight) and ours is not None and ours.shape == values.shape):
        raise GgufError(f"'{weight[:64]}' of {values.size} values is no norm of the model '{base.name}'; is it an adapter for another "
                        "model?")
    check_values(weight, values)


def check_base(adapter: Adapter, base: Base, any_base: bool = False) -> None:
    """That an adapter that says its base is used with it; another quantisation of that is no other base. any_base: a note of
    the adapter says it instead.
    raises  GgufError without a path: names both"""
    was = str(adapter.origin.get("qlora.base.identity", ""))
    if not was or was == base.identity:
        return
    old, new = (f"'{name[:80] or 'without a name'}'" for name in (adapter.base_name, base.name))
    fault = f"the adapter was trained on another base: {old} (identity {was[:40]}), this model is {new} ({base.identity})"
    if not any_base:
        raise GgufError(f"{fault}; --force, or any_base=True in Python, uses it all the same")
    adapter.notes.append(fault)
    add_other_base(adapter.origin, fault)


def _check_tokens(adapter: Adapter, base: Base | None) -> None:
    if adapter.invocation:
        check_invocation(adapter.invocation, base)
        if adapter.norms or adapter.rows:
            raise UnsupportedError("an activated LoRA with trained norms or rows of tokens, which act before its invocation too")
        other = next((m.weight for m in adapter.matrices if adapter.kind != "lora" or m.weight == llama.HEAD), None)
        if other is not None:
            raise UnsupportedError(f"an activated LoRA is plain LoRA on linears of the layers; '{other}' is not")
    for rows in adapter.rows:
        check_rows(rows, base)


def check_adapter(adapter: Adapter, base: Base | None, any_base: bool = False) -> None:
    """Each weight once, sizes agree, ranks at least 1, all numbers finite; and what only the base can say.
    any_base: one that was trained on another base passes, too
    raises  GgufError without a path"""
    if base is not None and adapter.architecture != base.architecture:
        raise GgufError(f"the adapter is for architecture '{adapter.architecture[:40]}', the model '{base.name}' is "
                        f"'{base.architecture}'")
    if base is not None and not any_base:
        check_base(adapter, base)
    if not adapter.matrices:
        raise GgufError("the adapter holds no matrices")
    for m in adapter.matrices:
        _check_matrix(m, adapter.kind, base)
    seen = set[str]()
    for weight in [m.weight for m in adapter.matrices] + [rows.weight for rows in adapter.rows]:
        if weight in seen:
            raise GgufError(f"the adapter changes '{weight}' twice")
        seen.add(weight)
    for weight, values in adapter.norms.items():
        _check_norm(weight, values, base)
    _check_tokens(adapter, base)


def sort_as_base(adapter: Adapter, base: Base) -> None:
    place = {name: i for i, name in enumerate(base.shapes)}
    adapter.matrices.sort(key=lambda m: place[m.weight])
