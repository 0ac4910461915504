"""Long calls of the library, on a thread of their own, so that Ctrl-C and the caller's code stay in the caller's thread.

Python delivers Ctrl-C to its main thread, between instructions of Python: inside of a callback that C has called, the
exception could not be passed on. So the caller's thread waits in Python for what the callbacks hand over. If it leaves
for whatever reason (Ctrl-C, an exception of the caller's code, `break`), the next callback asks the library to stop,
which it does in its own orderly way (training writes a checkpoint first), and only then does the reason go on its way.
"""
from __future__ import annotations

import atexit
import queue
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Any

from .errors import Cancelled

_running: weakref.WeakSet[Run] = weakref.WeakSet()


class Run:
    """One call. `call` gets the Run, and its callbacks call give(), tell() and look at `stopping`."""

    def __init__(self, call: Callable[[Run], Any]) -> None:
        self._call: Callable[[Run], Any] | None = call
        self._items: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._wanted = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, name="qlora-gguf", daemon=True)
        self.stopping = False
        self.stopped = ""  # the library's message, if it was asked to stop

    # In the thread of the call.
    def give(self, item: Any) -> int:
        """Hands over an item and waits until the next one is wanted. Returns 1 if the call shall stop."""
        if not self.stopping:
            self._items.put(("item", item))
            self._wanted.acquire()
        return int(self.stopping)

    def tell(self, item: Any) -> None:
        """Hands over an item without waiting."""
        self._items.put(("told", item))

    def fail(self, error: BaseException) -> int:
        """A callback has failed: the call stops, and its caller gets this exception."""
        self._items.put(("failed", error))
        self.stopping = True
        return 1

    def _work(self) -> None:
        call: Any = self._call
        self._call = None  # what it refers to goes with it, not with the next garbage collection
        try:
            self._items.put(("done", call(self)))
        except BaseException as e:
            self._items.put(("error", e))

    # In the caller's thread.
    def stop(self) -> None:
        self.stopping = True
        self._wanted.release()

    def items(self) -> Generator[Any, None, Any]:
        """Starts the call and yields what it hands over; the generator's value is the call's."""
        kind, value, failure = "", None, None
        _running.add(self)
        self._thread.start()
        try:
            while kind not in ("done", "error"):
                kind, value = self._items.get()
                if kind == "failed":
                    failure = value
                elif kind == "told":
                    yield value
                elif kind == "item":
                    yield value
                    self._wanted.release()
        finally:
            self.stop()
            while kind not in ("done", "error"):  # a second Ctrl-C leaves; the call then ends by itself
                kind, value = self._items.get()
                failure = value if kind == "failed" else failure
            if kind == "error" and isinstance(value, Cancelled):
                self.stopped, value = str(value), None
            elif kind == "error" and failure is None:
                failure = value
            try:
                if failure is not None:
                    raise failure
            finally:
                del failure  # an exception that refers to this frame
        return value

    def join(self) -> None:
        self._thread.join()


def finish(run: Run) -> Any:
    """Runs a call to its end; its value."""
    items = run.items()
    try:
        while True:
            next(items)
    except StopIteration as end:
        return end.value
    finally:
        items.close()


@atexit.register
def _stop_all() -> None:
    """The process must not end under a call: what it uses would be torn down meanwhile."""
    for run in list(_running):
        run.stop()
        run.join()
