"""Runs over many records that real workers walk, and what must be true of them once they are over."""

from collections import Counter
from pathlib import Path

from django.db import OperationalError, connection

from executions.models import Execution, ExecutionFrame, ExecutionSlice, ExecutionStep
from records.models import WorkflowRecord
from tests.executions.running import publish
from tests.rig.step_types import lines
from tests.rig.waiting import wait_for
from workflows.models import Workflow

# A pure step, one that may be repeated, and one that may not.
EFFECTS = """
director: 1
name: Effects
steps:
  - alias: each
    type: iterate
    config: {{over_records: email}}
    body:
      - {{alias: kind, type: set, config: {{value: "{{{{ current.subject | upper }}}}"}}, store_to_record: true}}
      - {{alias: upsert, type: test_idempotent, config: {{path: {folder}/upserts, seconds: {upsert_seconds}}}}}
      - {{alias: send, type: test_once, config: {{path: {folder}/sent, seconds: {send_seconds}}}}}
      - {{alias: note, type: set, config: {{value: "{{{{ send.key }}}}"}}}}
  - {{alias: summary, type: set, config: {{value: "{{{{ each.total }}}}"}}}}
"""
INSERT = """
INSERT INTO workflow_records (id, workflow_id, record_id, record_type, data)
SELECT gen_random_uuid(), %s, 'email_' || lpad(n::text, greatest(5, length(n::text)), '0'), 'email',
    jsonb_build_object('fields', jsonb_build_object('subject', 'Message ' || n), 'vars', '{}'::jsonb, 'targets', '{}'::jsonb)
FROM generate_series(1, %s) AS n
"""


def with_records(definition: str, count: int) -> Workflow:
    workflow = publish(definition)
    with connection.cursor() as cursor:
        cursor.execute(INSERT, (workflow.pk, count))
    return workflow


def with_effects(count: int, folder: Path, *, upsert_seconds: float = 0, send_seconds: float = 0) -> Workflow:
    """Return a workflow with effects that write to the folder; seconds make them long enough to be hit in the middle."""
    definition = EFFECTS.format(folder=folder, upsert_seconds=upsert_seconds, send_seconds=send_seconds)
    return with_records(definition, count)


def done(execution: Execution) -> int:
    return ExecutionFrame.objects.filter(
        execution=execution, parent__isnull=False, status__in=("complete", "failed")
    ).count()


def finished(execution: Execution) -> bool:
    return has_become(execution, "completed", "failed", "cancelled")


def has_become(execution: Execution, *statuses: str) -> bool:
    try:
        execution.refresh_from_db()
    except OperationalError:  # the database is being started again
        connection.close()
        return False
    return execution.status in statuses


def assert_nothing_lost_and_nothing_twice(execution: Execution, count: int, folder: Path | None = None) -> Counter[str]:
    assert (execution.status, execution.error) == ("completed", None)
    frames = Counter(
        ExecutionFrame.objects.filter(execution=execution, parent__isnull=False).values_list("status", flat=True)
    )
    records = Counter(execution.workflow.records.values_list("status", flat=True))
    assert frames == records
    assert sum(frames.values()) == execution.records_total == count
    assert set(frames) <= {"complete", "failed"}
    assert not WorkflowRecord.objects.filter(frame_id__isnull=False).exists()
    wait_for(
        lambda: not ExecutionSlice.objects.filter(execution=execution).exists(), what="those that came late to leave"
    )
    settled = Counter(
        ExecutionStep.objects.filter(execution=execution, status="complete").values_list("frame_id", "alias")
    )
    assert set(settled.values()) == {1}
    if folder is not None:
        sent = Counter(line.split()[0] for line in lines(folder / "sent"))
        assert set(sent.values()) == {1}
    return frames


def assert_failed_only_as_interrupted(execution: Execution, kills: int) -> None:
    """Only sends that were under way when their worker was killed may be left for a person to decide."""
    errors = Counter(
        ExecutionFrame.objects.filter(execution=execution, status="failed").values_list("error__code", flat=True)
    )
    assert set(errors) <= {"step_interrupted"}
    assert errors.total() <= kills * 64
