"""What nobody else would notice: walkers that died, times that came, work that no slice is looking at.

Run by beat every second. Each part is one statement over partial indexes, so with nothing to do it costs nothing, and
with 10,000 frames waiting for people it looks at none of them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from executions.engine import settle
from executions.engine.database import Connection, connect
from executions.engine.journal import Counts, shift_counts
from executions.errors import WorkerKilled
from executions.nudge import nudge

MAX_CRASHES = 3  # deaths of a worker over one record
# The root reads sources for minutes and may be met by restarts that are not its fault.
MAX_ROOT_CRASHES = 10
LOCK = 7_310_001  # of the sweep: one at a time is enough

# A slice is lost when its lease ran out, or when the database session that opened it is gone, which is known at once.
# SKIP LOCKED: one that commits this very moment is alive.
LOST = """
SELECT s.id, s.execution_id, s.suspect_frame_id FROM execution_slices s
WHERE s.expires_at < now() OR NOT EXISTS (
    SELECT 1 FROM pg_stat_activity a WHERE a.pid = s.backend_pid AND a.backend_start = s.backend_start)
FOR UPDATE SKIP LOCKED
"""
DELETE_SLICE = "DELETE FROM execution_slices WHERE id = %s RETURNING leased_from, leased_to"
# Their frames become ready again. One that was walked alone is to blame; of a batch everyone is suspected, and of those
# suspects that were walked together everyone a little more.
TAKE_BACK = """
UPDATE execution_frames SET status = 'ready', slice_id = NULL, walked = true,
    crashes = crashes + CASE WHEN id = %(suspect)s OR crashes <= 1 THEN 1 ELSE 0 END
WHERE slice_id = %(slice)s AND status = 'running'
RETURNING id, alias, crashes, at_step, record_id
"""
# Leased frames are ready all the time; those of the lost slice are among those between the ids that it leased.
SUSPECT_LEASED = """
UPDATE execution_frames SET crashes = 1
WHERE execution_id = %s AND status = 'ready' AND crashes = 0 AND id BETWEEN %s AND %s
"""
FAIL_FRAME = """
UPDATE execution_frames SET status = 'failed', error = %s, finished_at = now() WHERE id = %s
"""
FAIL_RECORD = """
UPDATE workflow_records SET status = 'failed', error_message = %s, frame_id = NULL, processed_at = now(),
    updated_at = now(), revision = revision + 1
WHERE id = %s AND frame_id = %s
"""
LAST_STEP = """
SELECT alias FROM execution_steps WHERE frame_id = %s ORDER BY id DESC LIMIT 1
"""
# Index frame_timer.
WAKE = """
UPDATE execution_frames SET status = 'ready', waiting_for = '', wake_at = NULL
WHERE id IN (
    SELECT id FROM execution_frames WHERE status = 'waiting' AND wake_at <= now()
    ORDER BY wake_at LIMIT 10000 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING execution_id, alias
"""
# Executions that no slice is looking at and that are not at rest: they have work that nobody holds back, or their status is
# not what it should be, for whoever was about to see to that died. Index execution_open.
UNATTENDED = """
SELECT e.id, e.control = '' AND r.ready FROM executions e
CROSS JOIN LATERAL (SELECT EXISTS (
    SELECT 1 FROM execution_frames f WHERE f.execution_id = e.id AND f.status = 'ready') AS ready) r
WHERE e.status IN ('queued', 'running', 'waiting', 'paused')
    AND NOT EXISTS (SELECT 1 FROM execution_slices s WHERE s.execution_id = e.id)
    AND NOT (e.control = 'pause' AND e.status = 'paused')
    AND NOT (e.control = '' AND e.status = 'waiting' AND NOT r.ready)
"""


def sweep() -> dict[str, int]:
    """Do all of it once; returns how many slices were lost, frames woken and executions nudged."""
    with connect(application_name="director sweep") as session:
        found = session.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
        if not (found and found[0]):
            return {"lost": 0, "woken": 0, "nudged": 0}
        lost = take_back_lost(session)
        woken = wake_timers(session)
        return {"lost": lost, "woken": woken, "nudged": attend(session)}


def take_back_lost(session: Connection) -> int:
    """Take the frames from every lost slice, in one transaction per slice with its end (I3)."""
    total = 0
    with session.transaction():
        for slice_id, execution_id, suspect in session.execute(LOST).fetchall():
            _take_back(session, slice_id, execution_id, suspect)
            total += 1
    return total


def _take_back(session: Connection, slice_id: int, execution_id: UUID, suspect: int | None) -> None:
    leased = session.execute(DELETE_SLICE, (slice_id,)).fetchone()
    session.execute(SUSPECT_LEASED, (execution_id, *(leased or (None, None))))
    counts: Counts = defaultdict(lambda: [0, 0.0])
    for row in session.execute(TAKE_BACK, {"slice": slice_id, "suspect": suspect}).fetchall():
        frame_id, alias, crashes, at_step, record_pk = row
        if crashes >= (MAX_CRASHES if alias else MAX_ROOT_CRASHES):
            _fail(session, frame_id, record_pk, WorkerKilled(crashes, _last_step(session, frame_id) or at_step))
            counts["frame", alias, "failed"][0] += 1
    # What the slice would have done at its end: the last that a parent waited for may be over, here or in its last commit.
    settle.make_ready(session, settle.WAKE_PARENTS, execution_id, counts)
    shift_counts(session, execution_id, counts, shard=0)


def _fail(session: Connection, frame_id: int, record_pk: UUID | None, error: WorkerKilled) -> None:
    described: dict[str, Any] = {"code": error.code, "message": error.message, "step": error.step}
    session.execute(FAIL_FRAME, (Jsonb(described), frame_id))
    session.execute(FAIL_RECORD, (error.message, record_pk, frame_id))


def _last_step(session: Connection, frame_id: int) -> str:
    found = session.execute(LAST_STEP, (frame_id,)).fetchone()
    return found[0] if found else ""


def wake_timers(session: Connection) -> int:
    """Make ready the frames whose time has come, and nudge their executions."""
    counts: dict[UUID, Counts] = defaultdict(lambda: defaultdict(lambda: [0, 0.0]))
    with session.transaction():
        woken = session.execute(WAKE).fetchall()
        for execution_id, alias in woken:
            counts[execution_id]["frame", alias, "waiting"][0] -= bool(alias)  # the root is no record
        for execution_id in sorted(counts):
            shift_counts(session, execution_id, counts[execution_id], shard=0)
    for execution_id in counts:
        nudge(execution_id)
    return len(woken)


def attend(session: Connection) -> int:
    """Nudge every execution that has work and no slice, and settle those that nobody would; return how many were nudged."""
    nudged = 0
    for execution_id, has_work in session.execute(UNATTENDED).fetchall():
        if has_work:
            nudge(execution_id)
            nudged += 1
        else:
            settle.settle(session, execution_id)
    return nudged
