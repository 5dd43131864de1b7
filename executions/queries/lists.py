"""Lists of executions, and the figures of the home page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from director import paging
from director.ids import uuid7_at
from executions.filters import ExecutionFilter
from executions.models import Execution
from executions.queries import sql
from executions.queries.progress import Counts, records_of
from executions.states import ExecutionStatus

COUNT_CAP = 1_000  # open executions are counted up to here
RUN_BARS = 12

PEOPLE = ("workflow", "workflow__owner", "version", "started_by")


def open_executions(user: Any) -> QuerySet[Execution]:
    """Return the executions of the user that are not over, up to COUNT_CAP, to be counted."""
    return Execution.objects.all().visible_to(user).unfinished().order_by()[:COUNT_CAP]


@dataclass(frozen=True, slots=True)
class Run:
    """An execution in a list, with its records by status."""

    execution: Execution
    records: Counts

    @property
    def total(self) -> int:
        return sum(self.records.values())

    @property
    def done(self) -> int:
        return self.total - self.still_open

    @property
    def still_open(self) -> int:
        return sum(self.records.get(status, 0) for status in ("discovered", "processing", "waiting", "paused"))

    @property
    def bar(self) -> str:
        """How it looks among the last runs: red when anything failed, in its own colour while it is open."""
        status = self.execution.status
        if status == ExecutionStatus.FAILED or self.records.get("failed"):
            return "failed"
        return {"completed": "complete", "cancelled": "none", "running": "processing", "queued": "processing"}.get(
            status, "waiting"
        )

    @property
    def length(self) -> timedelta | None:
        started = self.execution.started_at
        return (self.execution.finished_at or timezone.now()) - started if started else None


def with_records(executions: Iterable[Execution]) -> list[Run]:
    executions = list(executions)
    records = records_of(executions)
    return [Run(execution, records[execution.pk]) for execution in executions]


def executions_page(
    user: Any, narrow: ExecutionFilter, cursor: str = "", *, size: int = paging.PAGE_SIZE
) -> paging.Page[Run]:
    """Return a page of executions, newest first. Two queries."""
    executions = narrow.apply(Execution.objects.all().visible_to(user)).select_related(*PEOPLE)
    page = paging.page_by(executions, ["number"], cursor, newest_first=True, size=size)
    return page.showing(with_records(page.rows))


def newest_runs(workflows: Sequence[UUID], each: int = RUN_BARS) -> Mapping[UUID, list[Run]]:
    """Return the newest executions of each workflow, newest first. Three queries, however many workflows."""
    found: dict[UUID, list[Run]] = {workflow: [] for workflow in workflows}
    if not found:
        return found
    with connection.cursor() as cursor:
        cursor.execute(sql.NEWEST_OF_EACH, {"workflows": list(workflows), "each": each})
        ids = [row[0] for row in cursor.fetchall()]
    for run in with_records(Execution.objects.filter(pk__in=ids).select_related("version")):
        found[run.execution.workflow_id].append(run)
    return found


@dataclass(frozen=True, slots=True)
class Hour:
    """One bar of the chart: records that came to an end, in percent of the tallest bar."""

    at: datetime
    complete: int
    failed: int
    complete_percent: float = 0.0
    failed_percent: float = 0.0


@dataclass(frozen=True, slots=True)
class LastDay:
    executions: int
    complete: int
    failed: int
    hours: list[Hour]


DAY_CAP = 5_000  # newest executions that the figures of a day are made of


RUNNING_ON_HOME = 5
NEWEST_ON_HOME = 8


@dataclass(frozen=True, slots=True)
class HomeRuns:
    """running: the newest that are not over. newest: the newest of all. day: what those of 24 hours did."""

    running: list[Run]
    newest: list[Run]
    day: LastDay


def home_runs(user: Any) -> HomeRuns:
    """Return what the home page says of executions. Four queries."""
    begin = timezone.now() - timedelta(hours=24)
    visible = Execution.objects.all().visible_to(user)
    running = list(visible.unfinished().select_related(*PEOPLE)[:RUNNING_ON_HOME])
    newest = list(visible.select_related(*PEOPLE)[:NEWEST_ON_HOME])
    recent = list(visible.filter(pk__gte=uuid7_at(begin)).order_by("-pk")[:DAY_CAP])  # ids are ordered by time
    records = records_of({execution.pk: execution for execution in (*recent, *newest, *running)}.values())

    def runs(executions: Iterable[Execution]) -> list[Run]:
        return [Run(execution, records[execution.pk]) for execution in executions]

    return HomeRuns(runs(running), runs(newest), _last_day(runs(recent), begin))


def _last_day(runs: Sequence[Run], begin: datetime) -> LastDay:
    hours: dict[int, list[int]] = {hour: [0, 0] for hour in range(24)}
    for run in runs:
        at = run.execution.finished_at or timezone.now()
        slot = hours[min(23, max(0, int((at - begin).total_seconds() // 3600)))]
        slot[0] += run.records.get("complete", 0)
        slot[1] += run.records.get("failed", 0)
    complete, failed = (sum(slot[which] for slot in hours.values()) for which in (0, 1))
    return LastDay(len(runs), complete, failed, _scaled(begin, hours))


def _scaled(begin: datetime, hours: Mapping[int, Sequence[int]]) -> list[Hour]:
    tallest = max((sum(slot) for slot in hours.values()), default=0) or 1
    return [
        Hour(begin + timedelta(hours=hour), *slot, *(round(count * 100 / tallest, 1) for count in slot))
        for hour, slot in hours.items()
    ]
