"""LoRA adapters: making, opening, saving, describing, composing, merging."""
from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Union

from .. import gguf
from . import _structs as s
from ._convert import Options, describe, path_bytes, real, text_bytes, text_of, words_of
from ._library import capi, check
from ._native import Handle, Native, needed
from ._records import AdapterInfo, AdapterMatrixInfo, ComposeMethodInfo, QuantizedTensor
from .errors import BadFile, InvalidArgument
from .model import Model
from .quantize import rewrite

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._records import ComposeOptions, LoraOptions, QuantizeOptions


class Adapter(Handle):
    """An adapter for a model. A new one changes nothing until it is trained.

    While a Trainer runs, its adapter is in use: it receives its values when the run ends or is stopped."""

    def __init__(self, model: Model, **options: Unpack[LoraOptions]) -> None:
        """r 16, alpha 32, rslora False, targets "all" ("attn", "mlp", a regular expression), seed 42"""
        given = Options(s.ql_lora_options, options, "Adapter")
        pointer = ctypes.c_void_p()
        with needed(model, Model, "Adapter: a Model")._use() as base:
            check(capi.ql_adapter_create(base, given.pointer, ctypes.byref(pointer)))
            self._take(pointer, model._open_native())

    def _take(self, pointer: ctypes.c_void_p, model: Native | None) -> None:
        self._model = model
        self._own(Native("the adapter", pointer.value, capi.ql_adapter_free, (model,) if model else ()))

    @classmethod
    def open(cls, path: str | os.PathLike[str], model: Model | None = None, *, any_base: bool = False) -> Adapter:
        """A GGUF adapter, a PEFT directory, or a checkpoint of a run or the folder of them. Without a model all but a PEFT
        directory can be described, composed and saved. An adapter that says that it was trained on another base than the
        model is refused (BadFile); any_base takes it, and wherever it is used: for who knows better than the file."""
        open_ = capi.ql_adapter_open_any_base if any_base else capi.ql_adapter_open
        adapter, pointer = cls.__new__(cls), ctypes.c_void_p()
        with needed(model, Model, "Adapter.open: a Model")._use() if model is not None else contextlib.nullcontext() as base:
            check(open_(path_bytes(path), base, ctypes.byref(pointer)))
            adapter._take(pointer, model._open_native() if model is not None else None)
        return adapter

    @classmethod
    def compose(cls, adapters: Sequence[Adapter], weights: Sequence[float] | None = None,
                **options: Unpack[ComposeOptions]) -> Adapter:
        """One adapter out of several for one base. method "cat" (compose_methods() has them all), rank, density, seed"""
        given = Options(s.ql_compose_options, options, "Adapter.compose")
        adapters = [needed(a, Adapter, "Adapter.compose: an Adapter") for a in adapters]
        weights = [1.0] * len(adapters) if weights is None else list(weights)
        if len(weights) != len(adapters):
            raise InvalidArgument(f"Adapter.compose: {len(adapters)} adapters and {len(weights)} weights")
        factors = (ctypes.c_double * len(weights))(*(real(w, "Adapter.compose: weights") for w in weights))
        made, pointer = cls.__new__(cls), ctypes.c_void_p()
        with _pointers(adapters) as (list_, n):
            check(capi.ql_adapter_compose(list_, factors, n, given.pointer, ctypes.byref(pointer)))
            made._take(pointer, adapters[0]._model)
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """A GGUF file as llama.cpp loads it: written whole, or not at all."""
        with self._use() as adapter:
            check(capi.ql_adapter_save(adapter, path_bytes(path)))

    def save_peft(self, directory: str | os.PathLike[str]) -> None:
        """A PEFT directory, made if absent."""
        with self._use() as adapter:
            check(capi.ql_adapter_save_peft(adapter, path_bytes(directory)))

    def merge(self, base: str | os.PathLike[str], out: str | os.PathLike[str],
              on_tensor: Callable[[QuantizedTensor], Any] | None = None, *, force: bool = False,
              **options: Unpack[QuantizeOptions]) -> None:
        """Writes the base, a GGUF file, with the adapter merged in. type "f16": of the matrices; embedding_type

        A type of fewer than 8 bits loses much of the adapter and is refused (InvalidArgument) unless the adapter was trained
        for this merge, whose result is exact, or force is given: on_tensor's `kept` says how much each weight holds then."""
        given = Options(s.ql_quantize_options, {"type": "f16", **options}, "Adapter.merge")  # the struct's own is quantize's
        has_few_bits = _has_few_bits(given, base)
        if has_few_bits or self.info.merge_type:
            self._look_for_exact(base, given, "embedding_type" not in options, has_few_bits and not force)
        with self._use() as adapter:
            rewrite(capi.ql_adapter_merge, (adapter, path_bytes(base, "base"), path_bytes(out, "out")), on_tensor, given)

    def _look_for_exact(self, base: str | os.PathLike[str], given: Options, may_keep: bool, demanded: bool) -> None:
        """Whether the merge gives the weights that were trained, for which embedding and head stay as they are."""
        trained_for, before = self.info.merge_type, given.struct.embedding_type
        if trained_for and may_keep:
            given.struct.embedding_type = words_of("ql_base_type")["keep"]
        with Model(base, base_type="keep") as model, model._use() as opened, self._use() as adapter:
            try:
                check(capi.ql_adapter_check_merge(adapter, opened, given.pointer))
            except (BadFile, InvalidArgument) as e:
                given.struct.embedding_type = before
                if not demanded:
                    return
                why = f"{e}; or give" if trained_for else (
                    "a merge into so few bits loses much of the adapter; take f16, bf16 or q8_0, train with merge_type, serve base "
                    "and adapter apart, or give")
                raise InvalidArgument(f"Adapter.merge: {why} force=True, and read what was kept") from None

    @property
    def info(self) -> AdapterInfo:
        with self._use() as adapter:
            return describe(AdapterInfo, s.ql_adapter_info, capi.ql_adapter_describe, adapter)

    @property
    def matrices(self) -> list[AdapterMatrixInfo]:
        """The linears that it changes."""
        n = self.info.n_matrices
        with self._use() as adapter:
            return [describe(AdapterMatrixInfo, s.ql_adapter_matrix_info, capi.ql_adapter_matrix, adapter, i) for i in range(n)]

    @property
    def notes(self) -> list[str]:
        """What its files say that is not followed, and another base that it was opened over."""
        with self._use() as adapter:
            notes = (capi.ql_adapter_note(adapter, i) for i in itertools.count())
            return [text_of(n) for n in itertools.takewhile(lambda n: n is not None, notes)]

    @property
    def chat_template(self) -> str:
        """The Jinja text that it was trained with; "" if unknown."""
        with self._use() as adapter:
            return text_of(capi.ql_adapter_chat_template(adapter))

    @chat_template.setter
    def chat_template(self, text: str) -> None:
        with self._use(exclusive=True) as adapter:
            check(capi.ql_adapter_set_chat_template(adapter, text_bytes(text, "chat_template")))

    @property
    def chat_date(self) -> str:
        """The date that this template was told in training; "" where it asks for none, or if unknown."""
        with self._use() as adapter:
            return text_of(capi.ql_adapter_chat_date(adapter))

    @property
    def chat_template_kwargs(self) -> dict[str, Any]:
        """The values that this template was given by name in training."""
        with self._use() as adapter:
            text = text_of(capi.ql_adapter_chat_template_kwargs(adapter))
        return dict(json.loads(text)) if text else {}


def _has_few_bits(given: Options, base: str | os.PathLike[str]) -> bool:
    """Whether a weight gets fewer than eight bits, so that a small change may round back to what was there."""
    if given.struct.recipe:
        return True
    if given.struct.type >= 0:
        return bool(capi.ql_dtype_bytes(given.struct.type, _ROW) < _ROW)
    with gguf.open(base) as file:  # kept as they are
        return any(t.n_bytes < t.n_elements for name, t in file.tensors.items() if name.startswith("blk."))


_ROW = 4096  # of whole blocks of every type
Adapters = Union[Adapter, "tuple[Adapter, float]", Iterable[Union[Adapter, "tuple[Adapter, float]"]], None]


def _is_pair(adapters: Any) -> bool:
    """One with its factor; two adapters are several."""
    return (isinstance(adapters, tuple) and len(adapters) == 2 and isinstance(adapters[0], Adapter)
            and not isinstance(adapters[1], (Adapter, tuple)))


def weighted(adapters: Adapters) -> list[tuple[Adapter, float]]:
    """What `adapters=` may be: one, one with its factor, several of either."""
    if adapters is None:
        return []
    items: list[Any] = list(adapters) if isinstance(adapters, Iterable) and not _is_pair(adapters) else [adapters]
    pairs = [(a, 1.0) if isinstance(a, Adapter) else a for a in items]
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], Adapter)):
            raise TypeError(f"adapters: an Adapter or (Adapter, factor) is needed, not {type(pair).__name__}")
    return [(adapter, real(factor, "adapters: factor")) for adapter, factor in pairs]


@contextlib.contextmanager
def _pointers(adapters: Sequence[Adapter]) -> Iterator[tuple[Any, int]]:
    """Adapters as C's array, in use meanwhile."""
    with contextlib.ExitStack() as stack:
        pointers = [stack.enter_context(a._use()) for a in adapters]
        yield (ctypes.c_void_p * len(pointers))(*pointers), len(pointers)


@contextlib.contextmanager
def applied(adapters: Adapters) -> Iterator[tuple[Any, Any, int]]:
    """Adapters and their factors as C's arrays, in use meanwhile."""
    pairs = weighted(adapters)
    with _pointers([a for a, _ in pairs]) as (pointers, n):
        yield pointers, (ctypes.c_float * n)(*(factor for _, factor in pairs)), n


def compose_methods() -> list[ComposeMethodInfo]:
    """The ways of composing that there are."""
    methods = []
    for i in itertools.count():
        try:
            methods.append(describe(ComposeMethodInfo, s.ql_compose_method_info, capi.ql_compose_method, i))
        except InvalidArgument:  # there are no more
            return methods
    raise AssertionError
