"""Exceptions: one class for each status of the C API, with the library's own message.

Each is an `Error`, and also the built-in exception that a Python user would expect.
"""
from __future__ import annotations


class Error(Exception):
    """A call that failed. str() is one line: what is wrong, what was got, and the way out where there is one."""

    status = 0  # ql_status; 0 where Python itself has refused


class InvalidArgument(Error, ValueError):
    """A number out of range, an unknown name, a wrong order of calls."""

    status = 1


class BadShape(Error, ValueError):
    """Shapes that do not fit together, or an array that is not contiguous."""

    status = 2


class BadDtype(Error, TypeError):
    """An element type that the operation does not take."""

    status = 3


class BadFile(Error, ValueError):
    """A file whose content breaks its format."""

    status = 4


class NotFound(Error, LookupError):
    """A file, key, tensor or backend that is not there."""

    status = 5


class IOFailed(Error, OSError):
    """The operating system refused to read or write."""

    status = 6


class NoSpace(Error, OSError):
    """The disk is full."""

    status = 7


class NoMemory(Error, MemoryError):
    """Memory, or the memory budget, is exhausted."""

    status = 8


class Unsupported(Error, NotImplementedError):
    """Understood, but not available here; the message says what is."""

    status = 9


class Cancelled(Error):
    """A callback asked to stop."""

    status = 10


class NonFinite(Error, ArithmeticError):
    """NaN or infinity where a number is needed."""

    status = 11


class InternalError(Error, RuntimeError):
    """A fault of the library: please report it."""

    status = 12


class LibraryNotFound(Error, ImportError):
    """The shared library is not installed, or is of another version than this package."""


class Closed(Error, ValueError):
    """An object that was used after close()."""


class Busy(Error, RuntimeError):
    """An object that another call is using now."""


BY_STATUS: dict[int, type[Error]] = {
    c.status: c
    for c in (InvalidArgument, BadShape, BadDtype, BadFile, NotFound, IOFailed, NoSpace, NoMemory, Unsupported, Cancelled,
              NonFinite, InternalError)
}
