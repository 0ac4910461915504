"""Training and evaluation data: files of samples, rendered and tokenised for one model."""
from __future__ import annotations

import ctypes
import itertools
import os
import threading
from typing import TYPE_CHECKING

import numpy as np

from . import _structs as s
from ._convert import Options, describe, integer, path_bytes, real, text_bytes, text_of
from ._library import capi, check
from ._native import Handle, Native, needed
from ._records import DatasetInfo
from .model import Model

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._records import DatasetOptions

    Path = str | os.PathLike[str]


class Dataset(Handle):
    """.jsonl, .json, .csv, .tsv or .txt files (.gz of each), folders of such, or patterns; docs/data.md has the forms of samples."""

    def __init__(self, model: Model, path: Path | list[Path] | tuple[Path, ...],
                 **options: Unpack[DatasetOptions]) -> None:
        """ctx 0 (min(512, the model's)), long_policy "cut", skip_bad_lines False, chat_template None, date None, chat_template_kwargs None (JSON
        text of values that the template reads by name), train_on 7: the sum
        of 1 (words), 2 (thoughts), 4 (calls of tools) and 8 (in the last answer alone); or 16 (everything)"""
        given = Options(s.ql_dataset_options, options, "Dataset")
        pointer = ctypes.c_void_p()
        with needed(model, Model, "Dataset: a Model")._use() as base:
            names = [path_bytes(p) for p in (path if isinstance(path, (list, tuple)) else [path])]
            paths = (ctypes.c_char_p * max(len(names), 1))(*names)
            check(capi.ql_dataset_open_all(paths, len(names), base, given.pointer, ctypes.byref(pointer)))
            self._take(pointer, model._open_native())

    def _take(self, pointer: ctypes.c_void_p, model: Native) -> None:
        self._model = model
        self._texts = threading.Lock()  # a sample's text is the dataset's until the next one is asked for
        self._own(Native("the dataset", pointer.value, capi.ql_dataset_free, (model,)))

    @property
    def info(self) -> DatasetInfo:
        with self._use() as data:
            return describe(DatasetInfo, s.ql_dataset_info, capi.ql_dataset_describe, data)

    def __len__(self) -> int:
        return self.info.n_samples

    @property
    def notes(self) -> list[str]:
        """Where llama.cpp's own Jinja renders conversations differently from what is trained here."""
        with self._use() as data:
            notes = (capi.ql_dataset_note(data, i) for i in itertools.count())
            return [text_of(n) for n in itertools.takewhile(lambda n: n is not None, notes)]

    @property
    def bad_lines(self) -> list[str]:
        """Of the first five lines that were skipped: "FILE:LINE: why"."""
        with self._use() as data:
            lines = (capi.ql_dataset_bad_line(data, i) for i in itertools.count())
            return [text_of(line) for line in itertools.takewhile(lambda line: line is not None, lines)]

    def split(self, fraction: float, seed: int = 42) -> Dataset:
        """Splits off about this fraction of the samples, as a dataset of its own; not while a trainer uses this one."""
        pointer = ctypes.c_void_p()
        with self._use(exclusive=True, alone=True) as data:
            check(capi.ql_dataset_split(data, real(fraction, "split: fraction"),
                                        integer(seed, ctypes.c_uint64, "split: seed"), ctypes.byref(pointer)))
        held_out = Dataset.__new__(Dataset)
        held_out._take(pointer, self._model)
        return held_out

    def show(self, i: int, begin: str = "[", end: str = "]") -> str:
        """Sample i as text, with its trained parts between the marks."""
        text = ctypes.c_char_p()
        with self._use() as data, self._texts:
            check(capi.ql_dataset_show(data, integer(i, ctypes.c_int64, "show: i"), text_bytes(begin, "show: begin"),
                                       text_bytes(end, "show: end"), ctypes.byref(text)))
            return text_of(text.value)

    def prompt(self, i: int) -> tuple[str, str]:
        """What a model is asked for sample i's last answer, and that answer."""
        prompt, answer = ctypes.c_char_p(), ctypes.c_char_p()
        with self._use() as data, self._texts:
            check(capi.ql_dataset_prompt(data, integer(i, ctypes.c_int64, "prompt: i"), ctypes.byref(prompt),
                                         ctypes.byref(answer)))
            return text_of(prompt.value), text_of(answer.value)

    def prompt_tokens(self, i: int) -> np.ndarray:
        """The tokens of that prompt, as training has them."""
        tokens, n = ctypes.POINTER(ctypes.c_int32)(), ctypes.c_int64()
        with self._use() as data, self._texts:
            check(capi.ql_dataset_prompt_tokens(data, integer(i, ctypes.c_int64, "prompt_tokens: i"), ctypes.byref(tokens),
                                                ctypes.byref(n)))
            return np.array(tokens[:n.value], np.int32)
