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
        self._holders, self._shared, self._exclusive = 1, 0, False
        for parent in parents:
            parent.hold()

    def hold(self) -> None:
        with _lock:
            self._holders += 1

    def release(self) -> None:
        with _lock:
            self._holders -= 1
            if self._holders:
                return
            pointer, self.pointer = self.pointer, 0
        self._free(pointer)
        for parent in self._parents:
            parent.release()

    def _enter(self, exclusive: bool, alone: bool) -> None:
        with _lock:
            if not self.pointer:  # Python is ending, and its objects have ended
                raise Closed(f"{self.what} is closed")
            if self._exclusive or exclusive and self._shared:
                raise Busy(f"{self.what} is in use by another call")
            if alone and self._holders > 1:
                raise Busy(f"{self.what} is in use by an object that was made from it; close that first")
            self._exclusive = exclusive
            self._shared += not exclusive
            self._holders += 1

    def _leave(self, exclusive: bool) -> None:
        with _lock:
            if exclusive:
                self._exclusive = False
            else:
                self._shared -= 1
        self.release()

    @contextmanager
    def use(self, exclusive: bool = False, alone: bool = False) -> Iterator[int]:
        """The pointer, for a call. Exclusive: no other call may use it meanwhile; alone: no other object may hold it."""
        self._enter(exclusive, alone)
        try:
            yield self.pointer
        finally:
            self._leave(exclusive)


H = TypeVar("H", bound="Handle")


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
