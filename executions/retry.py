"""Retrying failed records: each goes its own path on from the step that failed, and nothing of the batch is repeated.

While the iterate around it is still open, the failed frame itself becomes ready again. Once the iterate or the whole
run is over, which is final, the records go on in a new execution that begins with the original's journal: the frames
are copied with the outcomes they had, and end where the iterate ends.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.functions import TransactionNow
from django.db import connection, transaction
from psycopg.types.json import Jsonb

from executions import events
from executions.errors import NothingToRetry
from executions.interventions import note
from executions.models import Execution, TriggerType
from executions.nudge import nudge_on_commit
from executions.overrides import merged
from executions.replay import copying
from executions.replay.services import path_to
from executions.states import EXECUTION_TERMINAL
from records.models import WorkflowRecord
from workflows.definition.compile import compile_plan
from workflows.definition.plan import Plan

NAMED = 25  # so many records of a retry are named in what is kept of it

# Failed frames of the execution that its record still fails by, and whether their iterate is still open for them.
# A frame that was retried elsewhere does not count: its record has moved on. What stopped an inner iterate goes on with
# the record around it, which failed by that. The iterate's own frame is locked too: it is either seen to be over, or
# woken only after this, and then looks again whether all below it is over.
FAILED_FRAMES = """
WITH RECURSIVE up AS (
    SELECT f.id, f.parent_id FROM execution_frames f JOIN workflow_records r ON r.id = f.record_id
    WHERE f.execution_id = %(execution)s AND f.status = 'failed' AND r.status = 'failed' AND r.frame_id IS NULL
        AND (%(records)s::uuid[] IS NULL OR f.record_id = ANY (%(records)s))
    UNION
    SELECT p.id, p.parent_id FROM up JOIN execution_frames p ON p.id = up.parent_id
    WHERE p.status = 'failed' AND p.parent_id IS NOT NULL
)
SELECT f.id, f.alias, f.record_id, p.status = 'waiting' AND p.waiting_for = 'children' AS is_open
FROM execution_frames f
JOIN execution_frames p ON p.id = f.parent_id
JOIN workflow_records r ON r.id = f.record_id
WHERE f.id IN (SELECT id FROM up) AND f.status = 'failed' AND r.status = 'failed' AND r.frame_id IS NULL
    AND (p.status <> 'failed' OR p.parent_id IS NULL)
    AND (%(repeat_interrupted)s OR f.error ->> 'code' IS DISTINCT FROM 'step_interrupted')
ORDER BY f.id FOR NO KEY UPDATE OF p, f, r
"""
# Failed records below a failed frame: what an inner iterate stopped at goes on with the record around it.
RESET_RECORDS = """
WITH RECURSIVE below AS (
    SELECT id, record_id FROM execution_frames WHERE id = ANY (%(frames)s)
    UNION ALL
    SELECT f.id, f.record_id FROM execution_frames f JOIN below b ON f.parent_id = b.id
)
UPDATE workflow_records r SET status = 'discovered', error_message = '', frame_id = NULL,
    retry_count = r.retry_count + 1, updated_at = now(), revision = r.revision + 1
FROM below b WHERE r.id = b.record_id AND r.status = 'failed'
"""
# Attempts made so far no longer count against the step's retry policy. Of the same moment is what is noted of it.
REOPEN = """
UPDATE execution_frames f SET status = 'ready', error = NULL, finished_at = NULL, crashes = 0, retries = 0,
    retried_at = array_append(f.retried_at, now()), forgiven = coalesce((
        SELECT max(s.attempt) FROM execution_steps s WHERE s.frame_id = f.id AND s.alias = f.at_step), 0)
WHERE f.id = ANY (%s)
"""
# Outcomes that no longer stand get another attempt after them, which says why; the walk then runs the step again.
SET_ASIDE = """
INSERT INTO execution_steps (execution_id, frame_id, record_id, alias, attempt, status, error, started_at, duration_ms)
SELECT execution_id, frame_id, record_id, alias, attempt + 1, 'failed', %(why)s, now(), 0 FROM (
    SELECT DISTINCT ON (frame_id, alias) * FROM execution_steps
    WHERE frame_id = ANY (%(frames)s) AND alias = ANY (%(rerun)s) ORDER BY frame_id, alias, attempt DESC
) latest WHERE status IN ('complete', 'skipped', 'reused', 'overridden')
RETURNING alias
"""
SET_ASIDE_BY = {"code": "set_aside", "message": "Run again, because a person changed this step or one before it."}
SHIFT = """
INSERT INTO execution_counts AS c (execution_id, kind, alias, status, shard, count, duration_ms)
VALUES (%s, %s, %s, %s, 0, %s, 0)
ON CONFLICT (execution_id, kind, alias, status, shard) DO UPDATE SET count = c.count + excluded.count
"""
LATEST_FAILED_BY = """
SELECT DISTINCT ON (f.record_id) f.record_id, f.execution_id FROM execution_frames f
JOIN workflow_records r ON r.id = f.record_id
WHERE r.workflow_id = %s AND r.status = 'failed' AND r.frame_id IS NULL AND f.status = 'failed'
    AND (%s::uuid[] IS NULL OR r.id = ANY (%s))
ORDER BY f.record_id, f.id DESC
"""


@dataclass(frozen=True, slots=True)
class Retried:
    """records: how many go on. executions: in which runs; the original, or a new one where that is over."""

    records: int
    executions: tuple[Execution, ...]


def retry_failed(
    execution: Execution, *, user: Any = None, records: list[UUID] | None = None, reason: str = "", cause: str = ""
) -> Retried:
    """Let the failed records of the execution go on from the step that failed, and keep who wanted it and why.

    records: primary keys of records, all failed ones when None. cause: key of the failure group they are of.
    Raises NothingToRetry when none of them is failed.
    """
    with transaction.atomic():
        retried = go_on(execution, user=user, records=records)
        told = {"count": retried.records, "records": _names(records or []), **({"cause": cause} if cause else {})}
        for run in retried.executions:
            changes = {key: value for key, value in told.items() if value}
            note(run, user, "retried", reason, changes, at=TransactionNow())
    return retried


def go_on(
    execution: Execution,
    *,
    user: Any = None,
    records: list[UUID] | None = None,
    repeat_interrupted: bool = False,
    overrides: Mapping[str, Any] | None = None,
    rerun: Sequence[str] = (),
) -> Retried:
    """Let the failed records go on; the caller keeps why, at TransactionNow(): by that time the frames know of it.

    repeat_interrupted: also those whose step may have happened and must not be repeated without a person's word, which
    this is. overrides: inputs or outputs of steps, as in `executions.overrides`. rerun: steps whose outcomes no longer
    stand. Raises NothingToRetry when none of them is failed.
    """
    with transaction.atomic():
        locked = Execution.objects.select_for_update(no_key=True).get(pk=execution.pk)
        frames = _failed_frames(locked, records, repeat_interrupted=repeat_interrupted)
        if not frames:
            raise NothingToRetry(f"Execution #{execution.number}")
        in_place = locked.status not in EXECUTION_TERMINAL
        reopened = [frame for frame in frames if in_place and frame[3]]
        continued = [frame for frame in frames if not (in_place and frame[3])]
        runs = []
        if reopened:
            runs.append(_reopen(locked, reopened, overrides or {}, rerun))
        if continued:
            runs.append(_continue(locked, continued, user, overrides or {}, rerun))
    for run in runs:
        events.execution_changed(run.number)
    return Retried(len(frames), tuple(runs))


def retry_records(
    workflow_id: UUID, *, user: Any = None, records: list[UUID] | None = None, reason: str = "", cause: str = ""
) -> Retried:
    """Let failed records of a workflow go on, each from the run in which it failed last; all of them when None.

    Failed records that no run has walked (they were refused when they were made) become discovered again, and the next
    run takes them. Raises NothingToRetry when there is none of either.
    """
    with connection.cursor() as cursor:
        cursor.execute(LATEST_FAILED_BY, (workflow_id, records, records))
        found = cursor.fetchall()
    by_execution: dict[UUID, list[UUID]] = defaultdict(list)
    for record_pk, execution_id in found:
        by_execution[execution_id].append(record_pk)
    retried = [
        retry_failed(execution, user=user, records=by_execution[execution.pk], reason=reason, cause=cause)
        for execution in Execution.objects.filter(pk__in=by_execution).order_by("number")
    ]
    if not retried:
        raise NothingToRetry("The workflow")
    return Retried(sum(each.records for each in retried), tuple(run for each in retried for run in each.executions))


def _names(records: Sequence[UUID]) -> list[str]:
    """The ids of the records where they are few enough to be read; else their number says enough."""
    if len(records) > NAMED:
        return []
    return list(WorkflowRecord.objects.filter(pk__in=records).order_by("pk").values_list("record_id", flat=True))


def _failed_frames(
    execution: Execution, records: list[UUID] | None, *, repeat_interrupted: bool
) -> list[tuple[int, str, UUID, bool]]:
    parameters = {"execution": execution.pk, "records": records, "repeat_interrupted": repeat_interrupted}
    with connection.cursor() as cursor:
        cursor.execute(FAILED_FRAMES, parameters)
        found: list[tuple[int, str, UUID, bool]] = cursor.fetchall()
    return found


def _reopen(
    execution: Execution,
    frames: list[tuple[int, str, UUID, bool]],
    overrides: Mapping[str, Any],
    rerun: Sequence[str],
) -> Execution:
    ids = [frame[0] for frame in frames]
    if overrides:
        execution.overrides = merged(execution.overrides, overrides)
        execution.breakpoints["changes"] = execution.breakpoints.get("changes", 0) + 1  # slices at work hear of it
        execution.save(update_fields=["overrides", "breakpoints"])
    with connection.cursor() as cursor:
        cursor.execute(RESET_RECORDS, {"frames": ids})
        cursor.execute(REOPEN, (ids,))
        _set_aside(cursor, execution, ids, rerun)
        for alias in sorted({frame[1] for frame in frames}):
            cursor.execute(SHIFT, (execution.pk, "frame", alias, "failed", -sum(frame[1] == alias for frame in frames)))
    nudge_on_commit(execution.pk)
    return execution


def _continue(
    original: Execution,
    frames: list[tuple[int, str, UUID, bool]],
    user: Any,
    overrides: Mapping[str, Any],
    rerun: Sequence[str],
) -> Execution:
    """Make the run in which the records go on: copies of their frames, below copies of the frames around them."""
    ids, plan = [frame[0] for frame in frames], compile_plan(original.version)
    execution = Execution.objects.create(
        workflow_id=original.workflow_id,
        version_id=original.version_id,
        trigger_type=TriggerType.RETRY,
        trigger_data=original.trigger_data,
        labels=original.labels,
        replay_of=original,
        started_by=user,
        overrides={**overrides, **_inherited(original), "stop_after": sorted(_around(frames, plan))},
        created_at=TransactionNow(),  # as what is noted of it: all that it walks were retried by that
    )
    execution.refresh_from_db(fields=["number", "created_at"])
    aliases = list(plan.steps)
    with connection.cursor() as cursor:
        cursor.execute(RESET_RECORDS, {"frames": ids})
        copying.choose(cursor, ids)
    kept = [alias for alias in aliases if alias not in rerun]
    copying.copy(execution, copying.Keeping(kept, aliases), copy_temporary=False)
    nudge_on_commit(execution.pk)
    return execution


def _around(frames: list[tuple[int, str, UUID, bool]], plan: Plan) -> set[str]:
    """The iterates that walked the frames, and those around these."""
    inner = {frame[1] for frame in frames}
    return inner.union(*(path_to(plan, alias) for alias in inner))


def _set_aside(cursor: Any, execution: Execution, frames: list[int], rerun: Sequence[str]) -> None:
    if not rerun:
        return
    cursor.execute(SET_ASIDE, {"why": Jsonb(SET_ASIDE_BY), "frames": frames, "rerun": list(rerun)})
    for alias, count in sorted(Counter(alias for (alias,) in cursor.fetchall()).items()):
        cursor.execute(SHIFT, (execution.pk, "step", alias, "failed", count))


def _inherited(original: Execution) -> dict[str, Any]:
    """What was dry stays dry: its records are copies."""
    return {"dry": True} if original.overrides.get("dry") else {}
