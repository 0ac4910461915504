"""What the package raises where a file, or what should go into one, is wrong."""
from __future__ import annotations

import os


def one_line(text: str) -> str:
    """What a terminal can print of names and values that come from a file."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class GgufError(ValueError):
    """A file that cannot be read or written as asked. `path` names it (None where there is no file yet), `what` says
    what is wrong. TypeError is left to arguments of a wrong Python type, OSError to the operating system."""

    def __init__(self, what: str, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else os.fspath(path)
        self.what = one_line(what)
        super().__init__(self.what if self.path is None else f"{self.path}: {self.what}")

    def of(self, path: str | os.PathLike[str]) -> GgufError:
        """The same of a file, where it names none yet."""
        return self if self.path is not None else type(self)(self.what, path)


class UnsupportedError(GgufError):
    """A file that may be sound, of a kind that this package does not know."""


class EncodeError(ValueError):
    """Values that a type cannot hold: NaN, an infinity, or more than its 16-bit scale reaches."""
