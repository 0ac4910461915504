"""Files as this package opens and writes them: mapped for reading, whole or not at all when written."""
from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from .errors import GgufError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Path = str | os.PathLike[str]


def map_file(path: Path) -> mmap.mmap | bytes:
    """The bytes of a file, mapped; `b""` of an empty one.    raises  OSError, GgufError: no regular file"""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise GgufError("is no regular file", path)
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) if info.st_size > 0 else b""
    finally:
        os.close(descriptor)


def read_small(path: Path, limit: int) -> bytes:
    """A whole file of at most `limit` bytes.    raises  OSError, GgufError"""
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise GgufError(f"has more than {limit} bytes", path)
    return data


def _lock(descriptor: int) -> bool:
    """Whether nobody else holds the file's lock; it is ours until the descriptor is closed."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _clear(temporary: str, path: Path) -> None:
    """Removes the temporary that a killed process with this number left: processes of containers often have the same."""
    descriptor = os.open(temporary, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise GgufError(f"{temporary} is in the way; remove it", path)
        if not _lock(descriptor):
            raise GgufError("is being written already", path)
        os.unlink(temporary)
    finally:
        os.close(descriptor)


def _create(temporary: str, path: Path) -> int:
    """O_EXCL: what is written goes to a new file, never to one that somebody put or linked there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(temporary, flags, 0o666)
    except FileExistsError:
        _clear(temporary, path)
        descriptor = os.open(temporary, flags, 0o666)
    _lock(descriptor)
    return descriptor


def flush_to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to. It gets its name when the block ends without an exception, after its bytes reached the disk;
    else nothing changes. A link is followed; permissions of a file that is replaced stay."""
    target = os.path.realpath(path)
    mode = 0o666
    if os.path.exists(target):
        info = os.stat(target)
        if not stat.S_ISREG(info.st_mode):
            raise GgufError("is there already and is no regular file", path)
        mode = info.st_mode & 0o777
    temporary = f"{target}.tmp-{os.getpid()}"
    descriptor = _create(temporary, path)
    try:
        with os.fdopen(descriptor, "wb", buffering=1 << 20) as file:
            if os.path.exists(target):
                os.chmod(temporary, mode)
            yield file
            flush_to_disk(file)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def write_whole(path: Path, data: bytes) -> None:
    with whole_file(path) as file:
        file.write(data)
