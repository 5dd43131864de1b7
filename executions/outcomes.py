"""Writing a step's outcome from outside a walk: a person answered, or a time-out decided in their place.

The row that the walk left `running` becomes complete, the record takes the output where the step stores it, and the
frame becomes ready: walked again, it finds the outcome and goes on (I2). One transaction, so a worker or web process
that dies in between leaves either all of it or none.
"""

from __future__ import annotations

from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from director import jsontools
from executions.models import Execution
from executions.nudge import nudge_on_commit
from executions.retry import SHIFT
from records import patches
from workflows.definition.compile import compile_plan

# The frame first, as in every commit of the engine; then its row, the record, the counts.
PARKED = """
SELECT f.alias, f.record_id FROM execution_frames f
WHERE f.id = %s AND f.status = 'waiting' FOR NO KEY UPDATE
"""
FINISH = """
UPDATE execution_steps SET status = 'complete', output = %s::jsonb,
    duration_ms = extract(epoch FROM now() - started_at) * 1000
WHERE frame_id = %s AND alias = %s AND attempt = %s AND status = 'running'
"""
STORE = """
UPDATE workflow_records SET data = director_patch(data, %s), updated_at = now(), revision = revision + 1 WHERE id = %s
"""
# Decided by other means than its answer: nobody is asked any more.
WITHDRAW = """
UPDATE human_prompts SET status = 'withdrawn', answered_at = now()
WHERE frame_id = %s AND alias = %s AND attempt = %s AND status = 'open'
"""
WAKE = "UPDATE execution_frames SET status = 'ready', waiting_for = '', wake_at = NULL WHERE id = %s"


def finish_step(execution: Execution, frame_id: int, alias: str, attempt: int, output: Any) -> bool:
    """Complete the running step of a parked frame with `output` and let the frame go on. Within the caller's transaction.

    False, and nothing is written, when the frame is not parked any more or the step not running: it was cancelled, or
    decided in another way. Raises ValueInvalid for an output that cannot be stored.
    """
    encoded = jsontools.dumps(output).decode()
    with connection.cursor() as cursor:
        cursor.execute(PARKED, (frame_id,))
        parked = cursor.fetchone()
        if parked is None:
            return False
        cursor.execute(FINISH, (encoded, frame_id, alias, attempt))
        if not cursor.rowcount:
            return False
        cursor.execute(WITHDRAW, (frame_id, alias, attempt))
        _store(cursor, execution, alias, parked[1], output)
        cursor.execute(WAKE, (frame_id,))
        for kind, name, status, count in _shifts(parked[0], alias):
            cursor.execute(SHIFT, (execution.pk, kind, name, status, count))
    nudge_on_commit(execution.pk)
    return True


def _store(cursor: Any, execution: Execution, alias: str, record_pk: Any, output: Any) -> None:
    step = compile_plan(execution.version).steps[alias]
    if step.store is not None and record_pk is not None:
        cursor.execute(STORE, (Jsonb([patches.set_at(step.store, output)]), record_pk))


def _shifts(frame_alias: str, alias: str) -> list[tuple[str, str, str, int]]:
    shifts = [("step", alias, "running", -1), ("step", alias, "complete", 1)]
    return [*shifts, ("frame", frame_alias, "waiting", -1)] if frame_alias else shifts
