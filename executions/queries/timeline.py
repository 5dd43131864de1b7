"""When each step of a run was worked on, and every row of its journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from director import paging
from executions.models import Execution
from executions.queries import sql
from executions.queries.progress import Progress
from workflows.flow import FlowStep

SHORT = timedelta(minutes=3)  # a run shorter than this is measured from its start
SHORTEST = timedelta(milliseconds=1)  # a scale is never of no length
MARKS = 60  # newest failures that are drawn
JOURNAL_SIZE = 25


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a row, in percent of the run's length."""

    look: str
    left: float
    width: float


@dataclass(slots=True)
class TimelineRow:
    """A step on the timeline; `took` is the time worked on it in all, None before it began."""

    step: FlowStep
    bars: list[Bar] = field(default_factory=list)
    took: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis: the time of day, or how long after the start where a run is short."""

    at: datetime
    after: timedelta | None


@dataclass(frozen=True, slots=True)
class Timeline:
    rows: list[TimelineRow]
    ticks: list[Tick]
    ends_now: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """Turns moments into percent of the run."""

    start: datetime
    length: timedelta

    def ticks(self) -> list[Tick]:
        spans = [self.length * part / 4 for part in range(5)]
        return [Tick(self.start + span, span if self.length < SHORT else None) for span in spans]

    def bar(self, look: str, begin: datetime, end: datetime) -> Bar:
        left = min(max((begin - self.start) / self.length, 0.0), 1.0)
        right = min(max((end - self.start) / self.length, 0.0), 1.0)
        return Bar(look, round(left * 100, 2), round(max(right - left, 0.002) * 100, 2))


def timeline(execution: Execution, steps: Sequence[FlowStep], progress: Progress) -> Timeline | None:
    """Return a row for each step in document order; None before the run began. Two queries."""
    end = execution.finished_at or timezone.now()
    scale = scale_of(execution, end)
    if scale is None:
        return None
    extents = _extents(execution, [step.alias for step in steps])
    _widen_iterates(steps, extents)
    rows = [_row(step, scale, extents, progress, end) for step in steps]
    _mark_failures(rows, scale, execution)
    return Timeline(rows, scale.ticks(), execution.finished_at is None)


def scale_of(execution: Execution, now: datetime) -> Scale | None:
    """Return the scale of the whole run, up to now while it goes on; None before it began."""
    if execution.started_at is None:
        return None
    return Scale(execution.started_at, max((execution.finished_at or now) - execution.started_at, SHORTEST))


Extents = dict[str, tuple[datetime, datetime]]


def _extents(execution: Execution, aliases: list[str]) -> Extents:
    with connection.cursor() as cursor:
        cursor.execute(sql.EXTENTS, {"execution": execution.pk, "aliases": aliases})
        return {alias: (begin, max(begin, end)) for alias, begin, end in cursor.fetchall()}


def _widen_iterates(steps: Sequence[FlowStep], extents: Extents) -> None:
    """A step that owns others lasts from the first of them to the last; its own row is only written at its end."""
    for step in reversed(steps):
        inner = [extents[below.alias] for below in step.below() if below.alias in extents]
        if inner:
            begin, end = extents.get(step.alias, inner[0])
            extents[step.alias] = (min(begin, *(i[0] for i in inner)), max(end, *(i[1] for i in inner)))


def _row(step: FlowStep, scale: Scale, extents: Extents, progress: Progress, now: datetime) -> TimelineRow:
    stands = progress.steps.get(step.alias)
    if step.alias not in extents:
        return TimelineRow(step)
    begin, end = extents[step.alias]
    counts = stands.counts if stands else {}
    if step.is_iterate:
        is_open = any(counts.get(status) for status in ("processing", "waiting", "discovered", "paused"))
        end = now if is_open else end
        return TimelineRow(step, [scale.bar("bg", begin, end)], end - begin)
    bars = [scale.bar("failed" if set(counts) == {"failed"} else "complete", begin, end)]
    for status in ("waiting", "processing"):
        if counts.get(status):
            bars.append(scale.bar(status, end, now))
            break
    return TimelineRow(step, bars, timedelta(milliseconds=stands.duration_ms) if stands else end - begin)


def _mark_failures(rows: Iterable[TimelineRow], scale: Scale, execution: Execution) -> None:
    by_alias = {row.step.alias: row for row in rows}
    with connection.cursor() as cursor:
        cursor.execute(sql.FAILURE_MARKS, {"execution": execution.pk, "limit": MARKS})
        for alias, at in cursor.fetchall():
            row = by_alias.get(alias)
            if row and at and not row.step.is_iterate:
                row.bars.append(scale.bar("failed", at - scale.length * 0.008, at))


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A journal row as the page lists it."""

    id: int
    alias: str
    attempt: int
    status: str
    started_at: datetime
    duration_ms: float | None
    error: str | None
    record: str | None
    record_pk: UUID | None


def journal_page(execution: Execution, aliases: Sequence[str], cursor: str = "") -> paging.Page[JournalLine]:
    """Return a page of the journal rows of these steps, newest first. One query."""
    at = paging.parse(cursor, (int,))
    backwards = bool(at and at.backwards)
    statement = sql.JOURNAL.format(direction="ASC" if backwards else "DESC")
    values: dict[str, Any] = {
        "execution": execution.pk,
        "aliases": list(aliases),
        "limit": JOURNAL_SIZE + 1,
        "above": at.key[0] if at and backwards else 0,
        "below": at.key[0] if at and not backwards else sql.LAST,
    }
    with connection.cursor() as database:
        database.execute(statement, values)
        rows = [JournalLine(*row) for row in database.fetchall()]
    return paging.page_of(rows, at, lambda row: [row.id], size=JOURNAL_SIZE)
