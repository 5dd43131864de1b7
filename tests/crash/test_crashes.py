"""Processes die and servers go away in the middle of a run; afterwards nothing is lost and nothing was done twice."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection

from director.embedded.layout import Layout
from director.embedded.servers import Postgres, Redis
from executions.models import Execution, ExecutionSlice
from tests.crash.runs import (
    assert_failed_only_as_interrupted,
    assert_nothing_lost_and_nothing_twice,
    done,
    finished,
    with_effects,
    with_records,
)
from tests.executions.running import start
from tests.rig import processes
from tests.rig.step_types import lines
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PURE = """
director: 1
name: Pure
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - {alias: kind, type: set, config: {value: "{{ current.subject | upper }}"}, store_to_record: true}
      - {alias: note, type: set, config: {value: "{{ current.kind }}"}}
"""


def kill_twenty_times(execution: Execution, worker: Callable[..., processes.Running], count: int) -> None:
    """Two workers at a time; when the run has moved on by a random amount one of them is killed and replaced."""
    chance = random.Random(20261121)
    alive = [worker(), worker()]
    for kill in range(20):
        moved = done(execution) + chance.randrange(1, count // 25)
        wait_for(
            lambda moved=moved: done(execution) >= moved or finished(execution),
            60,
            what=f"progress to {moved} before kill {kill + 1}",
        )
        alive.pop(chance.randrange(2)).kill()
        alive.append(worker(ready=False))


def test_a_run_survives_twenty_kills_of_its_workers(worker, beat, tmp_path):
    workflow = with_effects(5_000, tmp_path, upsert_seconds=0.15)
    execution = start(workflow)

    kill_twenty_times(execution, worker, 5_000)

    wait_for(lambda: finished(execution), 120, what="the end of the run")
    assert_nothing_lost_and_nothing_twice(execution, 5_000, tmp_path)
    assert_failed_only_as_interrupted(execution, kills=20)


def test_redis_may_be_stopped_and_emptied_in_the_middle_of_a_run(worker, beat, stack: Layout):
    workflow = with_records(PURE, 30_000)
    worker()
    execution = start(workflow)
    wait_for(lambda: done(execution) > 500, 60)

    with stack.outage():
        Redis(stack).stop()
    wait_for(Redis(stack).is_running, what="its keeper to start it again, empty")

    wait_for(lambda: finished(execution), 120, what="the end of the run")
    assert_nothing_lost_and_nothing_twice(execution, 30_000)


def test_postgresql_may_be_restarted_in_the_middle_of_a_run(worker, beat, stack: Layout, tmp_path):
    workflow = with_effects(1_500, tmp_path, upsert_seconds=0.05)
    worker(), worker()
    execution = start(workflow)
    wait_for(lambda: done(execution) > 100, 60)
    connection.close()

    with stack.outage():
        Postgres(stack).stop()
    wait_for(Postgres(stack).is_running, what="its keeper to start it again")

    wait_for(lambda: finished(execution), 120, what="the end of the run")
    assert_nothing_lost_and_nothing_twice(execution, 1_500, tmp_path)


def test_two_workers_claiming_at_once_share_the_records_and_walk_none_twice(worker, beat, tmp_path):
    workflow = with_effects(3_000, tmp_path, upsert_seconds=0.1)
    worker(), worker()
    execution = start(workflow)
    wait_for(lambda: ExecutionSlice.objects.filter(execution=execution).count() == 2, 60, what="both workers at it")

    wait_for(lambda: finished(execution), 120, what="the end of the run")

    assert assert_nothing_lost_and_nothing_twice(execution, 3_000, tmp_path)["complete"] == 3_000


def test_a_worker_stopped_past_its_lease_changes_nothing_when_it_goes_on(worker, beat, tmp_path):
    workflow = with_effects(400, tmp_path, upsert_seconds=0.2)
    sleeper = worker(DIRECTOR_LEASE_SECONDS="2")
    execution = start(workflow)
    wait_for(lambda: done(execution) > 50, 60)
    sleeper.pause()
    held = list(ExecutionSlice.objects.filter(execution=execution).values_list("pk", flat=True))

    worker(DIRECTOR_LEASE_SECONDS="2")
    wait_for(lambda: not ExecutionSlice.objects.filter(pk__in=held).exists(), 60, what="the lease to run out")
    sleeper.go_on()

    wait_for(lambda: finished(execution), 120, what="the end of the run")
    assert_nothing_lost_and_nothing_twice(execution, 400, tmp_path)
    sleeper.wait_until_it_says("given up for dead")


def test_a_record_that_kills_its_worker_is_failed_after_three_tries_and_the_others_finish(worker, beat, tmp_path):
    workflow = with_records(
        f"""
director: 1
name: Killer
steps:
  - alias: each
    type: iterate
    config: {{over_records: email}}
    body:
      - {{alias: mine, type: test_die, when: "{{{{ current.record_id == 'email_00007' }}}}", config: {{path: {tmp_path}/deaths}}}}
      - {{alias: note, type: set, config: {{value: 1}}}}
""",
        50,
    )
    execution = start(workflow)
    while not finished(execution):
        victim = worker()
        wait_for(lambda victim=victim: not victim.is_alive or finished(execution), 60, what="a death or the end")

    assert lines(tmp_path / "deaths") == ["email_00007"] * 3
    assert Counter(workflow.records.values_list("status", flat=True)) == {"complete": 49, "failed": 1}
    assert "died 3 times" in workflow.records.get(status="failed").error_message
