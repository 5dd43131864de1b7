"""A record's story: what each step of each run did with it, newest first; and one step in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Func, IntegerField, JSONField, Value, When

from director import paging
from executions.errors import StepNotFound
from executions.models import Execution, ExecutionFrame, ExecutionIntervention, ExecutionStep
from executions.queries.actions import StoryAction, actions_on
from executions.queries.history import Line, lines_of
from executions.refusals import NotWalked
from executions.states import EXECUTION_TERMINAL, FRAME_OPEN, StepStatus
from records.models import ChangeKind, RecordChange, WorkflowRecord
from records.secrets import NO_SECRETS, Secrets, secrets_of
from workflows.flow import store_path
from workflows.models import WorkflowStep

STORY_SIZE = 40
LAST = 2**62  # behind every key
RUNS_SHOWN = 20
PREVIEW_BYTES = 4_096  # an output larger than this is not put into the story, only linked
PREVIEW_VALUES = 5
ERRORS = (StepStatus.FAILED, StepStatus.INTERRUPTED)


@dataclass(slots=True)
class StoryStep:
    """The attempts of a step in one walk, newest first, as one entry of the story.

    preview: the first of the output's values by name, `more` how many there are beside them. branch: key of the block
    taken, empty when none was, None for a step that takes none.
    """

    attempts: list[ExecutionStep]
    name: str
    type: str
    store_path: str
    preview: list[tuple[str, Any]] = field(default_factory=list)
    more: int = 0
    branch: str | None = None

    kind = "step"

    @property
    def last(self) -> ExecutionStep:
        return self.attempts[0]

    @property
    def at(self) -> datetime:
        return self.last.started_at

    @property
    def is_error(self) -> bool:
        return self.last.status in ERRORS


@dataclass(frozen=True, slots=True)
class StoryMoment:
    """What happened to the record between its steps: taken up by an iterate, or left by it."""

    kind: str  # "entered", "failed", "complete", "skipped", "cancelled"
    at: datetime
    frame: ExecutionFrame


@dataclass(frozen=True, slots=True)
class StoryChange:
    """What a person, an import or its source changed about the record."""

    change: RecordChange
    lines: list[Line]

    kind = "change"

    @property
    def at(self) -> datetime:
        return self.change.at


Entry = StoryStep | StoryMoment | StoryChange | StoryAction


@dataclass(frozen=True, slots=True)
class Story:
    entries: list[Entry]
    next: str


def record_story(record: WorkflowRecord, runs: Sequence[ExecutionFrame], show: str = "", cursor: str = "") -> Story:
    """Return the story, newest first, a page at a time.

    runs: the record's walks (`runs_of`). show: "errors", "people" or "data" leaves the rest out. At most six queries.
    """
    at = paging.parse(cursor, (int, int, int))
    before: Sequence[Any] = at.key if at else (LAST, LAST, LAST)
    told: list[Told] = [*_rows(record, show, before[0]), *_changes(record, show, before[1])]
    if show in ("", "people"):
        told += actions_on(record, runs, before[2], STORY_SIZE + 1)
    told.sort(key=_told_at, reverse=True)
    shown, more = told[:STORY_SIZE], len(told) > STORY_SIZE
    rows = [one for one in shown if isinstance(one, ExecutionStep)]
    changes = [StoryChange(one, lines_of(one)) for one in shown if isinstance(one, RecordChange)]
    numbers = {run.execution_id: run.execution.number for run in runs}
    actions = [StoryAction(one, numbers[one.execution_id]) for one in shown if isinstance(one, ExecutionIntervention)]
    begin = _told_at(shown[-1]) if more else None
    end = _told_at(shown[0]) if at and shown else None
    moments = [
        one for one in _moments(runs, show) if (begin is None or one.at >= begin) and (end is None or one.at <= end)
    ]
    steps = _grouped(rows, _definitions(rows), _secrets(record, rows))
    entries: list[Entry] = sorted((*steps, *moments, *changes, *actions), key=_order, reverse=True)
    return Story(entries, _after(shown, before) if more else "")


Told = ExecutionStep | RecordChange | ExecutionIntervention
TOLD = (ExecutionStep, RecordChange, ExecutionIntervention)  # in the order of the cursor's keys


def _told_at(one: Told) -> datetime:
    return one.started_at if isinstance(one, ExecutionStep) else one.at


def _after(shown: Sequence[Told], before: Sequence[Any]) -> str:
    """The cursor behind the last of each kind."""
    kinds = zip(TOLD, before, strict=True)
    return str(paging.Cursor([min((one.pk for one in shown if isinstance(one, of)), default=key) for of, key in kinds]))


def _changes(record: WorkflowRecord, show: str, before: int) -> Iterable[RecordChange]:
    """What no step's row tells; how the record was found is told by itself. Index record_change_by_record."""
    if show == "errors":
        return []
    rows = RecordChange.objects.filter(record=record, pk__lt=before).exclude(kind=ChangeKind.CREATED)
    if show == "people":
        rows = rows.filter(actor__isnull=False)
    elif show == "data":
        rows = rows.filter(kind__in=(ChangeKind.EDITED, ChangeKind.MERGED))
    return rows.select_related("actor").order_by("-pk")[: STORY_SIZE + 1]


def _rows(record: WorkflowRecord, show: str, before: int) -> Iterable[ExecutionStep]:
    """The journal rows of the record with outputs only where they are small. Index journal_by_record."""
    size = Func(F("output"), function="pg_column_size", output_field=IntegerField())
    rows = (
        ExecutionStep.objects.filter(record=record, pk__lt=before)
        .select_related("execution")
        .defer("input", "output")
        .annotate(output_bytes=size)
        .annotate(
            small_output=Case(When(output_bytes__lte=PREVIEW_BYTES, then=F("output")), default=Value(None, JSONField()))
        )
        .order_by("-pk")
    )
    if show == "errors":
        rows = rows.filter(status__in=ERRORS)
    elif show == "data":
        rows = rows.filter(status=StepStatus.COMPLETE, alias__in=_storing_aliases(record))
    elif show == "people":
        return []
    return rows[: STORY_SIZE + 1]


def _storing_aliases(record: WorkflowRecord) -> list[str]:
    """Aliases of steps, of any version of the workflow, that store their output on records."""
    storing = WorkflowStep.objects.filter(version__workflow=record.workflow_id, options__store_to_record=True)
    return list(storing.values_list("alias", flat=True).distinct())


Definitions = Mapping[tuple[UUID, str], WorkflowStep]


def _definitions(rows: Sequence[ExecutionStep]) -> Definitions:
    """The definitions of the rows' steps, each in the version that was run. One query."""
    versions = {row.execution.version_id for row in rows}
    found = WorkflowStep.objects.filter(version__in=versions, alias__in={row.alias for row in rows})
    return {(step.version_id, step.alias): step for step in found}


def _secrets(record: WorkflowRecord, rows: Sequence[ExecutionStep]) -> Secrets:
    """What is not shown of the rows. One query, none without rows."""
    given = {row.execution_id: row.execution.trigger_data for row in rows}
    return secrets_of(record.workflow_id, record.data, *given.values()) if rows else NO_SECRETS


def _grouped(rows: Sequence[ExecutionStep], definitions: Definitions, secrets: Secrets) -> list[StoryStep]:
    """One entry for each step of each walk: its attempts, between which rows of other walks may stand."""
    entries: dict[tuple[int, str], StoryStep] = {}
    for row in rows:
        row.error = secrets.hide(row.error)
        key = (row.frame_id, row.alias)
        if key in entries:
            entries[key].attempts.append(row)
            continue
        defined = definitions.get((row.execution.version_id, row.alias))
        entries[key] = _story_step(row, defined, secrets)
    return list(entries.values())


def _story_step(row: ExecutionStep, defined: WorkflowStep | None, secrets: Secrets) -> StoryStep:
    name = (defined.name if defined else "") or row.alias.replace("_", " ").capitalize()
    step = StoryStep(
        [row],
        name,
        defined.type if defined else "",
        store_path(defined.alias, defined.options) if defined else "",
    )
    output = row.small_output  # type: ignore[attr-defined]  # annotated by _rows
    if isinstance(output, dict) and {"branch", "index", "key"} <= output.keys():
        step.branch = output["key"] or ""
    elif isinstance(output, dict):
        pairs = list(secrets.hide(output).items())
        step.preview, step.more = pairs[:PREVIEW_VALUES], max(0, len(pairs) - PREVIEW_VALUES)
    elif output is not None:
        step.preview = [(step.store_path or "output", secrets.hide(output))]
    return step


def _moments(runs: Sequence[ExecutionFrame], show: str) -> Iterator[StoryMoment]:
    """When iterates took the record up, and how they left it."""
    for frame in runs:
        if frame.started_at and not show:
            yield StoryMoment("entered", frame.started_at, frame)
        if frame.finished_at and (not show or (show, frame.status) == ("errors", "failed")):
            yield StoryMoment(frame.status, frame.finished_at, frame)


def _order(entry: Entry) -> tuple[datetime, int]:
    """By time; at the same moment a record enters before its steps and ends after them."""
    return entry.at, {"entered": 0, "step": 1, "change": 1, "action": 1}.get(entry.kind, 2)


def runs_of(record: WorkflowRecord) -> list[ExecutionFrame]:
    """Return the newest walks of the record with their executions. One query, on index frame_by_record."""
    frames = ExecutionFrame.objects.filter(record=record).select_related("execution", "execution__version")
    return list(frames.order_by("-pk")[:RUNS_SHOWN])


def walking(record: WorkflowRecord) -> ExecutionFrame:
    """Return the open walk of the record in a run that is not over, with its execution; raises NotWalked. One query."""
    frames = ExecutionFrame.objects.filter(record=record, status__in=FRAME_OPEN)
    open_runs = frames.exclude(execution__status__in=EXECUTION_TERMINAL).select_related("execution__workflow")
    found = open_runs.order_by("-pk").first()
    if found is None:
        raise NotWalked(record.record_id)
    return found


# --- one step ---------------------------------------------------------------------------------------------------------


def secrets_in(step: ExecutionStep, known: Secrets | None = None) -> Secrets:
    """Return what is not shown of a step that comes with its execution and record. One query.

    known: what is not shown of another step of the workflow, which saves the query.
    """
    data = step.record.data if step.record else None
    secrets = known or secrets_of(step.execution.workflow_id)
    return secrets.among(step.execution.trigger_data, data, step.input, step.output)


def get_step_for(execution: Execution, step_id: int) -> ExecutionStep:
    """Return a journal row of an execution the user was found to see; raises StepNotFound."""
    try:
        step = ExecutionStep.objects.select_related("frame", "record").get(pk=step_id, execution=execution)
    except ExecutionStep.DoesNotExist:
        raise StepNotFound(execution.number, step_id) from None
    step.execution = execution
    return step


def attempts_of(step: ExecutionStep) -> list[ExecutionStep]:
    """Return every attempt of the step in its frame, the first first, without inputs and outputs. One query."""
    rows = ExecutionStep.objects.filter(frame=step.frame_id, alias=step.alias).defer("input", "output")
    return list(rows.order_by("attempt"))


def walk_of(step: ExecutionStep) -> list[ExecutionStep]:
    """Return the last attempt of every step of the frame, in the order of the walk. One query."""
    rows = (
        ExecutionStep.objects.filter(frame=step.frame_id)
        .defer("input", "output", "error")
        .order_by("alias", "-attempt")
    )
    return sorted(rows.distinct("alias"), key=lambda row: row.pk)
