"""How far a run is: counts by status, from the sums that the journal keeps, never by counting what it wrote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from executions.models import Execution, ExecutionCount
from executions.queries import sql
from executions.states import EXECUTION_TERMINAL, ExecutionStatus, StepStatus, WaitingFor

Counts = dict[str, int]

PLACES_LIMIT = 5_000  # of each status; where more frames are open or failed, the counts beside the steps stop there

# What a journal row's status counts as beside a step.
STEP_SHOWN = {
    StepStatus.COMPLETE: "complete",
    StepStatus.REUSED: "complete",
    StepStatus.OVERRIDDEN: "complete",
    StepStatus.SKIPPED: "skipped",
}
MADE = "total"  # the status under which an iterate counts the frames that it makes
FRAME_ENDS = ("complete", "failed", "skipped", "cancelled")


@dataclass(slots=True)
class StepProgress:
    """Where a step stands: records (or the run itself) by status, and how much time it took in all.

    held: how many of those that wait are held back before it.
    """

    counts: Counts = field(default_factory=lambda: defaultdict(int))
    duration_ms: float = 0.0
    rows: int = 0
    held: int = 0

    @property
    def each_ms(self) -> float | None:
        return self.duration_ms / self.rows if self.rows else None

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def is_live(self) -> bool:
        return bool(self.counts.get("processing"))


@dataclass(slots=True)
class Progress:
    """A run in numbers.

    records: by record status, over all its iterates. steps: by alias; an iterate's counts are those of its records.
    """

    records: Counts = field(default_factory=lambda: defaultdict(int))
    steps: dict[str, StepProgress] = field(default_factory=lambda: defaultdict(StepProgress))
    iterates: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        return sum(self.records.values())

    @property
    def started(self) -> int:
        return self.total - self.records.get("discovered", 0) - self.records.get("paused", 0)

    @property
    def done(self) -> int:
        return sum(self.records.get(status, 0) for status in FRAME_ENDS)

    @property
    def open(self) -> int:
        return self.total - self.done

    @property
    def held(self) -> int:
        """How many walks are held back before a step, up to PLACES_LIMIT."""
        return sum(step.held for step in self.steps.values())


def progress(execution: Execution, iterates: Iterable[str] = ()) -> Progress:
    """Return where the run and each of its steps stand. Two queries.

    iterates: aliases known to be iterates; without them one that met no record counts as a step that was done once.
    """
    found = Progress(iterates=set(iterates))
    _add_sums(found, _sums([execution.pk])[execution.pk])
    _add_places(found, execution)
    _add_records(found, paused=execution.status == ExecutionStatus.PAUSED)
    return found


def records_of(executions: Iterable[Execution]) -> dict[UUID, Counts]:
    """Return the records of each run by status, for lists: from its row when it is over, else the counts. One query."""
    executions = list(executions)
    open_ones = [execution for execution in executions if execution.status not in EXECUTION_TERMINAL]
    sums = _sums([execution.pk for execution in open_ones]) if open_ones else {}
    found = {execution.pk: _final(execution) for execution in executions}
    for execution in open_ones:
        one = Progress()
        _add_sums(one, sums[execution.pk])
        _add_records(one, paused=execution.status == ExecutionStatus.PAUSED)
        found[execution.pk] = dict(one.records)
    return found


def _final(execution: Execution) -> Counts:
    counts = {status: getattr(execution, f"records_{status}") for status in FRAME_ENDS}
    return {status: count for status, count in counts.items() if count}


Sums = list[tuple[str, str, str, int, float]]  # kind, alias, status, count, duration


def _sums(executions: list[UUID]) -> Mapping[UUID, Sums]:
    rows = (
        ExecutionCount.objects.filter(execution__in=executions)
        .values_list("execution_id", "kind", "alias", "status")
        .annotate(Sum("count"), Sum("duration_ms"))
    )
    found: dict[UUID, Sums] = defaultdict(list)
    for execution, *row in rows:
        found[execution].append(tuple(row))
    return found


def _add_sums(found: Progress, sums: Sums) -> None:
    found.iterates |= {alias for kind, alias, *_ in sums if kind == "frame" and alias}
    for kind, alias, status, count, duration_ms in sums:
        step = found.steps[alias]
        if kind == "frame":
            step.counts[status] += count
            continue
        step.duration_ms += duration_ms
        step.rows += count
        if alias not in found.iterates and (shown := STEP_SHOWN.get(StepStatus(status))):
            step.counts[shown] += count
    found.steps.pop("", None)  # the root frame is the run itself


def _add_places(found: Progress, execution: Execution) -> None:
    """What the journal's sums do not say: at which step the open and the failed frames are."""
    with connection.cursor() as cursor:
        cursor.execute(sql.PLACES, {"execution": execution.pk, "limit": PLACES_LIMIT})
        for alias, at_step, status, waiting_for, count in cursor.fetchall():
            shown = "processing" if status == "running" else status
            if at_step and at_step not in found.iterates:
                found.steps[at_step].counts[shown] += count
                found.steps[at_step].held += count if waiting_for == WaitingFor.PAUSE else 0
                if waiting_for == WaitingFor.TIMER:  # a delay's row is written as complete when it begins to wait
                    found.steps[at_step].counts["complete"] -= count
            if alias and shown == "processing":
                found.steps[alias].counts[shown] += count


def _add_records(found: Progress, *, paused: bool) -> None:
    """Sum up the iterates; a frame that was made and has no other status yet is discovered, or paused with its run."""
    for alias in found.iterates:
        counts = found.steps[alias].counts
        made = counts.pop(MADE, 0)
        counts["paused" if paused else "discovered"] = max(0, made - sum(counts.values()))
        for status, count in counts.items():
            found.records[status] += count
