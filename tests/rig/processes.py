"""Director's own processes, started for a test: against the test database, stoppable, killable, always cleaned up."""

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import connection

from director import embedded, processes
from director.embedded.layout import Layout
from director.processes import die_with_parent
from tests.rig.waiting import wait_for

READY_SECONDS = 60.0


def environment(**over: str) -> dict[str, str]:
    """Return the environment of a process that works on the test database."""
    sockets = Layout.of(embedded.data_dir()).sockets
    name = connection.settings_dict["NAME"]
    own = {
        "DATABASE_URL": f"postgresql:///{name}?host={sockets}&user=director",
        "SECRET_KEY": settings.SECRET_KEY,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(settings.BASE_DIR),
    }
    return {**os.environ, **own, **over}


class Running:
    """A process with what it has said so far; a `with` block ends it."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed by clean_up)
        self._process = subprocess.Popen(
            command,
            cwd=settings.BASE_DIR,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clean_up()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """What it has written to its output and its log."""
        return Path(f"/proc/self/fd/{self._said.fileno()}").read_text()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def wait_until_it_says(self, words: str, timeout: float = READY_SECONDS) -> None:
        """Return when the words are in its output."""
        self.wait_until(lambda: words in self.output, timeout, what=repr(words))

    def wait_until(self, predicate: Callable[[], bool], timeout: float = READY_SECONDS, *, what: str) -> None:
        """Return when the predicate is true; clean up and fail, with the output, when the process ends before."""
        try:
            wait_for(lambda: predicate() or not self.is_alive, timeout)
            happened = predicate()
        except AssertionError:
            happened = False
        if not happened:
            code, output = self.exit_code, self.output
            self.clean_up()
            raise AssertionError(f"no {what}; exit code {code}; its output:\n{output}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, no farewell."""
        self.send(signal.SIGKILL)
        self._process.wait()

    def pause(self) -> None:
        """Stop it in its tracks (SIGSTOP) as a machine that swaps or sleeps would."""
        self.send(signal.SIGSTOP)

    def go_on(self) -> None:
        self.send(signal.SIGCONT)

    def stop(self, timeout: float = 30.0) -> int:
        """Ask it to end, return its exit code."""
        self.send(signal.SIGTERM)
        return self._process.wait(timeout)

    def clean_up(self) -> None:
        """End it if it has not ended; may be said twice."""
        if self.is_alive:
            self.kill()
        self._said.close()


def start_worker(name: str, *, ready: bool = True, **env: str) -> Running:
    """Return a Celery worker that has connected and takes messages, or one that is about to when not `ready`."""
    command = [*processes.worker(name), "--include", "tests.rig.step_types"]
    worker = Running(command, environment(**env))
    if ready:
        worker.wait_until_it_says(f"{name}@")
        worker.wait_until_it_says("ready.")
    return worker


def start_beat(**env: str) -> Running:
    """Return a running beat."""
    beat = Running(processes.beat(), environment(**env))
    beat.wait_until_it_says("beat: Starting")
    return beat


class Server(Running):
    """The web process on a free port of this machine."""

    def __init__(self, **env: str) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        super().__init__(processes.web("127.0.0.1", self.port), environment(DIRECTOR_URL=self.url, **env))
        self.wait_until(lambda: accepts(self.port), what="answer from the web process")


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
