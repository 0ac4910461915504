"""Fine-tuning: a trainer takes an adapter through optimizer steps, and is iterated over, a step each.

    for p in tqdm(ql.Trainer(model, adapter, data, lr=1e-3)):
        print(p.step, p.loss)

Ctrl-C, an exception in the loop's body and `break` stop the run at a step's end: a checkpoint is written first, if there
is a folder for them, and the adapter then holds what was learned until then.
"""
from __future__ import annotations

import contextlib
import ctypes
import logging
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from . import _structs as s
from ._convert import Options, describe, field_types, record, text_of
from ._library import capi, check
from ._native import Handle, Native, needed
from ._records import TrainerInfo, TrainProgress, TrainSummary
from ._run import Run
from .adapter import Adapter
from .dataset import Dataset
from .device import Device, default_device
from .model import Model

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._records import TrainOptions

_TYPES = field_types(s.ql_train_options)
_log = logging.getLogger("qlora_gguf")


class _Callbacks:
    """What the library calls in the course of a run; they must live as long as the trainer."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.lines: list[str] = []  # said outside of a run
        self.on_progress = _TYPES["on_progress"](self._progress)
        self.on_log = _TYPES["on_log"](self._line)
        self.cancelled = _TYPES["cancelled"](lambda _: int(self.run is not None and self.run.stopping))

    def _progress(self, _: Any, progress: Any) -> int:
        run = self.run
        try:
            return run.give(record(TrainProgress, progress.contents)) if run else 0
        except BaseException as e:
            return run.fail(e) if run else 0

    def _line(self, _: Any, line: bytes) -> None:
        if self.run:
            self.run.tell(text_of(line))
        else:
            self.lines.append(text_of(line))


class Trainer(Handle):
    """A planned run; nothing is trained before the first iteration. len() is the number of steps left."""

    def __init__(self, model: Model, adapter: Adapter, data: Dataset, eval: Dataset | None = None, *,
                 device: Device | None = None, on_log: Callable[[str], Any] | None = None,
                 **options: Unpack[TrainOptions]) -> None:
        """lr 0, epochs 0 and grad_accum 0 (chosen by the size of the data), steps, batch 1, ctx 0 (min(512, the model's)), checkpoint_dir None, resume None,
        and the other options of TrainOptions. on_log gets lines for a person; without it logging's "qlora_gguf" does."""
        given = Options(s.ql_train_options, options, "Trainer")
        callbacks = _Callbacks()
        for name in ("on_progress", "on_log", "cancelled"):
            given.point(name, getattr(callbacks, name))
        self._callbacks, self._on_log = callbacks, on_log or _log.info
        self.stopped = ""  # after a run that was stopped: where, and what was saved
        parts: list[Handle] = [needed(model, Model, "Trainer: a Model"), device or default_device(),
                               needed(adapter, Adapter, "Trainer: an Adapter"), needed(data, Dataset, "Trainer: a Dataset")]
        if eval is not None:
            parts.append(needed(eval, Dataset, "Trainer: eval: a Dataset"))
        self._adapter, self._step = adapter._open_native(), 0  # of the trainer's parents: open as long as it is
        pointer = ctypes.c_void_p()
        with contextlib.ExitStack() as stack:
            pointers = [stack.enter_context(p._use()) for p in parts]
            pointers += [None] * (5 - len(pointers))
            check(capi.ql_trainer_create(*pointers, given.pointer, ctypes.byref(pointer)))
            self._own(Native("the trainer", pointer.value, capi.ql_trainer_free, tuple(p._open_native() for p in parts),
                             (given, callbacks)))
        self._step = self.info.first_step
        self._say()

    def _say(self) -> None:
        lines, self._callbacks.lines = self._callbacks.lines, []
        for line in lines:
            self._on_log(line)

    @property
    def info(self) -> TrainerInfo:
        with self._use() as trainer:
            return describe(TrainerInfo, s.ql_trainer_info, capi.ql_trainer_describe, trainer)

    @property
    def summary(self) -> TrainSummary:
        """Of the last run."""
        with self._use() as trainer:
            return describe(TrainSummary, s.ql_train_summary, capi.ql_trainer_summary, trainer)

    def __len__(self) -> int:
        return self.info.n_steps - self._step

    def _call(self, run: Run) -> None:
        with self._use(exclusive=True) as trainer, self._adapter.use(exclusive=True):
            self._callbacks.run = run
            try:
                check(capi.ql_trainer_run(trainer))
            finally:
                self._callbacks.run = None

    def __iter__(self) -> Generator[TrainProgress, None, None]:
        """Trains; the run waits while the loop's body works."""
        self._open_native()
        run = Run(self._call)
        try:
            for item in run.items():
                if isinstance(item, str):
                    self._on_log(item)
                else:
                    self._step = item.step
                    yield item
        finally:
            self.stopped = run.stopped

    def run(self, on_progress: Callable[[TrainProgress], Any] | None = None) -> TrainSummary:
        """Trains to the end. What on_progress raises stops the run, and goes on its way after it."""
        with contextlib.closing(iter(self)) as steps:
            for progress in steps:
                if on_progress:
                    on_progress(progress)
        return self.summary

    def remove_checkpoints(self) -> None:
        """Once a run has ended and its adapter is saved: deletes its checkpoints, and their folder if nothing else is there."""
        with self._use(exclusive=True) as trainer:
            check(capi.ql_trainer_remove_checkpoints(trainer))

    def evaluate(self) -> tuple[float, int]:
        """Mean loss per trained token over the evaluation data with the parameters as they are now, and those tokens."""
        loss, tokens = ctypes.c_double(), ctypes.c_int64()
        with self._use(exclusive=True) as trainer:
            check(capi.ql_trainer_evaluate(trainer, ctypes.byref(loss), ctypes.byref(tokens)))
        self._say()
        return loss.value, tokens.value
