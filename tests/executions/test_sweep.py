"""What only the sweep notices: walkers that died before they could say what follows from what they did."""

from contextlib import suppress
from uuid import UUID

import pytest
from django.db import OperationalError

from executions import control
from executions.engine import settle, sweep
from executions.engine import slice as engine_slice
from executions.engine.database import connect
from executions.models import Control, Execution, ExecutionFrame, ExecutionSlice
from tests.executions.running import drive, email, outputs, publish, run, start, statuses
from tests.rig.waiting import wait_for
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = """
director: 1
name: Sweep
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - {alias: note, type: set, config: {value: 1}}
  - {alias: summary, type: set, config: {value: "{{ each.processed }} of {{ each.total }}"}}
"""


class Death(BaseException):
    """Stands for SIGKILL: nothing that the engine catches, and its database sessions end with it."""


def dies(*_args, **_kwargs):
    raise Death


def dies_once_all_are_done(session, execution_id, _plan):
    query = "SELECT 1 FROM execution_frames WHERE execution_id = %s AND alias = 'each' AND status <> 'complete'"
    if session.execute(query, (execution_id,)).fetchone() is None:
        raise Death
    return 0


def walk_and_die(execution: Execution) -> None:
    with suppress(Death):
        engine_slice.run(execution.pk)


def take_back() -> None:
    """Have the sweep take back what was lost; the database takes a moment to notice that a session is gone."""
    with connect(application_name="test") as session:
        wait_for(lambda: sweep.take_back_lost(session) or not ExecutionSlice.objects.exists())


def attend() -> int:
    with connect(application_name="test") as session:
        return sweep.attend(session)


def with_emails(count: int = 1) -> Workflow:
    workflow = publish(FLOW)
    for number in range(1, count + 1):
        email(workflow, number)
    return workflow


def test_the_last_open_record_that_killed_its_worker_for_the_third_time_lets_its_iterate_end(monkeypatch):
    workflow = with_emails(2)
    execution = start(workflow)
    control.pause(execution, steps=["note"])
    drive(execution)
    control.resume(execution, records=["email_001"])
    drive(execution)
    ExecutionFrame.objects.filter(execution=execution, record__record_id="email_002").update(crashes=2)
    control.resume(execution)
    with monkeypatch.context() as patched:
        patched.setattr(engine_slice._Slice, "_walk", dies)
        walk_and_die(execution)

    take_back()

    assert drive(execution).status == "completed"
    assert statuses(workflow) == {"email_001": "complete", "email_002": "failed"}
    assert "died 3 times" in workflow.records.get(record_id="email_002").error_message
    assert outputs(execution, "summary") == ["1 of 2"]
    assert (execution.records_complete, execution.records_failed) == (1, 1)


@pytest.mark.parametrize("looks_around", [True, False])
def test_a_worker_that_dies_between_its_last_commit_and_what_follows_leaves_nothing_waiting(looks_around, monkeypatch):
    execution = start(with_emails())
    with monkeypatch.context() as patched:
        if not looks_around:  # it dies while it closes
            patched.setattr(engine_slice._Slice, "_look_around", engine_slice._Slice._finish_walks)
        patched.setattr(settle, "wake", dies_once_all_are_done)
        walk_and_die(execution)
    assert statuses(execution.workflow) == {"email_001": "complete"}

    take_back()

    assert attend() == 1, "nobody is asked to go on"
    assert drive(execution).status == "completed"
    assert outputs(execution, "summary") == ["1 of 1"]


def test_a_run_whose_worker_died_before_it_could_end_it_is_ended(monkeypatch):
    execution = start(with_emails())
    with monkeypatch.context() as patched:
        patched.setattr(settle, "settle", dies)
        walk_and_die(execution)

    take_back()
    attend()

    execution.refresh_from_db()
    assert (execution.status, execution.records_complete) == ("completed", 1)


def test_a_cancel_whose_process_died_after_its_commit_is_done_by_the_sweep():
    execution = start(with_emails())
    control.pause(execution)
    Execution.objects.filter(pk=execution.pk).update(control=Control.CANCEL)

    attend()

    execution.refresh_from_db()
    assert execution.status == "cancelled"


def test_runs_that_only_wait_are_not_touched(monkeypatch):
    workflow = with_emails()
    waiting = start(workflow)
    control.pause(waiting, steps=["note"])
    drive(waiting)
    paused = start(workflow)
    control.pause(paused)
    touched: list[UUID] = []
    monkeypatch.setattr(settle, "settle", lambda session, pk: touched.append(pk))
    monkeypatch.setattr(sweep, "nudge", touched.append)

    assert attend() == 0

    assert {Execution.objects.get(pk=one.pk).status for one in (waiting, paused)} == {"waiting", "paused"}
    assert touched == []


READS = """
director: 1
name: Reads
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - {alias: found, type: set, config: {value: [{name: "{{ current.subject }}"}]}, create_records: {type: lead}}
"""


def fails_once(error: Exception, for_record: str):
    """Stands for the making of records; it raises the error the first time, for one record."""
    real, errors = engine_slice.EngineServices.create_records, [error]

    async def create_records(self, step, items, run):
        items = list(items)
        if errors and items[0].data["name"] == for_record:
            raise errors.pop()
        return await real(self, step, items, run)

    return create_records


def test_a_record_at_which_the_database_went_away_is_walked_again_and_the_others_are_done(monkeypatch):
    workflow = publish(READS)
    for number in (1, 2):
        email(workflow, number)
    execution = start(workflow)
    away = fails_once(OperationalError("the connection is closed"), "Message 1")
    monkeypatch.setattr(engine_slice.EngineServices, "create_records", away)

    with pytest.raises(OperationalError):
        drive(execution)

    assert outputs(execution, "found")[0]["created"] == 1
    take_back()
    assert drive(execution).status == "completed"
    assert execution.records_complete == 2


def test_a_defect_fails_the_record_at_its_step_and_stops_none_of_the_others(monkeypatch):
    workflow = publish(READS)
    for number in (1, 2):
        email(workflow, number)
    defect = fails_once(AttributeError("no such thing"), "Message 1")
    monkeypatch.setattr(engine_slice.EngineServices, "create_records", defect)

    execution = run(workflow)

    assert execution.status == "completed"
    assert statuses(workflow) == {"email_001": "failed", "email_002": "complete", "lead_001": "discovered"}
    assert workflow.records.get(record_id="email_001").error_message == "AttributeError: no such thing"
