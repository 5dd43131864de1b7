"""Writing files so that no reader ever finds half of one, and no line is lost among several writers."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NEW_FILE_MODE = 0o644


def replace(path: Path, content: bytes) -> None:
    """Make `content` the whole of the file, at once: readers see the old or the new. Done again, nothing changes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), NEW_FILE_MODE)
            os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync(path.parent)


def append(path: Path, lines_after: Callable[[Path, int], bytes]) -> int:
    """Add what `lines_after(path, size of the file)` gives, in one write and whole or not at all; return its size.

    Writers wait for each other, so that a header is written once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path) as descriptor:
        size = os.fstat(descriptor).st_size
        content = lines_after(path, size)
        if size and content and os.pread(descriptor, 1, size - 1) != b"\n":
            content = b"\n" + content
        if os.write(descriptor, content) < len(content):  # the disk is full; an error writes nothing at all
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    if size == 0:
        _sync(path.parent)
    return len(content)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, made if need be, for this writer alone; another one that took its place meanwhile is met."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, NEW_FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sync(folder: Path) -> None:
    """Make a new name in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
