"""The process that keeps the embedded servers up for as long as anyone has joined.

`python -m director.embedded.keeper DATA` writes "ready", or why not, on its standard output and closes it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import IO

from director.embedded.layout import Layout
from director.embedded.servers import Postgres, Redis
from director.errors import SetupError

LOOK_EVERY_SECONDS = 0.25
logger = logging.getLogger("director.embedded")


Servers = tuple[Postgres | Redis, ...]


def keep(servers: Servers, layout: Layout, users: IO[bytes]) -> None:
    """Return when nobody is left; until then start again what has died, unless somebody holds start.lock."""
    while not _try_lock(users):
        with layout.start_lock.open("ab") as starting:
            if _try_lock(starting):
                for server in servers:
                    revive(server)
        time.sleep(LOOK_EVERY_SECONDS)


def revive(server: Postgres | Redis) -> None:
    """Start the server again if it has died; what keeps it down for now is logged, the next look tries again."""
    if server.is_running():
        return
    logger.warning("%s has died; starting it again", type(server).__name__)
    try:
        server.start()
    except SetupError as error:
        logger.error(error.message)


def main() -> None:
    """Start, keep, stop."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for those who use us
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the machine is going down
    layout = Layout.of(Path(sys.argv[1]))
    servers = (Redis(layout), Postgres(layout))
    with layout.keeper_lock.open("ab") as ours, layout.users_lock.open("ab") as users:
        fcntl.flock(ours, fcntl.LOCK_EX)
        try:
            layout.prepare_for_servers()
            for server in servers:
                server.start()
            _say("ready")
            keep(servers, layout, users)
        except SetupError as error:
            _say(error.message)
        finally:
            _stop(servers, layout)


def _stop(servers: Servers, layout: Layout) -> None:
    for server in servers:
        server.stop()
    if layout.sockets.parent != layout.home:
        shutil.rmtree(layout.sockets, ignore_errors=True)


def _say(text: str) -> None:
    logger.info(text)
    print(text, flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main()
