"""`manage.py up` as people run it: its own data folder, its own servers, one terminal."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from director.embedded.layout import Layout
from director.embedded.servers import answers
from tests.rig.processes import Running, accepts, free_port
from tests.rig.waiting import wait_for


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that a server run by root under another account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="director-up-"))
    folder.chmod(0o711)
    yield folder / "data"
    wait_for(lambda: not answers(Layout.of(folder / "data").postgres_socket), what="the end of PostgreSQL")
    shutil.rmtree(folder, ignore_errors=True)


def up(data: Path, port: int) -> Running:
    command = [sys.executable, "manage.py", "up", "--port", str(port), "--workers", "1", "--data-dir", str(data)]
    return Running(command, {**os.environ, "PYTHONUNBUFFERED": "1"})


def test_one_command_runs_everything_and_one_ctrl_c_stops_it(data: Path):
    port = free_port()
    with up(data, port) as director:
        director.wait_until_it_says(f"director | running at http://localhost:{port}")
        with urllib.request.urlopen(f"http://localhost:{port}/accounts/login/") as answer:
            assert answer.status == 200

        director.wait_until_it_says("ready.")
        first_worker = int(re.search(r"worker1 \| started as process (\d+)", director.output)[1])
        os.kill(first_worker, signal.SIGKILL)
        director.wait_until_it_says("worker1 | was ended by SIGKILL; starting it again in 1 s")
        director.wait_until(lambda: director.output.count("ready.") == 2, what="second start of the worker")

        with up(data, free_port()) as second:
            wait_for(lambda: not second.is_alive, what="the refusal of a second start")
            assert second.exit_code == 1
            refusal = f"Director is already running with the data folder {data} (process {director.pid} at"
            assert refusal in second.output
            assert "--data-dir" in second.output

        director.send(signal.SIGINT)
        wait_for(lambda: not director.is_alive, what="the end of everything")
        assert director.exit_code == 0, director.output
        assert director.output.endswith("director | stopped\n")
        assert not accepts(port)
        assert not answers(Layout.of(data).postgres_socket)
        assert not answers(Layout.of(data).redis_socket)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"DATABASE_URL": "nonsense", "SECRET_KEY": "k" * 50},
            "DATABASE_URL is no address of a PostgreSQL database; write",
        ),
        ({"DATABASE_URL": "postgresql://localhost/x"}, "Where DATABASE_URL is set, set SECRET_KEY"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_in_a_sentence(settings: dict[str, str], told: str):
    environment = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "SECRET_KEY")}
    command = [sys.executable, "manage.py", "migrate"]

    refused = subprocess.run(command, env={**environment, **settings}, capture_output=True, text=True)

    assert refused.returncode == 1
    assert refused.stderr.startswith(told)
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--port", "99999"], "99999 is no port; choose a number from 1 to 65535"), (["--workers", "0"], "at least one")],
)
def test_numbers_that_cannot_be_meant_are_refused(arguments: list[str], told: str):
    with pytest.raises(CommandError, match=told):
        call_command("up", *arguments)


def test_an_occupied_port_is_refused_with_the_way_out(data: Path):
    with socket.socket() as occupier:
        occupier.bind(("127.0.0.1", 0))
        occupier.listen()
        port = occupier.getsockname()[1]

        with up(data, port) as director:
            wait_for(lambda: not director.is_alive, what="the refusal")
            assert director.exit_code == 1
            assert f"Port {port} on 127.0.0.1 cannot be used: Address already in use." in director.output
            assert f"--port {port + 1}" in director.output
