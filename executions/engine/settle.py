"""What follows when frames have ended: parents are woken, timers fire, and the execution itself ends.

Called by a slice that finds nothing more to claim, by a person's cancel or resume, and by the sweep; running it twice or
at the same time from two places does no harm.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from executions.engine.database import Connection
from executions.engine.journal import Counts, cancel_below, shift_counts
from workflows.definition.plan import OnError, Plan

# Parents whose children are all over. Index frame_by_status for the parents, frame_by_parent for the children.
WAKE_PARENTS = """
UPDATE execution_frames p SET status = 'ready', waiting_for = ''
WHERE p.execution_id = %s AND p.status = 'waiting' AND p.waiting_for = 'children' AND NOT EXISTS (
    SELECT 1 FROM execution_frames c WHERE c.parent_id = p.id AND c.status IN ('ready', 'running', 'waiting'))
RETURNING p.alias
"""
WAKE_TIMERS = """
UPDATE execution_frames SET status = 'ready', waiting_for = '', wake_at = NULL
WHERE execution_id = %s AND status = 'waiting' AND wake_at <= now()
RETURNING alias
"""
# Iterates that stop at a failure: a child parked in the moment in which a sibling failed is found here.
STOPPED_PARENTS = """
SELECT p.id FROM execution_frames p
WHERE p.execution_id = %s AND p.status = 'waiting' AND p.waiting_for = 'children' AND p.at_step = ANY (%s)
    AND EXISTS (SELECT 1 FROM execution_frames c WHERE c.parent_id = p.id AND c.alias = p.at_step
        AND c.status = 'failed' AND c.id > (
            SELECT (s.output ->> 'after')::bigint FROM execution_steps s
            WHERE s.frame_id = p.id AND s.alias = p.at_step AND s.status = 'running' ORDER BY s.attempt DESC LIMIT 1))
    AND EXISTS (SELECT 1 FROM execution_frames c WHERE c.parent_id = p.id AND c.status IN ('ready', 'waiting'))
"""
STATE = """
SELECT e.status, e.control,
    EXISTS (SELECT 1 FROM execution_frames f WHERE f.execution_id = e.id AND f.status = 'ready') AS ready,
    EXISTS (SELECT 1 FROM execution_frames f WHERE f.execution_id = e.id AND f.status = 'running')
        OR EXISTS (SELECT 1 FROM execution_slices s WHERE s.execution_id = e.id AND s.leased_to IS NOT NULL) AS running,
    root.status, root.error
FROM executions e JOIN LATERAL (
    SELECT status, error FROM execution_frames WHERE execution_id = e.id AND parent_id IS NULL ORDER BY id LIMIT 1) root ON true
WHERE e.id = %s AND e.status NOT IN ('completed', 'failed', 'cancelled') FOR NO KEY UPDATE OF e
"""
FINISH = """
UPDATE executions e SET status = %(status)s, error = %(error)s, finished_at = now(), control = '',
    records_total = c.total, records_complete = c.complete, records_failed = c.failed, records_skipped = c.skipped,
    records_cancelled = c.cancelled
FROM (
    SELECT count(*) AS total, count(*) FILTER (WHERE status = 'complete') AS complete,
        count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'skipped') AS skipped,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled
    FROM execution_frames WHERE execution_id = %(execution)s AND parent_id IS NOT NULL
) c WHERE e.id = %(execution)s
"""
ROOTS = "SELECT id FROM execution_frames WHERE execution_id = %s AND parent_id IS NULL"
CANCEL_ROOTS = """
UPDATE execution_frames SET status = 'cancelled', waiting_for = '', wake_at = NULL, finished_at = now()
WHERE execution_id = %s AND parent_id IS NULL AND status IN ('ready', 'waiting')
"""
# Index prompt_of_execution.
WITHDRAW_PROMPTS = """
UPDATE human_prompts SET status = 'withdrawn', answered_at = now() WHERE execution_id = %s AND status = 'open'
"""
SET_STATUS = "UPDATE executions SET status = %s WHERE id = %s AND status <> %s"


def wake(session: Connection, execution_id: UUID, plan: Plan) -> int:
    """Make ready what waits no longer, and return how many frames that were."""
    counts: Counts = defaultdict(lambda: [0, 0.0])
    with session.transaction():
        _end_stopped(session, execution_id, plan, counts)
        woken = make_ready(session, WAKE_PARENTS, execution_id, counts)
        woken += make_ready(session, WAKE_TIMERS, execution_id, counts)
        shift_counts(session, execution_id, counts, shard=0)
    return woken


def make_ready(session: Connection, statement: str, execution_id: UUID, counts: Counts) -> int:
    """Wake by WAKE_PARENTS or WAKE_TIMERS; take the woken from the counts and return how many frames that were."""
    woken = session.execute(statement, (execution_id,)).fetchall()
    for (alias,) in woken:
        counts["frame", alias, "waiting"][0] -= bool(alias)  # the root is not counted: it is no record
    return len(woken)


def _end_stopped(session: Connection, execution_id: UUID, plan: Plan, counts: Counts) -> None:
    stopping = [
        step.alias
        for step in plan.steps.values()
        if step.iterate and step.iterate.on_error in (OnError.STOP, OnError.MARK_FAILED_STOP)
    ]
    if stopping:
        parents = [row[0] for row in session.execute(STOPPED_PARENTS, (execution_id, stopping))]
        if parents:
            cancel_below(session, parents, counts)


def settle(session: Connection, execution_id: UUID) -> str:
    """Bring the execution's status in line with its frames; return the status, or "" when it was over before.

    Ends it when the root frame has ended, or when a cancel was asked for and nothing is being walked any more. Under the
    execution's row lock, so that two callers do not both end it.
    """
    with session.transaction():
        found = session.execute(STATE, (execution_id,)).fetchone()
        if found is None:
            return ""
        status, control, ready, running, root, error = found
        if root in ("complete", "failed", "skipped", "cancelled") and not (ready or running):
            return _finish(session, execution_id, _ending(root, control), error)
        if running:
            return str(status)
        if control == "cancel":
            _cancel_all(session, execution_id)
            return _finish(session, execution_id, "cancelled", None)
        return _move(session, execution_id, status, _resting(control, ready=ready))


def _ending(root: str, control: str) -> str:
    if root == "failed":
        return "failed"
    return "cancelled" if root == "cancelled" or control == "cancel" else "completed"


def _resting(control: str, *, ready: bool) -> str:
    """The status of an execution of which nothing is being walked."""
    if control == "pause":
        return "paused"
    return "running" if ready else "waiting"


def _move(session: Connection, execution_id: UUID, status: str, wanted: str) -> str:
    if status == "queued" and wanted == "running":
        return "queued"
    session.execute(SET_STATUS, (wanted, execution_id, wanted))
    return wanted


def _cancel_all(session: Connection, execution_id: UUID) -> None:
    counts: Counts = defaultdict(lambda: [0, 0.0])
    roots = [row[0] for row in session.execute(ROOTS, (execution_id,))]
    cancel_below(session, roots, counts)
    session.execute(CANCEL_ROOTS, (execution_id,))
    shift_counts(session, execution_id, counts, shard=0)


def _finish(session: Connection, execution_id: UUID, status: str, error: Any) -> str:
    parameters = {"status": status, "execution": execution_id, "error": None if error is None else Jsonb(error)}
    session.execute(FINISH, parameters)
    session.execute(WITHDRAW_PROMPTS, (execution_id,))
    return status
