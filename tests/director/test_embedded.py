"""The embedded servers, driven by the processes that share them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from director.embedded.layout import Layout
from director.embedded.servers import Postgres, Redis, answers
from tests.rig.waiting import wait_for

USE = """
import sys
from pathlib import Path
from director import embedded
from director.errors import SetupError
try:
    embedded.join(Path(sys.argv[1]))
except SetupError as error:
    sys.exit(error.message)
print("joined", flush=True)
sys.stdin.read()
embedded.leave(Path(sys.argv[1]))
"""
User = subprocess.Popen[str]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder for data folders; open, so that a server run by root under another account gets through.

    The tests share the data folder `data` in it, which no server uses between them: making one takes a second.
    """
    path = Path(tempfile.mkdtemp(prefix="director-embedded-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def use(folder: Path) -> Iterator[Callable[[Path], User]]:
    """A function that starts a process which joins the servers of a data folder, and returns it then."""
    started: list[User] = []

    def start(data: Path) -> User:
        command = [sys.executable, "-c", USE, str(data)]
        user = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(user)
        assert user.stdout.readline() == "joined\n"
        return user

    yield start
    for user in started:
        user.kill()
        user.wait()
        user.stdin.close()
        user.stdout.close()
    for data in (path for path in folder.iterdir() if path.is_dir()):
        wait_for(lambda data=data: is_down(data), what=f"the end of the servers in {data}")


def leave(user: User) -> None:
    user.stdin.close()
    assert user.wait(30) == 0


def is_down(data: Path) -> bool:
    layout = Layout.of(data)
    return not answers(layout.postgres_socket) and not answers(layout.redis_socket)


def ask(data: Path, query: str) -> tuple[object, ...] | None:
    """Return the first row that the query gives, if any."""
    address = f"postgresql:///director?host={Layout.of(data).sockets}&user=director"
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchone() if cursor.description else None


def cache(data: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(Layout.of(data).redis_socket))


def postmaster(data: Path) -> int:
    return int((Layout.of(data).postgres / "postmaster.pid").read_text().split()[0])


def test_the_last_of_two_users_stops_the_servers_and_the_data_stays(folder: Path, use):
    data = folder / "data"
    first, second = use(data), use(data)
    ask(data, "create table first_run as select 'yes' as word")
    assert ask(data, "show fsync") == ask(data, "show synchronous_commit") == ("on",)
    with cache(data) as client:
        assert client.ping()

    leave(first)
    assert not is_down(data)
    leave(second)
    assert is_down(data)

    use(data)
    assert ask(data, "select word from first_run") == ("yes",)


def test_two_folders_side_by_side_do_not_meet(folder: Path, use):
    one, other = folder / "one", folder / "other"
    first, _ = use(one), use(other)
    assert postmaster(one) != postmaster(other)

    leave(first)

    assert is_down(one)
    assert not is_down(other)


def test_a_killed_user_leaves_nothing_running_and_nothing_locked(folder: Path, use):
    data = folder / "data"
    user = use(data)

    user.kill()
    wait_for(lambda: is_down(data), what="the end of the servers")

    leave(use(data))
    assert is_down(data)


def test_a_killed_keeper_is_followed_by_one_that_takes_its_servers_over(folder: Path, use):
    data = folder / "data"
    user = use(data)
    before = postmaster(data)
    keeper = parent_with("director.embedded.keeper", str(data))
    os.kill(keeper, signal.SIGKILL)
    user.kill()
    assert not is_down(data)

    wait_for(lambda: not Path(f"/proc/{keeper}/cmdline").exists() or not Path(f"/proc/{keeper}/cmdline").read_bytes())
    user = use(data)

    assert postmaster(data) == before
    leave(user)
    assert is_down(data)


def parent_with(*words: str) -> int:
    """Return the process whose command line has all the words."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        line = path.read_text(errors="replace") if path.exists() else ""
        if all(word in line for word in words):
            return int(path.parent.name)
    raise AssertionError(f"no process with {words}")


def test_a_server_that_dies_is_started_again(folder: Path, use):
    data = folder / "data"
    use(data)
    ask(data, "create table before_death as select 1")
    dead = postmaster(data)

    os.kill(dead, signal.SIGKILL)
    with cache(data) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)

    def is_back() -> bool:
        try:
            ask(data, "select * from before_death")
            with cache(data) as client:
                return postmaster(data) != dead and client.ping()
        except (psycopg.OperationalError, redis.ConnectionError, OSError):
            return False

    wait_for(is_back, what="the return of both servers")


def test_a_pid_file_left_by_another_boot_does_not_keep_the_server_down(folder: Path, use):
    data = folder / "data"
    leave(use(data))
    layout = Layout.of(data)
    stale = layout.postgres / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{layout.postgres}\n1\n5432\n{layout.sockets}\n")
    layout.give_to_server(stale)

    use(data)

    assert postmaster(data) != os.getpid()


def test_an_outage_on_purpose_lasts_until_its_end(folder: Path, use):
    data = folder / "data"
    use(data)
    layout = Layout.of(data)

    with layout.outage():
        Redis(layout).stop()
        Postgres(layout).stop()
        assert is_down(data)

    wait_for(lambda: not is_down(data), what="the return of the servers")


def test_a_path_too_long_for_a_socket_has_its_sockets_elsewhere(folder: Path, use):
    data = folder / ("long-" * 20)
    user = use(data)

    assert len(str(Layout.of(data).postgres_socket)) < 100
    assert ask(data, "select 1") == (1,)

    leave(user)
    assert not Layout.of(data).sockets.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another account")
def test_root_may_keep_its_data_folder_to_itself(folder: Path, use):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    data = closed / "data"

    user = use(data)

    home = Layout.of(data).home
    assert not home.is_relative_to(folder)
    assert ask(data, "select 1") == (1,)
    leave(user)
    shutil.rmtree(home)


def test_data_of_another_postgresql_is_refused_by_name(folder: Path, use):
    data = folder / "data"
    leave(use(data))
    version = Layout.of(data).postgres / "PG_VERSION"
    ours = version.read_text()
    version.write_text("17\n")

    refused = subprocess.run([sys.executable, "-c", USE, str(data)], capture_output=True, text=True)
    version.write_text(ours)

    assert refused.returncode == 1
    assert "was written by PostgreSQL 17, this is 18" in refused.stderr
    assert "--data-dir" in refused.stderr


def test_a_data_folder_that_cannot_be_made_is_refused_with_the_way_out(folder: Path):
    (folder / "file").touch()

    refused = subprocess.run([sys.executable, "-c", USE, str(folder / "file/data")], capture_output=True, text=True)

    assert refused.returncode == 1
    assert f"The data folder {folder}/file/data cannot be made: Not a directory." in refused.stderr
    refused = subprocess.run([sys.executable, "-c", USE, str(folder / "file")], capture_output=True, text=True)
    assert f"The data folder {folder}/file is no folder." in refused.stderr
    assert "--data-dir" in refused.stderr
