"""The whole of Director as one running thing, for `manage.py up` and `manage.py demo`."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import threading
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from director import embedded, processes
from director.embedded.layout import Layout
from director.errors import SetupError
from director.supervisor import Child, Say, Supervisor

WEB_START_SECONDS = 60.0
MAX_PORT = 65535
COLOURS = {"director": "1", "web": "36", "beat": "35"}
WORKER_COLOURS = ("32", "33", "34", "92", "93", "94")
ANY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104  (compared with, not bound to)


def add_arguments(parser: ArgumentParser, *, workers: int) -> None:
    """Add what `up` and `demo` both take."""
    parser.add_argument("--port", type=_port, default=8000, help="the port to listen on (default: 8000)")
    parser.add_argument("--workers", type=_count, default=workers, help=f"worker processes (default: {workers})")


def _port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) <= MAX_PORT):
        raise ArgumentTypeError(f"{text} is no port; choose a number from 1 to {MAX_PORT}")
    return int(text)


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise ArgumentTypeError(f"{text} is no number of workers; at least one is needed to walk anything")
    return int(text)


@contextmanager
def running(*, host: str, port: int, workers: int, say: Say) -> Iterator[str]:
    """Yield the address of a migrated Director with web, workers and beat up; all of it is stopped at the end.

    SIGTERM becomes KeyboardInterrupt, so that both ways of stopping take the same path; SIGINT too where a script that
    started us in the background had it ignored. Raises SetupError when the port or the data folder is taken.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    url = f"http://{'localhost' if host in {'127.0.0.1', *ANY_ADDRESS} else host}:{port}"
    with only_one_in(settings.DATA_DIR, url):
        check_port(host, port)
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        environment = {"DIRECTOR_URL": os.environ.get("DIRECTOR_URL") or url}
        with Supervisor(children(host, port, workers), say=say, environment=environment):
            wait_for_web(host, port)
            yield environment["DIRECTOR_URL"]
        connections.close_all()
        embedded.leave(settings.DATA_DIR)


def children(host: str, port: int, workers: int) -> list[Child]:
    """Return the processes of a whole Director."""
    names = [f"worker{number}" for number in range(1, workers + 1)]
    return [
        Child("web", processes.web(host, port)),
        *(Child(name, processes.worker(f"{name}-{os.getpid()}")) for name in names),
        Child("beat", processes.beat()),
    ]


def check_port(host: str, port: int) -> None:
    """Refuse a port that cannot be listened on, with the reason."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            way_out = f"Choose another one, as in --port {port + 1 if 1024 <= port < MAX_PORT else 8001}."
            raise SetupError(f"Port {port} on {host} cannot be used: {error.strerror}. {way_out}") from error


@contextmanager
def only_one_in(data: Path, url: str) -> Iterator[None]:
    """Hold the data folder for one running Director; a second one is told about the first."""
    Layout.of(data).prepare()
    with (data / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise SetupError(
                f"Director is already running with the data folder {data} ({lock.read().strip()}). "
                "Stop it, or choose another folder with --data-dir."
            ) from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()} at {url}\n")
        lock.flush()
        yield


def wait_for_web(host: str, port: int) -> None:
    """Return when the web process accepts connections."""
    deadline = time.monotonic() + WEB_START_SECONDS
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise SetupError(f"The web process did not answer within {WEB_START_SECONDS:.0f} s.") from None
            time.sleep(0.05)
        else:
            return


class Terminal:
    """Writes lines with the name of who said them in front, each name in its colour on a terminal."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._lock = threading.Lock()

    def __call__(self, name: str, line: str) -> None:
        with self._lock:
            print(f"{self._label(name)} {line}", flush=True)

    def _label(self, name: str) -> str:
        label = f"{name:>8} |"
        if not self._colour:
            return label
        number = sum(int(character) for character in name if character.isdigit())
        return f"\x1b[{COLOURS.get(name) or WORKER_COLOURS[number % len(WORKER_COLOURS)]}m{label}\x1b[0m"
