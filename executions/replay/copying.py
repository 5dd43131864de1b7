"""Copying frames of one run into another with the outcomes they had: what retries and replays begin with.

First the frames are chosen, as rows of a table of the transaction; then everything is copied set-wise. A frame is

    walk   walked in the new run from the top of its block; outcomes that are kept are not repeated
    wait   around others: parked at the iterate (`at_step`) that its copied children belong to
    open   still being walked in the original: skipped in the new run, and says so

Nothing of the original is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from executions.engine import sql
from executions.models import Execution

BEGIN = """
CREATE TEMPORARY TABLE IF NOT EXISTS copied_frames (
    origin bigint PRIMARY KEY, parent bigint, depth int, mode text, at_step text DEFAULT '', copy bigint, record uuid
) ON COMMIT DROP
"""
EMPTY = "DELETE FROM copied_frames"
CHOOSE = """
INSERT INTO copied_frames (origin, parent, mode) SELECT id, parent_id, 'walk' FROM execution_frames WHERE id = ANY (%s)
"""
# A frame goes on with the one around it: that one begins its iterate anew.
LEAVE_INNER = """
WITH RECURSIVE up AS (
    SELECT origin AS start, parent AS id FROM copied_frames
    UNION ALL SELECT u.start, f.parent_id FROM up u JOIN execution_frames f ON f.id = u.id WHERE f.parent_id IS NOT NULL
)
DELETE FROM copied_frames WHERE origin IN (SELECT up.start FROM up JOIN copied_frames c ON c.origin = up.id)
"""
ADD_ANCESTORS = """
WITH RECURSIVE up AS (
    SELECT parent AS id FROM copied_frames
    UNION SELECT f.parent_id FROM execution_frames f JOIN up u ON f.id = u.id WHERE f.parent_id IS NOT NULL
)
INSERT INTO copied_frames (origin, parent, mode)
SELECT f.id, f.parent_id, 'wait' FROM up JOIN execution_frames f ON f.id = up.id ON CONFLICT DO NOTHING
"""
MARK_WAITING = """
UPDATE copied_frames p SET mode = 'wait', at_step = c.alias
FROM (
    SELECT c.parent, max(f.alias) AS alias FROM copied_frames c JOIN execution_frames f ON f.id = c.origin
    WHERE c.parent IS NOT NULL GROUP BY c.parent
) c WHERE c.parent = p.origin AND p.mode <> 'open'
"""
# New ids in the order of the old ones: parents before their children, records in their order.
NUMBER = """
UPDATE copied_frames c SET copy = n.copy FROM (
    SELECT origin, nextval(pg_get_serial_sequence('execution_frames', 'id')) AS copy
    FROM (SELECT origin FROM copied_frames ORDER BY origin) o
) n WHERE n.origin = c.origin
"""
# Records that the new run may not touch get a copy: temporary ones of the original and, in a dry run, all of them.
NAME_RECORDS = """
UPDATE copied_frames c SET record = gen_random_uuid()
FROM execution_frames o JOIN workflow_records r ON r.id = o.record_id
WHERE o.id = c.origin AND c.mode <> 'open' AND (r.execution_id IS NOT NULL OR %s)
"""
COPY_RECORDS = sql.COPY_RECORDS.format(
    source="""(
    SELECT c.record, o.record_id, o.alias,
        'temp:' || %(number)s || ':' || o.alias || ':' || o.id || '.' || to_char(o.position, 'FM999990000')
    FROM copied_frames c JOIN execution_frames o ON o.id = c.origin WHERE c.record IS NOT NULL)"""
)
COPY_FRAMES = """
INSERT INTO execution_frames (id, execution_id, parent_id, alias, record_id, position, status, waiting_for, walked,
    at_step, origin_id, error, started_at, finished_at)
SELECT c.copy, %(execution)s, p.copy, o.alias, coalesce(c.record, o.record_id), o.position,
    CASE c.mode WHEN 'walk' THEN 'ready' WHEN 'wait' THEN 'waiting' ELSE 'skipped' END,
    CASE c.mode WHEN 'wait' THEN 'children' ELSE '' END, true, c.at_step, o.id,
    CASE c.mode WHEN 'open' THEN %(still_open)s::jsonb END,
    CASE WHEN c.mode <> 'walk' THEN now() END, CASE c.mode WHEN 'open' THEN now() END
FROM copied_frames c JOIN execution_frames o ON o.id = c.origin LEFT JOIN copied_frames p ON p.origin = c.parent
ORDER BY c.copy
"""
# Outcomes that stand. Those of the iterates that are walked again are left out: they are begun below.
_KEPT = """
FROM copied_frames c JOIN execution_steps s ON s.frame_id = c.origin
WHERE s.status IN ('complete', 'skipped', 'reused', 'overridden') AND (
    (c.mode = 'walk' AND s.alias = ANY (%(kept)s))
    OR (c.mode = 'wait' AND s.alias = ANY (%(kept_around)s) AND s.alias <> c.at_step))
"""
COPY_OUTCOMES = f"""
INSERT INTO execution_steps (execution_id, frame_id, record_id, alias, attempt, status, input, output, fingerprint,
    started_at, duration_ms)
SELECT %(execution)s, c.copy, coalesce(c.record, s.record_id), s.alias, 1,
    CASE WHEN s.status = 'skipped' THEN 'skipped' ELSE 'reused' END, s.input, s.output, s.fingerprint, s.started_at,
    s.duration_ms {_KEPT}
"""
COUNT_KEPT = f"SELECT s.alias, count(*) {_KEPT} GROUP BY s.alias"
COUNT_MODES = """
SELECT c.mode, o.alias, count(*) FROM copied_frames c JOIN execution_frames o ON o.id = c.origin GROUP BY 1, 2
"""
BEGIN_ITERATES = """
INSERT INTO execution_steps (execution_id, frame_id, record_id, alias, attempt, status, output, started_at)
SELECT %(execution)s, n.id, n.record_id, n.at_step, 1, 'running',
    jsonb_build_object('total', (SELECT count(*) FROM execution_frames c WHERE c.parent_id = n.id), 'after', 0), now()
FROM execution_frames n WHERE n.execution_id = %(execution)s AND n.waiting_for = 'children'
"""
COUNT_COPIES = """
INSERT INTO execution_counts (execution_id, kind, alias, status, shard, count, duration_ms)
SELECT %(execution)s, 'step', alias, status, 0, count(*), coalesce(sum(duration_ms), 0) FROM execution_steps
WHERE execution_id = %(execution)s GROUP BY alias, status
UNION ALL
SELECT %(execution)s, 'frame', alias, 'total', 0, count(*), 0 FROM execution_frames
WHERE execution_id = %(execution)s AND parent_id IS NOT NULL GROUP BY alias
UNION ALL
SELECT %(execution)s, 'frame', alias, status, 0, count(*), 0 FROM execution_frames
WHERE execution_id = %(execution)s AND parent_id IS NOT NULL AND status IN ('waiting', 'skipped') GROUP BY alias, status
"""


@dataclass(frozen=True, slots=True)
class Keeping:
    """Which outcomes stand: of frames that are walked, and of those around them.

    forget: by iterate, the patch that takes from copies of its records what steps stored that are run again. dry: every
    record is copied.
    """

    kept: Sequence[str]
    kept_around: Sequence[str]
    forget: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    dry: bool = False

    @property
    def parameters(self) -> dict[str, Any]:
        return {"kept": list(self.kept), "kept_around": list(self.kept_around)}


def begin(cursor: Any) -> None:
    """Make the table of chosen frames, empty; within the caller's transaction, with which it goes."""
    cursor.execute(BEGIN)
    cursor.execute(EMPTY)


def choose(cursor: Any, frames: list[int]) -> None:
    """Choose these frames to be walked again, and those around them."""
    begin(cursor)
    cursor.execute(CHOOSE, (frames,))
    cursor.execute(LEAVE_INNER)
    cursor.execute(ADD_ANCESTORS)


def counted(cursor: Any, keeping: Keeping) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Return how many outcomes would be kept by step, and how many frames are chosen by (mode, iterate)."""
    cursor.execute(MARK_WAITING)
    cursor.execute(COUNT_KEPT, keeping.parameters)
    kept = dict(cursor.fetchall())
    cursor.execute(COUNT_MODES)
    return kept, {(mode, alias): count for mode, alias, count in cursor.fetchall()}


def copy(execution: Execution, keeping: Keeping, *, copy_temporary: bool) -> None:
    """Copy the chosen frames into the execution. copy_temporary: the original's temporary records are its own."""
    parameters = {
        "execution": execution.pk,
        "number": str(execution.number),
        "still_open": Jsonb(sql.STILL_OPEN),
        "forget": Jsonb(keeping.forget),
        "dry": keeping.dry,
        **keeping.parameters,
    }
    with connection.cursor() as cursor:
        cursor.execute(MARK_WAITING)
        cursor.execute(NUMBER)
        if copy_temporary or keeping.dry:
            cursor.execute(NAME_RECORDS, (keeping.dry,))
            cursor.execute(COPY_RECORDS, parameters)
        for statement in (COPY_FRAMES, COPY_OUTCOMES, BEGIN_ITERATES, COUNT_COPIES):
            cursor.execute(statement, parameters)
