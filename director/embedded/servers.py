"""The two embedded servers: start, stop, and whether they answer. State is in their own pid files and sockets."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from director.embedded.layout import Layout
from director.errors import SetupError
from director.processes import die_with_parent

START_TIMEOUT_SECONDS = 60.0  # after a crash PostgreSQL replays its log first
MAJOR_VERSION = "18"

# Sized for one machine with a few gigabytes; written anew at each start. Durability stays on: fsync and
# synchronous_commit are the defaults, spelt out because the journal stands on them.
POSTGRES_CONF = """\
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
effective_cache_size = 1GB
random_page_cost = 1.1
jit = off
fsync = on
synchronous_commit = on
wal_level = minimal
max_wal_senders = 0
wal_buffers = 16MB
min_wal_size = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
"""


class Postgres:
    """PostgreSQL of one layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def start(self) -> None:
        """Return when it accepts connections; an empty layout is initialised first."""
        if self.is_running():
            return
        self._initialise()
        self._remove_stale_pid()
        conf = self.layout.postgres / "director.conf"
        conf.write_text(POSTGRES_CONF.format(sockets=self.layout.sockets))
        self.layout.give_to_server(conf)
        log = self.layout.log / "postgres.log"
        self._run("pg_ctl", "start", "-w", "-s", "-t", f"{START_TIMEOUT_SECONDS:.0f}", "-l", str(log))

    def stop(self) -> None:
        """Disconnect everyone, write a checkpoint and return when it has ended."""
        if (self.layout.postgres / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "-w", "-s", "-m", "fast")

    def is_running(self) -> bool:
        """Tell whether something listens on the socket; while it replays its log it does, but refuses work."""
        return answers(self.layout.postgres_socket)

    def _initialise(self) -> None:
        """Make the cluster and its database aside and move them to their place whole: a crash leaves none or all."""
        version = self.layout.postgres / "PG_VERSION"
        if version.exists():
            if version.read_text().strip() != MAJOR_VERSION:
                found = version.read_text().strip()
                raise SetupError(
                    f"{self.layout.postgres} was written by PostgreSQL {found}, this is {MAJOR_VERSION}. "
                    "Dump it with the old release, or choose another folder with --data-dir."
                )
            return
        draft = self.layout.home / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self.layout.give_to_server(draft)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run("initdb", "-U", "director", "--auth=trust", *locale, folder=draft)
        self._run("postgres", "--single", "template1", folder=draft, typed="CREATE DATABASE director\n")
        with (draft / "postgresql.conf").open("a") as conf:
            conf.write("include 'director.conf'\n")
        draft.rename(self.layout.postgres)

    def _remove_stale_pid(self) -> None:
        """Remove the pid file of a killed server where PostgreSQL itself would not dare.

        It sees that the number is taken, but not that it is by another program since the machine was started again,
        or by a dead process that nobody has collected, as in a container without an init.
        """
        pid_file = self.layout.postgres / "postmaster.pid"
        if not pid_file.exists():
            return
        status = Path("/proc", pid_file.read_text().split()[0], "stat")
        if status.exists() and not re.match(r"\d+ \(postgres\) [^Z]", status.read_text()):
            pid_file.unlink()

    def _run(self, program: str, *arguments: str, folder: Path | None = None, typed: str | None = None) -> None:
        account = self.layout.account
        first = [arguments[0]] if program == "postgres" else []  # --single must come first
        command = [str(self.layout.postgres_program(program)), *first, "-D", str(folder or self.layout.postgres)]
        done = subprocess.run(
            [*command, *arguments[len(first) :]],
            input=typed,
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            umask=0o077,
        )
        if done.returncode:
            raise SetupError(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}{self._last_log_lines()}")

    def _last_log_lines(self) -> str:
        log = self.layout.log / "postgres.log"
        return "\n" + "\n".join(log.read_text().splitlines()[-5:]) if log.exists() else ""


class Redis:
    """Redis of one layout: nothing is kept on disk, everything in it can be made again from PostgreSQL.

    It runs as a child of the process that starts it and ends with it.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers."""
        if self.is_running():
            return
        options = {
            "port": "0",
            "unixsocket": str(self.layout.redis_socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "dir": str(self.layout.home),
            "logfile": str(self.layout.log / "redis.log"),
            "loglevel": "warning",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        command = [str(self.layout.redis_program()), *words]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.is_running():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SetupError(f"redis-server did not start; see {self.layout.log}/redis.log")
            time.sleep(0.01)

    def stop(self) -> None:
        """Return when it has ended; what it held is gone."""
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self.layout.redis_socket))
                connection.sendall(b"SHUTDOWN NOSAVE\r\n")
                connection.recv(100)  # ends when the process has let go of the socket
            except (FileNotFoundError, ConnectionError):
                pass  # it has ended, or its socket was removed under it
        if self._process:
            self._process.terminate()
            self._process.wait()

    def is_running(self) -> bool:
        """Tell whether it answers."""
        return answers(self.layout.redis_socket)


def answers(path: Path) -> bool:
    """Tell whether a server listens on the socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
