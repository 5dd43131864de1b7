"""Which events are on a page of a record's story: journal rows, changes and what people did, newest first.

Each kind is paged by its own key, and each page takes the newest of all kinds by time. Rows are read of so many walks at
a time (`walks.journal_of`): nothing older than the last row of these is told before the rows of older walks are.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Case, F, Func, IntegerField, JSONField, Value, When

from director import paging
from executions.models import ExecutionFrame, ExecutionStep
from executions.queries.actions import StoryAction, actions_in
from executions.queries.walks import LAST, RUNS_SHOWN, journal_of, older_walks, storing
from executions.states import StepStatus
from records.models import ChangeKind, RecordChange, WorkflowRecord

SIZE = 40
PREVIEW_BYTES = 4_096  # an output larger than this is not put into the story, only linked
ERRORS = (StepStatus.FAILED, StepStatus.INTERRUPTED)

Event = ExecutionStep | RecordChange | StoryAction


@dataclass(frozen=True, slots=True)
class StoryPage:
    """The events of a page, from when to when they were (None: without end), and the cursor of the next page."""

    events: Sequence[Event]
    begin: datetime | None
    end: datetime | None
    next: str

    def spans(self, moment: datetime) -> bool:
        return (self.begin is None or moment >= self.begin) and (self.end is None or moment <= self.end)


class Before(NamedTuple):
    """Where a page begins: below these keys. frame: of the walks whose rows are read."""

    frame: int = LAST
    step: int = LAST
    change: int = LAST
    action: int = LAST


def page_of(record: WorkflowRecord, runs: Sequence[ExecutionFrame], show: str, cursor: str) -> StoryPage:
    """Return a page of what `show` asks for; runs: the record's walks. Two queries, one more before an empty page."""
    at = paging.parse(cursor, [int] * len(Before._fields))
    before = Before(*map(int, at.key)) if at else Before()
    rows = _rows(record, show, before)
    actions = actions_in(runs, before.action) if show in ("", "people") else ()
    kinds: list[Iterable[Event]] = [rows, _changes(record, show, before.change), actions]
    told = list(heapq.merge(*kinds, key=_at, reverse=True))
    older = _older(record, before, rows) if len(runs) >= RUNS_SHOWN and show != "people" else None
    events = _shown(told, rows, older)
    more = len(events) < len(told) or older is not None
    return StoryPage(
        events,
        _at(events[-1]) if more and events else None,
        _at(events[0]) if at and events else None,
        str(paging.Cursor(list(_after(events, rows, before, older)))) if more else "",
    )


def _at(event: Event) -> datetime:
    return event.started_at if isinstance(event, ExecutionStep) else event.at


def _older(record: WorkflowRecord, before: Before, rows: Sequence[ExecutionStep]) -> int | None:
    """The frame below which older walks are, once these rows are the last of the walks that were read."""
    if len(rows) > SIZE:
        return None
    return rows[0].older if rows else older_walks(record, before.frame)  # type: ignore[attr-defined]  # by journal_of


def _shown(told: Sequence[Event], rows: Sequence[ExecutionStep], older: int | None) -> Sequence[Event]:
    if older is None:
        return told[:SIZE]
    return told[: min(told.index(rows[-1]) + 1, SIZE)] if rows else []


def _after(events: Sequence[Event], rows: Sequence[ExecutionStep], before: Before, older: int | None) -> Before:
    """Behind the last of each kind; at the older walks where all rows of these are shown."""
    last: dict[type[Event], int] = {type(event): event.pk for event in events}  # each kind comes newest first
    step = last.get(ExecutionStep, before.step)
    change, action = last.get(RecordChange, before.change), last.get(StoryAction, before.action)
    if older and (not rows or rows[-1].pk == step):
        return Before(older, LAST, change, action)
    return Before(before.frame, step, change, action)


def _changes(record: WorkflowRecord, show: str, before: int) -> Iterable[RecordChange]:
    """What no step's row tells; how the record was found is told by itself. Index record_change_by_record."""
    if show == "errors":
        return []
    rows = RecordChange.objects.filter(record=record, pk__lt=before).exclude(kind=ChangeKind.CREATED, actor=None)
    if show == "people":
        rows = rows.filter(actor__isnull=False)
    elif show == "data":
        rows = rows.filter(kind__in=(ChangeKind.EDITED, ChangeKind.MERGED))
    return rows.select_related("actor").order_by("-pk")[: SIZE + 1]


def _rows(record: WorkflowRecord, show: str, before: Before) -> list[ExecutionStep]:
    """The journal rows of the record with outputs only where they are small."""
    if show == "people":
        return []
    small = Case(When(output_bytes__lte=PREVIEW_BYTES, then=F("output")), default=Value(None, JSONField()))
    size = Func(F("output"), function="pg_column_size", output_field=IntegerField())
    rows = journal_of(record, before.frame).filter(pk__lt=before.step)
    rows = rows.defer("input", "output").annotate(output_bytes=size).annotate(small_output=small)
    if show == "errors":
        rows = rows.filter(status__in=ERRORS)
    elif show == "data":
        rows = rows.filter(status=StepStatus.COMPLETE, alias__in=storing(record))
    return list(rows[: SIZE + 1])
