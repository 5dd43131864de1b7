"""Pausing, changing and resuming with real workers, which are killed in the middle of it."""

import time
from collections import Counter
from datetime import timedelta

import pytest

from executions import control, modifications
from executions.models import Execution, ExecutionFrame, ExecutionStep
from tests.crash.runs import (
    assert_failed_only_as_interrupted,
    assert_nothing_lost_and_nothing_twice,
    done,
    finished,
    has_become,
    with_records,
)
from tests.executions.running import start
from tests.rig.waiting import wait_for
from workflows.definition.compile import compile_plan

pytestmark = pytest.mark.django_db(transaction=True)

# Each step says which setting it saw; the middle one takes long enough to be met in it, the next must not be repeated.
TWO_SETTINGS = """
director: 1
name: Two settings
steps:
  - alias: each
    type: iterate
    config: {{over_records: email}}
    body:
      - {{alias: first, type: set, config: {{value: old}}}}
      - {{alias: middle, type: test_slow, config: {{seconds: 0.1, value: old}}}}
      - {{alias: send, type: test_once, config: {{path: {folder}/sent}}}}
      - {{alias: last, type: set, config: {{value: old}}, store_to_record: true, as: seen}}
"""
SETTING = ("first", "middle", "last")


def seen(execution: Execution) -> Counter[tuple[str, str]]:
    """How many records saw which setting at which step."""
    rows = ExecutionStep.objects.filter(execution=execution, alias__in=SETTING, status="complete")
    return Counter(rows.values_list("alias", "output"))


def all_new(execution: Execution) -> modifications.Modifications:
    given = {alias: {"input": {"value": "new"}} for alias in SETTING}
    return modifications.read({"steps": given}, compile_plan(execution.version), "Version 1")


def is_at_rest(execution: Execution) -> bool:
    """Whether the pause is in effect: nothing of the run is being walked."""
    return has_become(execution, "paused") and not execution.slices.exists()


def assert_each_step_saw_one_setting(execution: Execution, old: Counter[tuple[str, str]]) -> None:
    """The old one where it was done before the change, the new one everywhere else; and what is stored is what was seen."""
    complete = execution.records_complete
    settled = seen(execution)
    for alias in SETTING:
        assert settled[alias, "old"] == old[alias, "old"], alias
    assert settled["last", "old"] + settled["last", "new"] == complete
    records = execution.workflow.records
    assert records.filter(data__vars__seen="old").count() == settled["last", "old"]
    assert records.filter(data__vars__seen="new").count() == settled["last", "new"]


def test_5000_records_are_paused_by_real_workers_and_resumed_with_a_change(worker, beat, tmp_path):
    workflow = with_records(TWO_SETTINGS.format(folder=tmp_path), 5_000)
    worker(), worker()
    execution = start(workflow)
    wait_for(lambda: done(execution) > 300 and execution.slices.count() == 2, 60, what="both workers at it")

    asked = time.monotonic()
    control.pause(execution)
    wait_for(lambda: is_at_rest(execution), 30, what="the pause")
    print(f"paused after {time.monotonic() - asked:.3f} s")
    old = seen(execution)
    control.resume(execution, changes=all_new(execution))

    wait_for(lambda: finished(execution), 120, what="the end of the run")
    assert 0 < old["last", "old"] <= old["middle", "old"] <= old["first", "old"] < 5_000
    assert assert_nothing_lost_and_nothing_twice(execution, 5_000, tmp_path) == {"complete": 5_000}
    assert_each_step_saw_one_setting(execution, old)


def test_workers_are_killed_while_pausing_and_while_resuming(worker, beat, tmp_path):
    workflow = with_records(TWO_SETTINGS.format(folder=tmp_path), 1_500)
    first, second = worker(), worker()
    execution = start(workflow)
    wait_for(lambda: done(execution) > 200 and execution.slices.count() == 2, 60, what="both workers at it")

    control.pause(execution)
    first.kill()
    worker(ready=False)
    wait_for(lambda: is_at_rest(execution), 30, what="the pause")
    old = seen(execution)
    control.resume(execution, changes=all_new(execution))
    wait_for(lambda: execution.slices.exists(), what="a worker to go on")
    second.kill()
    worker(ready=False)

    wait_for(lambda: finished(execution), 120, what="the end of the run")
    assert_nothing_lost_and_nothing_twice(execution, 1_500, tmp_path)
    assert_failed_only_as_interrupted(execution, kills=2)
    assert_each_step_saw_one_setting(execution, old)


def test_pausing_and_resuming_again_and_again_leaves_no_record_behind(worker, beat, tmp_path):
    workflow = with_records(TWO_SETTINGS.format(folder=tmp_path), 600)
    worker(), worker()
    execution = start(workflow)

    for paused in range(1, 16):
        wait_for(lambda moved=paused * 20: done(execution) >= moved or finished(execution), 60, what="progress")
        if not finished(execution):
            control.pause(execution)
            control.resume(execution)  # while walkers are still taking in that it is paused

    wait_for(lambda: finished(execution), 60, what="the end of the run")
    assert assert_nothing_lost_and_nothing_twice(execution, 600, tmp_path) == {"complete": 600}


CONDITION = """
director: 1
name: Condition
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - alias: pay
        type: set
        pause_when: "{{ current.subject == 'Message 7' }}"
        config: {value: "{{ current.subject }}"}
"""


@pytest.mark.parametrize(("then", "ends"), [("resume", "completed"), ("cancel", "cancelled")])
def test_a_condition_holds_one_record_until_the_time_of_the_pause_is_over(then, ends, worker, beat):
    workflow = with_records(CONDITION, 50)
    worker()
    execution = start(workflow)
    wait_for(lambda: has_become(execution, "waiting"), what="all but one to be done")
    held = ExecutionFrame.objects.get(execution=execution, waiting_for="pause")
    assert (held.record.record_id, done(execution)) == ("email_00007", 49)

    control.pause(execution, lasting=timedelta(seconds=0.5), then=then)

    wait_for(lambda: finished(execution), what="the sweep to end the pause")
    assert execution.status == ends
    last = execution.interventions.order_by("id").last()
    assert (last.user, last.reason) == (None, "The time of the pause is over.")
    statuses = Counter(workflow.records.values_list("status", flat=True))
    assert statuses == ({"complete": 50} if then == "resume" else {"complete": 49, "discovered": 1})
