"""What the library made for an object of this package: who holds it, who is using it, when it is freed.

A native object is freed when nobody holds it: its Python object (until close()), the objects made from it, calls under
way, and views of its memory. So closing a model while a session of it lives, or in the middle of a call, is safe.
"""
from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from .errors import Busy, Closed

# Entered again by a finalizer that the garbage collector runs inside of it.
_lock = threading.RLock()


class Native:
    """A pointer of the library. `parents` are freed after it; `kept` is Python's memory that the library reads."""

    def __init__(self, what: str, pointer: int | None, free: Callable[[int], Any], parents: tuple[Native, ...] = (),
                 kept: tuple[Any, ...] = ()) -> None:
        self.what, self.pointer, self.kept = what, pointer or 0, kept
        self._free, self._parents = free, parents
        self._holders = 1
        self._users: dict[object, bool] = {}  # calls under way: whether the call is an exclusive one
        for parent in parents:
            parent.hold()

    def hold(self) -> None:
        with _lock:
            self._holders += 1

    def release(self) -> None:
        with _lock:
            self._holders -= 1
        self._free_unused()

    def _free_unused(self) -> None:
        with _lock:
            if self._holders or self._users or not self.pointer:
                return
            pointer, self.pointer = self.pointer, 0
        self._free(pointer)
        for parent in self._parents:
            parent.release()

    def _enter(self, call: object, exclusive: bool, alone: bool) -> None:
        with _lock:
            if not self.pointer:  # Python is ending, and its objects have ended
                raise Closed(f"{self.what} is closed")
            if any(self._users.values()) or exclusive and self._users:
                raise Busy(f"{self.what} is in use by another call")
            if alone and self._holders > 1:
                raise Busy(f"{self.what} is in use by an object that was made from it; close that first")
            self._users[call] = exclusive

    @contextmanager
    def use(self, exclusive: bool = False, alone: bool = False) -> Iterator[int]:
        """The pointer, for a call. Exclusive: no other call may use it meanwhile; alone: no other object may hold it."""
        call = object()
        try:  # around the entering too, behind which Ctrl-C may be raised
            self._enter(call, exclusive, alone)
            yield self.pointer
        finally:
            self._users.pop(call, None)
            self._free_unused()


H = TypeVar("H", bound="Handle")


def needed(value: Any, kind: type[H], what: str) -> H:
    """An object that a call takes, of the kind that it needs."""
    if not isinstance(value, kind):
        raise TypeError(f"{what} is needed, not {type(value).__name__}")
    return value


class Handle:
    """Base of the package's objects. They are context managers, and are closed at the latest when nobody refers to them."""

    _native: Native | None = None
    _finalizer: Any = None

    def _own(self, native: Native) -> None:
        self._native = native
        self._finalizer = weakref.finalize(self, native.release)

    def _open_native(self) -> Native:
        if self._native is None:
            raise Closed(f"{type(self).__name__} is closed")
        return self._native

    def _use(self, exclusive: bool = False, alone: bool = False) -> Any:
        return self._open_native().use(exclusive, alone)

    @property
    def closed(self) -> bool:
        return self._native is None

    def close(self) -> None:
        """Ends the object. Its memory goes now, or with the last object or call that uses it. Twice is fine."""
        self._native = None
        if self._finalizer is not None:
            self._finalizer()

    def __enter__(self: H) -> H:
        self._open_native()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError(f"{type(self).__name__} cannot be copied or pickled: it stands for memory of the library")

    def __repr__(self) -> str:
        return f"<{type(self).__module__.split('.')[0]} {type(self).__name__}{' (closed)' if self.closed else ''}>"
