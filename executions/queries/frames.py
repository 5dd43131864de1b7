"""The records of a run as a table: filtered by status, step and id, paged by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from director import paging
from executions.models import Execution
from executions.queries import sql
from executions.states import StepStatus
from records.models import WorkflowRecord

PAGE_SIZE = 25
FOUND_LIMIT = 500  # records looked up for what was typed into "Find a record"

SHOWN = {"ready": "discovered", "running": "processing"}
FRAMES_SHOWN_AS = {
    "discovered": ("ready",),
    "processing": ("running",),
    **{status: (status,) for status in ("waiting", "complete", "failed", "skipped", "cancelled")},
}
STEP_ENDS = {
    "complete": [StepStatus.COMPLETE, StepStatus.REUSED, StepStatus.OVERRIDDEN],
    "skipped": [StepStatus.SKIPPED],
}


@dataclass(frozen=True, slots=True)
class FrameFilter:
    """What the table is narrowed to. step: an alias; `of_iterate` tells that it is an iterate, whose records are meant."""

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


def frames_page(execution: Execution, narrow: FrameFilter, cursor: str = "", *, total: int | None = None) -> paging.Page[FrameRow]:
    """Return a page of the run's records. One query, two when text is searched."""
    at = paging.parse(cursor, (int, int))
    values: dict[str, Any] = {"execution": execution.pk, "limit": PAGE_SIZE + 1, "step": narrow.step}
    values |= {"rank": at.key[0], "key": at.key[1]} if at else {}
    if narrow.text:
        values["records"] = _records_found(execution, narrow.text)
    parts = _parts(narrow, at, values)
    rows = _rows(" UNION ALL ".join(parts), values, backwards=bool(at and at.backwards)) if parts else []
    return paging.page_of(rows, at, lambda row: [row.rank, row.key], size=PAGE_SIZE, total=total)


def frames_by_id(execution: Execution, ids: Sequence[int]) -> list[FrameRow]:
    """Return the rows that are on a screen, as they are now. One query."""
    return _rows(sql.FRAMES_BY_ID, {"execution": execution.pk, "ids": list(ids), "limit": len(ids)}) if ids else []


def _rows(parts: str, values: dict[str, Any], *, backwards: bool = False) -> list[FrameRow]:
    statement = sql.ROWS.format(parts=parts, direction="DESC" if backwards else "ASC")
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [FrameRow(*row) for row in cursor.fetchall()]


def _parts(narrow: FrameFilter, at: paging.Cursor | None, values: dict[str, Any]) -> list[str]:
    """One part for each status that can still come, in order; or the one over the journal for a step's outcome."""
    backwards = bool(at and at.backwards)
    direction, beyond = ("DESC", "<") if backwards else ("ASC", ">")
    extra = "AND f.record_id = ANY(%(records)s)" if narrow.text else ""
    if narrow.step and not narrow.of_iterate and (narrow.status in STEP_ENDS or not narrow.status):
        values["step_statuses"] = STEP_ENDS.get(narrow.status, list(StepStatus.values))
        key = f"s.id {beyond} %(key)s" if at else "true"
        return [sql.FRAMES_OF_STEP.format(direction=direction, beyond=key, narrow=extra)]
    if narrow.step:
        extra += " AND f.alias = %(step)s" if narrow.of_iterate else " AND f.at_step = %(step)s"
    if narrow.of_iterate or not narrow.step:
        extra += " AND f.parent_id IS NOT NULL"
    wanted = FRAMES_SHOWN_AS.get(narrow.status, sql.STATUS_ORDER)
    return [
        sql.FRAMES_OF_STATUS.format(rank=rank, status=status, direction=direction, beyond=_beyond(rank, at), narrow=extra)
        for rank, status in enumerate(sql.STATUS_ORDER)
        if status in wanted and _beyond(rank, at) != "false"
    ]


def _beyond(rank: int, at: paging.Cursor | None) -> str:
    """The condition that lets a status on to the page: all of it, none of it, or from the cursor's key on."""
    if at is None:
        return "true"
    here = at.key[0]
    if rank == here:
        return f"f.id {'<' if at.backwards else '>'} %(key)s"
    return "true" if (rank < int(here)) == at.backwards else "false"


def _records_found(execution: Execution, text: str) -> list[UUID]:
    """Records of the workflow whose id begins with the text. Index record_id_prefix."""
    found = WorkflowRecord.objects.filter(workflow=execution.workflow_id, record_id__startswith=text)
    return list(found.order_by("record_id").values_list("pk", flat=True)[:FOUND_LIMIT])
