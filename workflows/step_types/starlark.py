"""Runs Starlark in a process of its own, which is kept for the next call and killed when it takes too long."""

from __future__ import annotations

import atexit
import os
import selectors
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from director import jsontools
from workflows.errors import WorkflowError

CHILD = Path(__file__).with_name("starlark_child.py")
TIME_LIMIT_SECONDS = 2.0  # of one call
STARTUP_SECONDS = 20.0  # more: the first call also starts the interpreter, on a machine that may be busy
MAX_ANSWER = 16 * 1024 * 1024  # bytes


class CodeFailed(WorkflowError):
    """The code raised an error, or used more than it may. line: 1-based, None when it is not known."""

    code = "code_failed"
    http_status = 422

    reason: str
    line: int | None = None

    @property
    def message(self) -> str:
        where = f"Line {self.line} of the code" if self.line else "The code"
        return f"{where}: {self.reason}" + ("" if self.reason.endswith("?") else ".")

    @property
    def data(self) -> dict[str, Any]:
        return {"line": self.line}


class Runner:
    """One child process, used by one call at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def call(self, source: str, arguments: dict[str, Any] | None) -> Any:
        """Return what `main(**arguments)` of the source returns; without arguments only compile it.

        Raises CodeFailed for its errors and for more than TIME_LIMIT_SECONDS or the child's memory.
        """
        request = {"source": source} if arguments is None else {"source": source, "arguments": arguments}
        message = jsontools.dumps(request)
        with self._lock:
            reply = jsontools.loads(self._exchange(message))
        if "error" in reply:
            raise CodeFailed(reply["error"].rstrip("."), reply["line"])
        return reply["value"]

    def close(self) -> None:
        """End the child, if there is one of this process."""
        with self._lock:
            if self._process is not None and self._owner == os.getpid():
                self._end(self._process)

    def _exchange(self, message: bytes) -> bytes:
        process, seconds = self._running()
        try:
            return _Talk(process, time.monotonic() + seconds).exchange(message)
        except TimeoutError:
            self._end(process)
            raise CodeFailed(f"it ran longer than {TIME_LIMIT_SECONDS:g} s and was stopped") from None
        except (EOFError, BrokenPipeError):
            self._end(process)
            raise CodeFailed("it used more memory than it may and was stopped") from None
        except BaseException:  # an interrupt between request and answer: the next call must not read this answer
            self._end(process)
            raise

    def _running(self) -> tuple[subprocess.Popen[bytes], float]:
        """Return the child and how long it may take; started anew when it ended or this process is a fork."""
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._process, self._owner = _start(), os.getpid()
            return self._process, STARTUP_SECONDS + TIME_LIMIT_SECONDS
        return self._process, TIME_LIMIT_SECONDS

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


class _Talk:
    """A request and its answer over the child's pipes, up to a deadline."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.sink, self.source, self.deadline = process.stdin.fileno(), process.stdout.fileno(), deadline

    def exchange(self, message: bytes) -> bytes:
        self._write(struct.pack(">I", len(message)) + message)
        length = struct.unpack(">I", self._read(4))[0]
        if length > MAX_ANSWER:
            raise CodeFailed(f"it returns {length:,} bytes; at most {MAX_ANSWER:,} are taken")
        return self._read(length)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.sink, view) :]
            except BlockingIOError:
                self._await(self.sink, selectors.EVENT_WRITE)

    def _read(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            self._await(self.source, selectors.EVENT_READ)
            piece = os.read(self.source, min(length - len(parts), 1 << 20))
            if not piece:
                raise EOFError
            parts += piece
        return bytes(parts)

    def _await(self, file: int, event: int) -> None:
        with selectors.PollSelector() as selector:
            selector.register(file, event)
            if not selector.select(max(self.deadline - time.monotonic(), 0)):
                raise TimeoutError


def _start() -> subprocess.Popen[bytes]:
    """Start a child that inherits neither environment nor files."""
    process = subprocess.Popen(
        [sys.executable, "-I", str(CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
    )
    assert process.stdin is not None
    os.set_blocking(process.stdin.fileno(), False)
    return process


_runner = Runner()
atexit.register(_runner.close)


def run(source: str, arguments: dict[str, Any]) -> Any:
    """Return what `main(**arguments)` of the source returns; raises CodeFailed."""
    return _runner.call(source, arguments)


def compile_source(source: str) -> None:
    """Raise CodeFailed when the source cannot be compiled, or fails before `main` is called."""
    _runner.call(source, None)
