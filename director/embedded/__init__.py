"""PostgreSQL and Redis without an installation: the binaries of two wheels, run for whoever needs them.

Every process that needs the servers joins; they are started for the first and stopped after the last. Three lock files
in the data folder decide, so that a process that is killed leaves nothing to clean up:

    users.lock    shared by every process that has joined; the kernel lets go of it when the process ends
    start.lock    held by one process at a time while it looks whether the servers are up, and starts them
    keeper.lock   held by the keeper (`director.embedded.keeper`), a small process that starts the servers, starts them
                  again should one of them die, and stops them once it gets users.lock for itself alone

Nothing here imports Django: settings are read before it is set up, and the keeper must stay small.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from director.embedded.layout import Layout
from director.errors import SetupError

BASE_DIR = Path(__file__).resolve().parent.parent.parent
WITHOUT_SERVERS = {"help", "version", "check", "collectstatic", "findstatic", "diffsettings", "spectacular"}
STOP_TIMEOUT_SECONDS = 60.0  # a fast shutdown writes a checkpoint

_joined: dict[Path, IO[bytes]] = {}  # data folder -> our share of users.lock


def data_dir() -> Path:
    """Return the folder that holds everything kept between runs: DIRECTOR_DATA_DIR, or `.director` in the project."""
    return Path(os.environ.get("DIRECTOR_DATA_DIR") or BASE_DIR / ".director").resolve()


def take_data_dir_from(arguments: list[str]) -> None:
    """Let `--data-dir` decide before the settings are read; child processes find it in the environment."""
    for place, word in enumerate(arguments):
        name, separator, value = word.partition("=")
        following = "".join(arguments[place + 1 : place + 2])
        if name == "--data-dir" and (folder := value if separator else following):
            os.environ["DIRECTOR_DATA_DIR"] = str(Path(folder).resolve())


def database_url() -> str:
    """Return where the embedded PostgreSQL listens, whether it is up or not."""
    return f"postgresql:///director?host={Layout.of(data_dir()).sockets}&user=director"


def redis_url() -> str:
    """Return where the embedded Redis listens, whether it is up or not."""
    return f"unix://{Layout.of(data_dir()).redis_socket}"


def is_set(name: str) -> bool:
    """Tell whether a server is named in the environment, so that the embedded one is not wanted."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def is_needed_for(arguments: list[str]) -> bool:
    """Tell whether a management command may ask the servers for something."""
    command = arguments[1] if len(arguments) > 1 else "help"
    return not command.startswith("-") and command not in WITHOUT_SERVERS and not {"--help", "-h"} & set(arguments)


def join_unless_configured() -> None:
    """Join the embedded servers where DATABASE_URL or REDIS_URL does not name others."""
    if not (is_set("DATABASE_URL") and is_set("REDIS_URL")):
        join(data_dir())


def join(data: Path) -> Layout:
    """Return the layout of running servers with their data in `data`; they stay up until this process ends or leaves.

    Joining twice is joining once. Raises SetupError with the reason and the way out when they cannot be started.
    """
    layout = Layout.of(data)
    if data in _joined:
        return layout
    layout.prepare()
    with _open_lock(layout.start_lock) as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        share = _open_lock(layout.users_lock)
        fcntl.flock(share, fcntl.LOCK_SH)  # waits while a keeper is stopping the servers
        if not _is_held(layout.keeper_lock):
            _start_keeper(layout)
    _joined[data] = share
    return layout


def leave(data: Path) -> None:
    """Give up our share, if we have one; when it was the last one, return after the servers have stopped."""
    layout = Layout.of(data)
    share = _joined.pop(data, None)
    if share is None:
        return
    was_last = _try_lock(share, fcntl.LOCK_EX)
    share.close()
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while was_last and _is_held(layout.keeper_lock) and time.monotonic() < deadline:
        time.sleep(0.02)


def secret_key() -> str:
    """Return the key that signs sessions and links, made at the first call and kept in the data folder."""
    layout = Layout.of(data_dir())
    layout.prepare()
    return layout.secret("secret_key")


def _open_lock(path: Path) -> IO[bytes]:
    return path.open("ab")


def _try_lock(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(path: Path) -> bool:
    with _open_lock(path) as file:
        return not _try_lock(file, fcntl.LOCK_SH)


def _start_keeper(layout: Layout) -> None:
    """Return when the keeper says that the servers answer; raise SetupError with its reason when it cannot."""
    command = [sys.executable, "-m", "director.embedded.keeper", str(layout.data)]
    with layout.keeper_log.open("ab") as log:
        keeper = subprocess.Popen(
            command, cwd=BASE_DIR, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    assert keeper.stdout is not None
    said = keeper.stdout.read().decode().strip()
    keeper.stdout.close()
    if said != "ready":
        keeper.wait()
        raise SetupError(said or f"The embedded servers could not be started; see {layout.keeper_log}")
    keeper.returncode = 0  # it outlives us on purpose: no warning about a child left running
