"""One thing done to many, by workers that are killed in the middle of it: done to each once, with sums that add up.

BULK_RECORDS=100000 tries it at full size.
"""

import os
import time

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from executions import bulk as execution_bulk
from executions.models import Execution, ExecutionBulk, ExecutionStep
from executions.states import EXECUTION_TERMINAL
from records import bulk
from records.filters import RecordFilter
from records.models import BulkOperation, BulkOutcome
from tests.crash.runs import finished, with_records
from tests.executions.running import email, publish, start
from tests.rig.waiting import wait_for
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)

RECORDS = int(os.environ.get("BULK_RECORDS", "5000"))
PATIENCE = 60 + RECORDS / 200
EXECUTIONS = 40
LONG_AGO = "2026-01-01T00:00:00Z"  # as if nobody had got on with it for half a minute

BROKEN = """
director: 1
name: Broken
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - {alias: kind, type: set, config: {value: "{{ current.subject }}"}}
      - {alias: send, type: fail, when: "{{ current.address is not defined }}", config: {message: "Airtable 422"}}
      - {alias: sent, type: set, config: {value: "{{ kind }}"}, store_to_record: true}
"""
MEND = "UPDATE workflow_records SET data = jsonb_set(data, '{fields,address}', '\"here\"') WHERE workflow_id = %s"


def all_over(executions) -> bool:
    return not executions.exclude(status__in=EXECUTION_TERMINAL).exists()


def test_a_bulk_retry_whose_worker_is_killed_lets_every_failed_record_go_on_once(worker, beat):
    workflow = with_records(BROKEN, RECORDS)
    first = worker()
    original = start(workflow)
    wait_for(lambda: finished(original), PATIENCE, what="every record to fail")
    assert original.records_failed == RECORDS
    with connection.cursor() as cursor:
        cursor.execute(MEND, (workflow.pk,))
    begun = time.monotonic()
    operation = bulk.start(workflow, "retry", RecordFilter())

    def is_at(least: int) -> bool:
        operation.refresh_from_db()
        return operation.status == "running" and operation.done >= least

    wait_for(lambda: is_at(1 if RECORDS > 20_000 else 0), PATIENCE, what="the operation to be under way")
    first.kill()
    assert not is_at(RECORDS)
    worker()
    BulkOperation.objects.filter(pk=operation.pk).update(worked_at=LONG_AGO)
    assert bulk.resume_stalled() == 1

    wait_for(lambda: is_at(0) is False and operation.is_over, PATIENCE, what="the end of the operation")
    retries = Execution.objects.filter(replay_of=original)
    wait_for(lambda: all_over(retries), PATIENCE, what="the records to go on")
    print(f"{RECORDS} records retried and walked in {time.monotonic() - begun:.1f} s, one worker killed")
    assert (operation.status, operation.error) == ("completed", "")
    assert (operation.total, operation.changed, operation.done) == (RECORDS, RECORDS, RECORDS)
    assert BulkOutcome.objects.filter(operation=operation, outcome="changed").count() == RECORDS
    assert workflow.records.filter(status="complete", retry_count=1, data__vars__sent__isnull=False).count() == RECORDS
    assert sum(retries.values_list("records_complete", flat=True)) == RECORDS
    assert ExecutionStep.objects.filter(alias="kind", status="complete").count() == RECORDS


def many_runs(step: str) -> Workflow:
    workflow = publish(f"director: 1\nname: Many\nsteps:\n  - {{alias: note, type: set, config: {{value: 1}}}}\n{step}")
    email(workflow, 1)
    for _ in range(EXECUTIONS):
        start(workflow)
    return workflow


def interrupt(kind: str, workflow: Workflow, worker, first) -> ExecutionBulk:
    """Begin it, kill the worker that is at it, have another go on; return it once it is finished."""
    owner = get_user_model().objects.get(username="owner")
    operation = execution_bulk.start(kind, {"workflow": str(workflow.pk)}, {}, user=owner, reason="Wrong model")

    def done() -> int:
        operation.refresh_from_db()
        return operation.done

    wait_for(lambda: done() > EXECUTIONS // 10, 60, what="the first executions")
    first.kill()
    assert done() < EXECUTIONS
    worker()
    ExecutionBulk.objects.update(worked_at=LONG_AGO)
    wait_for(lambda: done() and operation.finished_at, 60, what="the end of the operation")
    assert (operation.total, operation.done, operation.refused) == (EXECUTIONS, EXECUTIONS, 0)
    return operation


def test_a_bulk_cancel_whose_worker_is_killed_ends_every_run_once(worker, beat):
    first = worker()
    workflow = many_runs("  - {alias: rest, type: delay, config: {duration: 1h}}")
    wait_for(lambda: workflow.executions.filter(status="waiting").count() == EXECUTIONS, 60)

    interrupt("cancel", workflow, worker, first)

    wait_for(lambda: workflow.executions.filter(status="cancelled").count() == EXECUTIONS, what="all to be cancelled")
    told = workflow.executions.filter(interventions__kind="cancelled", interventions__reason="Wrong model")
    assert told.count() == told.distinct().count() == EXECUTIONS


def test_a_bulk_replay_whose_worker_is_killed_starts_one_replay_of_every_run(worker, beat):
    first = worker()
    workflow = many_runs("")
    wait_for(lambda: workflow.executions.filter(status="completed").count() == EXECUTIONS, 60)
    originals = set(workflow.executions.values_list("pk", flat=True))

    operation = interrupt("replay", workflow, worker, first)

    replays = workflow.executions.filter(replay_of__isnull=False)
    wait_for(lambda: replays.filter(status="completed").count() == EXECUTIONS, 60, what="every replay to be over")
    assert set(replays.values_list("replay_of", flat=True)) == originals
    assert set(replays.values_list("pk", flat=True)) == set(operation.items.values_list("result", flat=True))
