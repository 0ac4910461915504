"""Finds and opens the shared library, and declares its functions when they are first called.

The first of these that exists: $QL_LIBRARY (the file, or its folder), the library inside of this package (a wheel can
carry it), the build tree of the source tree that holds this package, the installed library.
"""
from __future__ import annotations

import ctypes
import os
import pathlib
import sys
import threading
from typing import Any

from . import _structs
from ._functions import FUNCTIONS
from .errors import BY_STATUS, Error, LibraryNotFound, Unsupported

FILE = "libql-models.so"
SONAME = f"{FILE}.{_structs.VERSION.split('.')[0]}"
HERE = pathlib.Path(__file__).resolve().parent


def _in(folder: pathlib.Path) -> pathlib.Path | None:
    return next((folder / n for n in (SONAME, FILE) if (folder / n).is_file()), None)


def _named(name: str) -> pathlib.Path:
    """What $QL_LIBRARY means; the user has named it, so nothing else is tried."""
    path = pathlib.Path(name)
    found = _in(path) if path.is_dir() else path if path.is_file() else None
    if found is None:
        raise LibraryNotFound(f"$QL_LIBRARY: {name} is neither {FILE} nor a folder that holds it")
    return found


def _folders() -> list[pathlib.Path]:
    folders = [HERE / "native"]
    source = HERE.parents[2]
    if (source / "models" / "include" / "ql").is_dir():
        folders += [source / "build" / preset / "lib" for preset in ("release", "python")]
    folders += [pathlib.Path(sys.prefix) / "lib", pathlib.Path.home() / ".local" / "lib", pathlib.Path("/usr/local/lib")]
    return folders


def find() -> str:
    """The path of the library, or its bare name where only the system's loader knows the place."""
    name = os.environ.get("QL_LIBRARY")
    if name:
        return str(_named(name))
    return next((str(p) for p in map(_in, _folders()) if p), SONAME)


def _open(path: str) -> ctypes.CDLL:
    """CDLL lets other Python threads run during each call."""
    try:
        return ctypes.CDLL(path)
    except OSError as e:
        if path == SONAME:
            raise LibraryNotFound(
                f"{SONAME} is not found; build and install qlora.cpp, or set $QL_LIBRARY to the library's path") from None
        raise LibraryNotFound(f"{path}: {e}") from None


def _check_version(library: ctypes.CDLL, path: str) -> None:
    """0.x: functions and their arguments may change from one minor version to the next; structs grow at their ends."""
    try:
        version = library.ql_version
    except AttributeError:
        raise LibraryNotFound(f"{path} is not the library of qlora.cpp: it has no ql_version") from None
    version.restype, version.argtypes = ctypes.c_char_p, []
    theirs, ours = version().decode(), _structs.VERSION
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise LibraryNotFound(f"{path} has version {theirs}, this package is made for {ours}; install both of one version")
    options = (ctypes.c_char * 4096)()  # a struct inside of another cannot grow: see that it did not
    library.ql_generate_options_init(ctypes.byref(options))
    at = _structs.ql_generate_options.sampling.offset
    size = ctypes.c_size_t.from_buffer(options, at).value
    if size != ctypes.sizeof(_structs.ql_sampling):
        raise LibraryNotFound(f"{path}: its ql_sampling has {size} bytes, this package's has "
                              f"{ctypes.sizeof(_structs.ql_sampling)}; install both of one version")


def _find_backends_beside(path: str) -> None:
    """Backends are sought beside the program, which is Python: those beside the library are named in the environment."""
    folder = os.path.dirname(path)
    if folder and "QL_BACKEND_PATH" not in os.environ:
        folders = [f for f in (folder, os.path.join(folder, "ql")) if any(pathlib.Path(f).glob("libql-backend-*.so"))]
        if folders:
            os.environ["QL_BACKEND_PATH"] = os.pathsep.join(folders)


class _Capi:
    """The C API's functions as attributes, the library opened at the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._library: ctypes.CDLL | None = None
        self.path = ""

    def _opened(self) -> ctypes.CDLL:
        with self._lock:
            if self._library is None:
                path = find()
                library = _open(path)
                _check_version(library, path)
                _find_backends_beside(path)
                self._library, self.path = library, path
            return self._library

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS:
            raise AttributeError(name)
        library = self._opened()
        try:
            function = library[name]  # an object of its own: nobody else's declarations
        except AttributeError:
            raise Unsupported(f"{self.path} (version {library.ql_version().decode()}) has no {name}: it is older than "
                              "this package") from None
        declared: Any = FUNCTIONS[name]
        function.restype, function.argtypes = declared
        setattr(self, name, function)
        return function


capi = _Capi()


def check(status: int) -> None:
    """Raises the exception of a failed call; in the thread that made the call, as messages are kept by thread."""
    if status != 0:
        message = (capi.ql_error_message() or b"").decode("utf-8", "replace")
        raise BY_STATUS.get(status, Error)(message or f"status {status}")


def library_path() -> str:
    """The file that the library was opened from; opens it if nothing has used it yet."""
    capi.ql_version()
    return capi.path


def library_version() -> str:
    """The library's version, "major.minor.patch"."""
    return str(capi.ql_version(), "ascii")
