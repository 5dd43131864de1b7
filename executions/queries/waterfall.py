"""The walks of a run one below the other, each with its steps as bars: any stretch of them, of a million too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from executions.models import Execution
from executions.queries.frames import FrameRow, frames_by_id
from executions.queries.sql import STATUS_ORDER
from executions.queries.timeline import SHORTEST, Bar, Scale, scale_of
from executions.states import StepStatus

WINDOW = 100  # rows that are fetched at once
BARS = 60  # of one row; more could not be told apart
LOOKS = {
    StepStatus.COMPLETE: "complete",
    StepStatus.OVERRIDDEN: "complete",
    StepStatus.FAILED: "failed",
    StepStatus.INTERRUPTED: "failed",
    StepStatus.RUNNING: "processing",
}

# The first and the last frame of the run: of each status its ends. Index frame_by_status. Where the last one was made by
# an iterate of the first, also the position of its record there.
ENDS = """
SELECT low, high, (SELECT position FROM execution_frames WHERE id = high AND parent_id = low) FROM (
SELECT min(low.id) AS low, max(high.id) AS high FROM unnest(%(statuses)s::text[]) AS s (status)
CROSS JOIN LATERAL (
    SELECT id FROM execution_frames WHERE (execution_id, status) >= (%(execution)s, s.status)
        AND (execution_id, status) <= (%(execution)s, s.status) ORDER BY execution_id, status, id LIMIT 1
) low
CROSS JOIN LATERAL (
    SELECT id FROM execution_frames WHERE (execution_id, status) >= (%(execution)s, s.status)
        AND (execution_id, status) <= (%(execution)s, s.status)
    ORDER BY execution_id DESC, status DESC, id DESC LIMIT 1
) high
) ends
"""
# The frames from a key on, in the order in which they were made: of each status some, merged. Index frame_by_status.
FROM_KEY = """
SELECT f.id FROM unnest(%(statuses)s::text[]) AS s (status) CROSS JOIN LATERAL (
    SELECT id FROM execution_frames WHERE (execution_id, status, id) >= (%(execution)s, s.status, %(key)s)
        AND (execution_id, status) <= (%(execution)s, s.status) ORDER BY execution_id, status, id LIMIT %(limit)s
) f ORDER BY f.id LIMIT %(limit)s
"""
# The key of the frame at a position, where ids have gaps because other runs made frames at the same time. The position
# grows with the key, so what is between two keys is halved, some 20 times for a million. Index frame_by_status.
AT_POSITION = """
WITH RECURSIVE between AS (
    SELECT %(low)s::bigint AS low, %(high)s::bigint AS high
    UNION ALL
    SELECT CASE WHEN f.position < %(number)s THEN (b.low + b.high) / 2 ELSE b.low END,
        CASE WHEN f.position < %(number)s THEN b.high ELSE f.id END
    FROM between b CROSS JOIN LATERAL (
        SELECT n.id, n.position FROM unnest(%(statuses)s::text[]) AS s (status) CROSS JOIN LATERAL (
            SELECT id, position FROM execution_frames
            WHERE (execution_id, status, id) <= (%(execution)s, s.status, (b.low + b.high) / 2)
                AND (execution_id, status) >= (%(execution)s, s.status)
            ORDER BY execution_id DESC, status DESC, id DESC LIMIT 1
        ) n ORDER BY n.id DESC LIMIT 1
    ) f WHERE b.high - b.low > 1
)
SELECT min(high) FROM between
"""
# Where frames of several iterates come one after the other they are counted. Index frame_by_status alone.
FROM_NUMBER = """
WITH ids AS MATERIALIZED (SELECT id FROM execution_frames WHERE execution_id = %(execution)s)
SELECT id FROM ids ORDER BY id OFFSET %(number)s LIMIT %(limit)s
"""
# What was done in some frames. Index journal_one_row_per_attempt.
STEPS = """
SELECT s.frame_id, s.id, s.alias, s.attempt, s.status, s.started_at, s.duration_ms
FROM unnest(%(frames)s::bigint[]) AS f (id) CROSS JOIN LATERAL (
    SELECT frame_id, id, alias, attempt, status, started_at, duration_ms FROM execution_steps
    WHERE frame_id = f.id ORDER BY frame_id, alias, attempt LIMIT %(bars)s
) s ORDER BY s.id
"""


@dataclass(frozen=True, slots=True)
class StepBar:
    """An attempt of a step as a piece of its row. took: None while it goes on."""

    bar: Bar
    step_id: int
    alias: str
    attempt: int
    took: timedelta | None


@dataclass(frozen=True, slots=True)
class WaterfallRow:
    """A walk, of a record or of the run itself. number: its place among all, from 1.

    whole: from its beginning to its end, so that a gap between steps is seen as one. waits: the piece up to now.
    """

    number: int
    frame: FrameRow
    steps: list[StepBar]
    whole: Bar | None
    waits: Bar | None


def waterfall(
    execution: Execution, first: int, total: int, *, each_own: bool = False, containers: Sequence[str] = ()
) -> list[WaterfallRow]:
    """Return up to WINDOW rows from the place `first` (0-based) on. Five queries at most.

    total: how many walks there are. each_own: a row's bars are measured from its own beginning to its own end, not on
    the clock of the run. containers: steps that last as long as what is in them, drawn behind the others.
    """
    ids = _ids(execution, first, total)
    steps = _steps(ids)
    now = timezone.now()
    whole = scale_of(execution, now)
    rows = []
    for number, frame in enumerate(frames_by_id(execution, ids), start=first + 1):
        scale = _own(frame, steps.get(frame.id, ()), now) if each_own else whole
        rows.append(_row(number, frame, steps.get(frame.id, []), scale, now, containers))
    return rows


def _ids(execution: Execution, first: int, total: int) -> list[int]:
    """The keys of the frames at some places. Most are made all at once: their keys have no gaps, so a key can be told."""
    values: dict[str, Any] = {"execution": execution.pk, "statuses": list(STATUS_ORDER), "limit": WINDOW}
    with connection.cursor() as cursor:
        cursor.execute(ENDS, values)
        low, high, last = cursor.fetchone()
        if low is None or first >= total:
            return []
        if high - low + 1 == total:
            cursor.execute(FROM_KEY, values | {"key": low + first})
        elif last == total - 1:
            cursor.execute(AT_POSITION, values | {"low": low, "high": high, "number": first})
            key = cursor.fetchone()[0] if first else low
            cursor.execute(FROM_KEY, values | {"key": key})
        else:
            cursor.execute(FROM_NUMBER, values | {"number": first})
        return [key for (key,) in cursor.fetchall()]


Attempted = tuple[int, str, int, str, datetime, float | None]  # id, alias, attempt, status, started at, milliseconds


def _steps(frames: list[int]) -> Mapping[int, list[Attempted]]:
    found: dict[int, list[Attempted]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(STEPS, {"frames": frames, "bars": BARS})
        for frame, *step in cursor.fetchall():
            found[frame].append(tuple(step))
    return found


def _own(frame: FrameRow, steps: Sequence[Attempted], now: datetime) -> Scale | None:
    """From its first step to its last: before and after, it waits with others that were taken up and written together."""
    if frame.started_at is None:
        return None
    begin = min((started for *_, started, _ in steps), default=frame.started_at)
    end = max(_ends(steps), default=frame.finished_at or now) if frame.finished_at else now
    return Scale(begin, max(end - begin, SHORTEST))


def _ends(steps: Sequence[Attempted]) -> list[datetime]:
    return [started + timedelta(milliseconds=length or 0) for *_, started, length in steps]


def _row(
    number: int, frame: FrameRow, steps: list[Attempted], scale: Scale | None, now: datetime, containers: Sequence[str]
) -> WaterfallRow:
    if scale is None or frame.started_at is None:
        return WaterfallRow(number, frame, [], None, None)
    bars = [_step_bar(step, scale, now, containers) for step in steps if step[3] in LOOKS]
    whole = scale.bar("whole", frame.started_at, frame.finished_at or now)
    waits = None
    if frame.frame_status == "waiting" and frame.waiting_for != "children":
        look = "paused" if frame.waiting_for == "pause" else "waiting"
        waits = scale.bar(look, max(_ends(steps), default=frame.started_at), now)
    return WaterfallRow(number, frame, bars, whole, waits)


def _step_bar(step: Attempted, scale: Scale, now: datetime, containers: Sequence[str]) -> StepBar:
    key, alias, attempt, status, started, milliseconds = step
    took = None if milliseconds is None else timedelta(milliseconds=milliseconds)
    look = "bg" if alias in containers else LOOKS[StepStatus(status)]
    return StepBar(scale.bar(look, started, now if took is None else started + took), key, alias, attempt, took)
