"""The records of a run as a table: filtered by status, step and id, paged by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from director import paging
from director.jsontools import loads
from executions.models import Execution
from executions.queries import sql
from executions.states import StepStatus
from records.models import WorkflowRecord
from records.secrets import NO_SECRETS, Secrets, named, secrets_of
from records.titles import shown_title

PAGE_SIZE = 25
FOUND_LIMIT = 500  # records looked up for what was typed into "Find a record"

SHOWN = {"ready": "discovered", "running": "processing"}
FRAMES_SHOWN_AS = {
    "discovered": ("ready",),
    "paused": ("ready",),  # of a run that is paused
    "processing": ("running",),
    **{status: (status,) for status in ("waiting", "complete", "failed", "skipped", "cancelled")},
}
STEP_ENDS = {
    "complete": [StepStatus.COMPLETE, StepStatus.REUSED, StepStatus.OVERRIDDEN],
    "skipped": [StepStatus.SKIPPED],
}


@dataclass(frozen=True, slots=True)
class FrameFilter:
    """What the table is narrowed to. step: an alias; `of_iterate`: it is an iterate, its records are meant."""

    status: str = ""
    step: str = ""
    of_iterate: bool = False
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.status or self.step or self.text)


@dataclass(frozen=True, slots=True)
class FrameRow:
    """A record in a run. record is None for the walk of the top level. step_id: journal row behind "at step"."""

    rank: int
    key: int
    id: int
    parent: int | None
    iterate: str
    record_pk: UUID | None
    frame_status: str
    waiting_for: str
    wake_at: datetime | None
    step: str
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    record: str | None
    record_type: str | None
    title: str
    step_id: int | None
    attempt: int | None

    @property
    def status(self) -> str:
        return SHOWN.get(self.frame_status, self.frame_status)

    @property
    def took(self) -> timedelta | None:
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None

    @property
    def updated_at(self) -> datetime | None:
        return self.finished_at or self.started_at

    @property
    def waits(self) -> str:
        """Why it waits, when it does."""
        return {"timer": "until", "retry": "next try", "children": "for its own records", "prompt": "for a person"}.get(
            self.waiting_for, ""
        )


def frames_page(
    execution: Execution, narrow: FrameFilter, cursor: str = "", *, total: int | None = None
) -> paging.Page[FrameRow]:
    """Return a page of the run's records. Two queries, three when text is searched."""
    at = paging.parse(cursor, (int, int))
    values: dict[str, Any] = {"execution": execution.pk, "limit": PAGE_SIZE + 1, "step": narrow.step}
    values |= {"rank": at.key[0], "key": at.key[1]} if at else {}
    if narrow.text:
        values["records"] = _records_found(execution, narrow.text)
    parts = _parts(narrow, at, values)
    backwards = bool(at and at.backwards)
    rows = _rows(execution, " UNION ALL ".join(parts), values, backwards=backwards) if parts else []
    return paging.page_of(rows, at, lambda row: [row.rank, row.key], size=PAGE_SIZE, total=total)


def frames_by_id(execution: Execution, ids: Sequence[int]) -> list[FrameRow]:
    """Return the rows that are on a screen, as they are now. Two queries."""
    values = {"execution": execution.pk, "ids": list(ids), "limit": len(ids)}
    return _rows(execution, sql.FRAMES_BY_ID, values) if ids else []


def _rows(execution: Execution, parts: str, values: dict[str, Any], *, backwards: bool = False) -> list[FrameRow]:
    statement = sql.ROWS.format(parts=parts, direction="DESC" if backwards else "ASC")
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found = cursor.fetchall()
    secrets = secrets_of(execution.workflow_id) if found else NO_SECRETS
    return [_row(FrameRow(*row), secrets, maybe) for *row, maybe in found]


def _row(row: FrameRow, known: Secrets, maybe: str | None) -> FrameRow:
    """The row with its title as it may be shown. maybe: what may be secret of its record."""
    return replace(row, title=shown_title(row.title, known.among(named(loads(maybe or "[]")))))


def _parts(narrow: FrameFilter, at: paging.Cursor | None, values: dict[str, Any]) -> list[str]:
    """One part for each status that can still come, in order; or the one for a step's outcome, or for found records."""
    direction = "DESC" if at and at.backwards else "ASC"
    wanted = FRAMES_SHOWN_AS.get(narrow.status, sql.STATUS_ORDER)
    if narrow.text:
        values |= {"order": list(sql.STATUS_ORDER), "statuses": list(wanted)}
        beyond = f"{'<' if at.backwards else '>'} (%(rank)s, %(key)s)" if at else "> (-1, 0)"
        return [sql.FRAMES_OF_RECORDS.format(direction=direction, beyond=beyond, narrow=_extra(narrow))]
    if narrow.step and not narrow.of_iterate and (narrow.status in STEP_ENDS or not narrow.status):
        values["step_statuses"] = STEP_ENDS.get(narrow.status, list(StepStatus.values))
        above, below = _bounds(0, at) or (0, 0)
        return [sql.FRAMES_OF_STEP.format(direction=direction, above=above, below=below)]
    ranges = ((rank, status, _bounds(rank, at)) for rank, status in enumerate(sql.STATUS_ORDER) if status in wanted)
    return [
        sql.FRAMES_OF_STATUS.format(
            rank=rank, status=status, direction=direction, above=bounds[0], below=bounds[1], narrow=_extra(narrow)
        )
        for rank, status, bounds in ranges
        if bounds
    ]


def _extra(narrow: FrameFilter) -> str:
    """What a frame must be beside its status; without a step that is a record's frame, not the run's own."""
    if narrow.step:
        return "AND f.alias = %(step)s" if narrow.of_iterate else "AND f.at_step = %(step)s"
    return "AND f.parent_id IS NOT NULL"


def _bounds(rank: int, at: paging.Cursor | None) -> tuple[int, int] | None:
    """Return the keys between which a status is read: all of it, from the cursor's key on, or None for none of it."""
    if at is None:
        return 0, sql.LAST
    here, key = int(at.key[0]), int(at.key[1])
    if rank == here:
        return (0, key) if at.backwards else (key, sql.LAST)
    return (0, sql.LAST) if (rank < here) == at.backwards else None


def _records_found(execution: Execution, text: str) -> list[UUID]:
    """Records of the workflow whose id begins with the text. Unique index of ids."""
    found = WorkflowRecord.objects.filter(workflow=execution.workflow_id, record_id__startswith=text)
    return list(found.order_by("record_id").values_list("pk", flat=True)[:FOUND_LIMIT])
