"""Supervision of small programs; `test_up.py` has the real ones."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from director import supervisor
from director.supervisor import Child, Supervisor
from tests.rig.waiting import wait_for


@pytest.fixture
def said() -> list[tuple[str, str]]:
    return []


def python(name: str, code: str) -> Child:
    return Child(name, [sys.executable, "-c", code])


def test_a_crashed_child_is_started_again_and_said_so(said, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.05)
    starts = tmp_path / "starts"
    count_and_crash = f"open({str(starts)!r}, 'a').write('x'); import sys; sys.exit(3)"

    with Supervisor([python("counter", count_and_crash)], say=lambda *words: said.append(words)):
        wait_for(lambda: starts.exists() and len(starts.read_text()) >= 3, what="the third start")

    assert [name for name, _ in said[:3]] == 3 * ["counter"]
    assert said[0][1].startswith("started as process ")
    assert said[1][1].startswith("ended with exit code 3; starting it again in ")


def test_a_killed_child_is_told_by_the_name_of_the_signal(said, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.05)
    kill_itself = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"

    with Supervisor([python("victim", kill_itself)], say=lambda *words: said.append(words)):
        wait_for(lambda: len(said) > 1, what="a word about the end")

    assert said[1] == ("victim", "was ended by SIGKILL; starting it again in 0 s")


def test_stopping_kills_a_child_that_does_not_listen(said, monkeypatch):
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.2)
    deaf = "import os, signal as s; s.signal(s.SIGTERM, s.SIG_IGN); print(os.getpid(), flush=1); s.pause(); s.pause()"

    with Supervisor([python("deaf", deaf)], say=lambda *words: said.append(words)):
        wait_for(lambda: len(said) > 1, what="the child's first line")

    with pytest.raises(ProcessLookupError):
        os.kill(int(said[1][1]), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_supervisor_takes_its_children_with_it():
    code = """
import sys
from director.supervisor import Child, Supervisor
lasting = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
child = Child("child", [sys.executable, "-c", lasting])
with Supervisor([child], say=lambda name, line: print(line.split()[-1], flush=True)):
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)

    wait_for(lambda: is_gone(child), what="the end of the child")


def is_gone(pid: int) -> bool:
    """Tell whether the process has ended, collected or not."""
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or ") Z " in status.read_text()
