"""Replays by real workers: killed in the middle, or while the original still runs. The original is what it was."""

from collections import Counter

import pytest
from django.db import connection

from executions.models import Execution, ExecutionFrame
from executions.replay.services import Request, replay
from tests.crash.runs import (
    assert_failed_only_as_interrupted,
    assert_nothing_lost_and_nothing_twice,
    done,
    finished,
    with_effects,
)
from tests.executions.running import start
from tests.rig.step_types import lines
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

CHECKSUM = """
SELECT (SELECT md5(string_agg(e::text, '' ORDER BY e.id)) FROM executions e WHERE e.id = %(execution)s),
    (SELECT md5(string_agg(f::text, '' ORDER BY f.id)) FROM execution_frames f WHERE f.execution_id = %(execution)s),
    (SELECT md5(string_agg(s::text, '' ORDER BY s.id)) FROM execution_steps s WHERE s.execution_id = %(execution)s)
"""


def checksum(execution: Execution) -> tuple[str, str, str]:
    """Of every row of the run."""
    with connection.cursor() as cursor:
        cursor.execute(CHECKSUM, {"execution": execution.pk})
        return cursor.fetchone()


def times(path, execution: Execution) -> int:
    """How often the effect happened in this run."""
    return sum(line.startswith(str(execution.pk)) for line in lines(path))


def test_a_worker_killed_in_the_middle_of_a_replay_repeats_nothing_and_the_original_is_untouched(
    worker, beat, tmp_path
):
    workflow = with_effects(400, tmp_path, send_seconds=0.1)
    alive = [worker(), worker()]
    original = start(workflow)
    wait_for(lambda: finished(original), 60, what="the end of the original")
    before = checksum(original)

    again = replay(original, Request("send"))
    for moved in (50, 150):
        wait_for(lambda moved=moved: done(again) > moved or finished(again), 60, what="progress")
        alive.pop(0).kill()
        alive.append(worker(ready=False))

    wait_for(lambda: finished(again), 90, what="the end of the replay")
    assert_nothing_lost_and_nothing_twice(again, 400, tmp_path)
    assert_failed_only_as_interrupted(again, kills=2)
    assert (times(tmp_path / "upserts", original), times(tmp_path / "upserts", again)) == (400, 0)
    assert checksum(original) == before


def test_a_replay_while_the_original_still_runs_takes_nothing_from_it(worker, beat, tmp_path):
    workflow = with_effects(500, tmp_path, send_seconds=0.1)
    worker(), worker()
    original = start(workflow)
    wait_for(lambda: done(original) > 50, 60)

    again = replay(original, Request("upsert"))  # what is open is known at once, not when a worker comes to it

    wait_for(lambda: finished(original) and finished(again), 90, what="the end of both")
    assert (original.status, original.records_complete, times(tmp_path / "sent", original)) == ("completed", 500, 500)
    left = ExecutionFrame.objects.filter(execution=again, status="skipped").values_list("error__code", flat=True)
    assert set(left) == {"still_open"}
    assert (again.status, again.records_total, again.records_failed) == ("completed", 500, 0)
    assert again.records_complete == 500 - len(left) == times(tmp_path / "sent", again) >= 50
    assert set(Counter(line.split()[0] for line in lines(tmp_path / "sent")).values()) == {1}
