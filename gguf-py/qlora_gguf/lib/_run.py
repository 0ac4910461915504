"""Long calls of the library, on a thread of their own, so that Ctrl-C and the caller's code stay in the caller's thread.

Python delivers Ctrl-C to its main thread, between instructions of Python: inside of a callback that C has called, the
exception could not be passed on. So the caller's thread waits in Python for what the callbacks hand over. If it leaves
for whatever reason (Ctrl-C, an exception of the caller's code, `break`), the next callback asks the library to stop,
which it does in its own orderly way (training writes a checkpoint first), and only then does the reason go on its way.

Ctrl-C may come between any two instructions, so what the threads share is of C alone: threading's Thread, Semaphore and
Condition hold locks in the middle of Python code, and an exception there leaves them locked.
"""
from __future__ import annotations

import _thread
import atexit
import queue
from collections.abc import Callable, Generator
from typing import Any

from .errors import Cancelled

# No WeakSet: what it does when a Run goes is Python code in which an exception, so a Ctrl-C, is lost.
_running: set[Run] = set()
_is_ending = False  # Python is: no call begins any more


class Run:
    """One call. `call` gets the Run, and its callbacks call give(), tell() and look at `stopping`."""

    def __init__(self, call: Callable[[Run], Any]) -> None:
        self._call: Callable[[Run], Any] | None = call
        self._items: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()  # what to yield; "end" comes last
        self._wanted: queue.SimpleQueue[None] = queue.SimpleQueue()  # the next item
        self._begun = _thread.allocate_lock()  # taken by who comes first: the thread that begins, or the caller that stops it
        self._ended = _thread.allocate_lock()  # held by the thread while it works
        self._result: Any = None
        self._failure: BaseException | None = None
        self._is_over = False  # not only told by the queue: Ctrl-C may lose what a get() has taken out
        self.stopping = False
        self.stopped = ""  # the library's message, if it was asked to stop

    # In the thread of the call.
    def give(self, item: Any) -> int:
        """Hands over an item and waits until the next one is wanted. Returns 1 if the call shall stop."""
        if not self.stopping:
            self._items.put(("item", item))
            self._wanted.get()
        return int(self.stopping)

    def tell(self, item: Any) -> None:
        """Hands over an item without waiting."""
        self._items.put(("told", item))

    def fail(self, error: BaseException) -> int:
        """A callback has failed: the call stops, and its caller gets this exception."""
        self._failure, self.stopping = error, True
        return 1

    def _work(self) -> None:
        if not self._begun.acquire(blocking=False):
            return
        with self._ended:
            call: Any = self._call
            self._call = None  # what it refers to goes with it, not with the next garbage collection
            try:
                self._result = call(self)
            except Cancelled as e:
                self.stopped = str(e)
            except BaseException as e:
                self._failure = self._failure or e
            self._is_over = True
            self._items.put(("end", None))

    # In the caller's thread.
    def stop(self) -> None:
        self.stopping = True
        self._wanted.put(None)

    def items(self) -> Generator[Any, None, Any]:
        """Starts the call and yields what it hands over; the generator's value is the call's."""
        try:
            _running.add(self)
            if _is_ending:  # asked after adding: a run that does not see it is one that _stop_all sees
                self._is_over = True
                raise Cancelled("Python is ending")
            _thread.start_new_thread(self._work, ())
            kind, item = self._items.get()
            while kind != "end":
                yield item
                if kind == "item":
                    self._wanted.put(None)
                kind, item = self._items.get()
        finally:
            self.stop()
            if self._begun.acquire(blocking=False):  # Ctrl-C in the middle of starting: it will not begin
                self._is_over = True
            while not self._is_over:  # a second Ctrl-C leaves; the call then ends by itself
                self._items.get()
            _running.discard(self)
            failure, self._failure = self._failure, None
            try:
                if failure is not None:
                    raise failure
            finally:
                del failure  # an exception that refers to this frame
        return self._result

    def join(self) -> None:
        with self._ended:
            pass


def finish(run: Run, each: Callable[[Any], Any] | None = None) -> Any:
    """Runs a call to its end, `each` being called with what it hands over; its value."""
    items = run.items()
    try:
        while True:
            item = next(items)
            if each is not None:
                each(item)
    except StopIteration as end:
        return end.value
    finally:
        items.close()


@atexit.register
def _stop_all() -> None:
    """The process must not end under a call: what it uses would be torn down meanwhile."""
    global _is_ending
    _is_ending = True
    for run in list(_running):
        run.stop()
        run.join()
