"""Runs child processes, says what they say with their name in front, and starts again what has crashed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from director import embedded
from director.processes import die_with_parent

FIRST_PAUSE_SECONDS = 1.0  # before a crashed child is started again; doubles with each crash in a row
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0  # a child that lived this long starts over with the first pause
STOP_SECONDS = 20.0  # longer than the slice that a worker finishes first

Say = Callable[[str, str], None]  # (name of the child, one line)


@dataclass(frozen=True)
class Child:
    """A process to keep up."""

    name: str
    command: Sequence[str]


class Supervisor:
    """Keeps children up inside a `with` block and stops all of them at its end.

    Each child has a thread that starts it, reads its lines and waits for it, so the main thread stays free.
    """

    def __init__(self, children: Sequence[Child], *, say: Say, environment: dict[str, str] | None = None) -> None:
        self._children = children
        self._say = say
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._keep, args=(child,), daemon=True) for child in children]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Return when every child has ended: asked first, killed after STOP_SECONDS or on a second Ctrl-C."""
        self._stopping.set()
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        try:
            for thread in self._threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        finally:
            self._signal_all(signal.SIGKILL)
            for thread in self._threads:
                thread.join()

    def _keep(self, child: Child) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            started = time.monotonic()
            code = self._run_once(child)
            if self._stopping.is_set():
                return
            if time.monotonic() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._say(child.name, f"{_ending(code)}; starting it again in {pause:.0f} s")
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _run_once(self, child: Child) -> int:
        """Return the exit code of one life of the child, after passing on what it said."""
        with subprocess.Popen(
            child.command,
            cwd=embedded.BASE_DIR,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the children in order
            preexec_fn=die_with_parent,  # one call into libc, safe after a fork
        ) as process:
            self._running[child.name] = process
            self._say(child.name, f"started as process {process.pid}")
            if self._stopping.is_set():  # stop() looked before this one was in the list
                process.terminate()
            assert process.stdout is not None
            for line in process.stdout:
                self._say(child.name, line.rstrip("\n"))
        return process.returncode

    def _signal_all(self, number: signal.Signals) -> None:
        for process in list(self._running.values()):
            if process.poll() is None:
                process.send_signal(number)


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
