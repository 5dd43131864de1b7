"""A record's story: what each step of each run did with it, newest first; and one step in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executions.errors import StepNotFound
from executions.models import Execution, ExecutionFrame, ExecutionStep
from executions.queries.actions import StoryAction
from executions.queries.history import LINES_SHOWN, Line, lines_of, said_by
from executions.queries.secrets import around, outside
from executions.queries.story_pages import ERRORS, PREVIEW_BYTES, page_of
from records.models import ChangeKind, RecordChange, WorkflowRecord
from records.secrets import Secrets, secrets_of
from workflows.flow import store_path

PREVIEW_VALUES = 5


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
    def is_large(self) -> bool:
        """Whether its output is too large for the story."""
        return (self.last.output_bytes or 0) > PREVIEW_BYTES  # type: ignore[attr-defined]  # annotated by _rows

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

    @property
    def shown(self) -> list[Line]:
        return self.lines[:LINES_SHOWN]

    @property
    def unshown(self) -> int:
        """How many values more it touched."""
        return max(0, len(self.change.patch) - LINES_SHOWN)

    @property
    def untold(self) -> int:
        """How many values it touched that are not among the lines."""
        return len(self.change.patch) - len(self.lines)


Entry = StoryStep | StoryMoment | StoryChange | StoryAction


@dataclass(frozen=True, slots=True)
class Story:
    entries: list[Entry]
    next: str

    @property
    def tells_beginning(self) -> bool:
        """Whether it ends with who made the record."""
        last = self.entries[-1] if self.entries else None
        return isinstance(last, StoryChange) and last.change.kind == ChangeKind.CREATED


def record_story(
    record: WorkflowRecord, runs: Sequence[ExecutionFrame], secrets: Secrets, show: str = "", cursor: str = ""
) -> Story:
    """Return the story, newest first, a page at a time.

    runs: the record's walks (`runs_of`). secrets: of its workflow. show: "errors", "people" or "data" leaves the rest
    out. Two queries.
    """
    page = page_of(record, runs, show, cursor)
    rows = [one for one in page.events if isinstance(one, ExecutionStep)]
    changed = [one for one in page.events if isinstance(one, RecordChange)]
    hidden = _secrets(secrets, record, rows).among(*outside(runs), *map(said_by, changed))
    steps = _grouped(rows, hidden)
    changes = [StoryChange(one, lines_of(one, hidden)) for one in changed]
    actions = [one for one in page.events if isinstance(one, StoryAction)]
    moments = [one for one in _moments(runs, show) if page.spans(one.at)]
    entries: list[Entry] = sorted((*steps, *moments, *changes, *actions), key=_order, reverse=True)
    return Story(entries, page.next)


def _secrets(known: Secrets, record: WorkflowRecord, rows: Sequence[ExecutionStep]) -> Secrets:
    """What is not shown of the rows."""
    given = {row.execution_id: row.execution.trigger_data for row in rows}
    outputs = (row.small_output for row in rows)  # type: ignore[attr-defined]  # annotated by _rows
    return known.among(record.data, *given.values(), *outputs)


def _grouped(rows: Sequence[ExecutionStep], secrets: Secrets) -> list[StoryStep]:
    """One entry for each step of each walk: its attempts, between which rows of other walks may stand."""
    entries: dict[tuple[int, str], StoryStep] = {}
    for row in rows:
        row.error = secrets.hide(row.error)
        key = (row.frame_id, row.alias)
        if key in entries:
            entries[key].attempts.append(row)
        else:
            entries[key] = _story_step(row, secrets)
    return list(entries.values())


def _story_step(row: ExecutionStep, secrets: Secrets) -> StoryStep:
    defined: Mapping[str, Any] = row.defined or {}  # type: ignore[attr-defined]  # by journal_of
    name = defined.get("name") or row.alias.replace("_", " ").capitalize()
    step = StoryStep([row], name, defined.get("type", ""), store_path(row.alias, defined.get("options", {})))
    output, size = row.small_output, row.output_bytes  # type: ignore[attr-defined]  # annotated by _rows
    if isinstance(output, dict) and {"branch", "index", "key"} <= output.keys():
        step.branch = output["key"] or ""
    elif isinstance(output, dict):
        pairs = list(secrets.hide(output).items())
        step.preview, step.more = pairs[:PREVIEW_VALUES], max(0, len(pairs) - PREVIEW_VALUES)
    elif output is not None or (step.store_path and size and not step.is_large):  # null is stored, too
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


# --- one step ---------------------------------------------------------------------------------------------------------


def secrets_in(step: ExecutionStep, known: Secrets | None = None) -> Secrets:
    """Return what is not shown of a step that comes with its execution. Two queries.

    known: what is not shown of another step of the workflow, which saves one.
    """
    secrets = known or secrets_of(step.execution.workflow_id)
    return secrets.among(step.execution.trigger_data, around(step.frame_id), step.input, step.output)


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
