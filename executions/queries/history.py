"""How a record came to be as it is: what people and sources changed, and what steps stored on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from executions.models import ExecutionStep
from executions.queries import walks
from executions.states import StepStatus
from records.history import changes_of
from records.models import ChangeKind, RecordChange, WorkflowRecord
from records.patches import Path, format_path, parse_path
from records.secrets import NO_SECRETS, Secrets, said_in
from records.timeline import Blame, Event, JournalEntry, Moment, blame, leaves, moments
from workflows.flow import store_path

EVENTS_ASKED = 500  # the newest of each kind; what is older counts as how the record was found
LINES_SHOWN = 8  # changed values named of one event
LINES_TOLD = 200  # the same where all of them are asked for
STORED = (StepStatus.COMPLETE, StepStatus.OVERRIDDEN)  # of a reused outcome the original's row tells


@dataclass(frozen=True, slots=True)
class Line:
    """One value that an event changed, as it may be shown. kind: set, added or deleted."""

    path: str
    before: Any
    after: Any
    kind: str


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the story: the data after `event` (None: as it was found), and what the event changed."""

    index: int
    at: datetime
    event: Event | None
    data: Any
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class History:
    """What is known of the record's data, oldest first. secrets: what is not shown of it."""

    record: WorkflowRecord
    secrets: Secrets
    changes: list[RecordChange]
    journal: list[JournalEntry]
    moments: list[Moment]

    @property
    def last(self) -> int:
        """The number of the point that is now."""
        return len(self.moments)

    def point(self, index: int) -> Point:
        """Return the record as it was after the first `index` events; 0 is how it was found."""
        if not index:
            found = self.moments[0].before if self.moments else self.record.data
            return Point(0, self.record.created_at, None, found, [])
        moment = self.moments[index - 1]
        lines = lines_between(moment.before, moment.after, self.secrets)
        return Point(index, moment.event.at, moment.event, moment.after, lines)

    def shown(self, point: Point) -> Any:
        """Return the record's data at the point as it may be shown."""
        return self.secrets.hide(point.data)

    def since(self, moment: datetime) -> list[Point]:
        """Return the points after a time, newest first."""
        return [self.point(at) for at in range(self.last, 0, -1) if self.moments[at - 1].event.at > moment]

    def blame(self, point: Point) -> dict[str, Blame]:
        """Return who or what set each field that the record had at the point, by path; what was there may be shown."""
        then = [moment.event for moment in self.moments[: point.index]]
        changes = [event for event in then if isinstance(event, RecordChange)]
        journal = [event for event in then if isinstance(event, JournalEntry)]
        found = blame(point.data, self.record.created_at, changes, journal)
        return {one.path: replace(one, before=self.secrets.hide_at(parse_path(one.path), one.before)) for one in found}


def history_of(record: WorkflowRecord, secrets: Secrets) -> History:
    """Return the record's history. secrets: of its workflow. Two queries."""
    told = (ChangeKind.EDITED, ChangeKind.MERGED)  # a status is no data
    changes = [change for change in changes_of(record.pk, limit=EVENTS_ASKED) if change.kind in told]
    journal = journal_of(record)
    stored = ({format_path(entry.path): entry.value} for entry in journal)
    hidden = secrets.among(record.data, *stored, *map(said_by, changes))
    return History(record, hidden, changes, journal, moments(record.data, changes, journal))


def said_by(change: RecordChange) -> list[dict[str, Any]]:
    """Return the values that the change put there and took away, for secrets to be looked for in them."""
    return said_in([*change.patch, *change.undo])


def journal_of(record: WorkflowRecord) -> list[JournalEntry]:
    """Return what steps stored on the record in its newest walks, newest first. One query."""
    rows = walks.journal_of(record).filter(alias__in=walks.storing(record), status__in=STORED)
    rows = rows.select_related("execution__version").defer("input", "error")[:EVENTS_ASKED]
    placed = ((row, _stored_at(row)) for row in rows)
    return [_entry(row, parse_path(path)) for row, path in placed if path]


def _stored_at(row: ExecutionStep) -> str:
    defined = row.defined  # type: ignore[attr-defined]  # by walks.journal_of
    return store_path(row.alias, defined["options"]) if defined else ""


def _entry(row: ExecutionStep, path: Path) -> JournalEntry:
    at = row.started_at + timedelta(milliseconds=row.duration_ms or 0)
    return JournalEntry(
        at, row.alias, row.attempt, row.execution.number, row.execution.version.number, path, row.output
    )


def lines_between(before: Any, after: Any, secrets: Secrets = NO_SECRETS, *, root: Path = ()) -> list[Line]:
    """Return the first values that differ between two states of a record's data, as they may be shown.

    secrets: none for what is without them already. root: where the values stand, when they are not a record's data.
    """
    old, new = dict(leaves(before, root)), dict(leaves(after, root))
    changed = (path for path in {**old, **new} if old.get(path, ...) != new.get(path, ...) and (root or len(path) > 1))
    return [_line(path, old, new, secrets) for path in islice(changed, LINES_SHOWN)]


def _line(path: Path, old: dict[Path, Any], new: dict[Path, Any], secrets: Secrets) -> Line:
    kind = "set" if path in old and path in new else "added" if path in new else "deleted"
    before, after = (secrets.hide_at(path, state.get(path)) for state in (old, new))
    return Line(format_path(path), before, after, kind)


def lines_of(change: RecordChange, secrets: Secrets) -> list[Line]:
    """Return the first values that a change touched, as they may be shown: of data, status and message."""
    undone = {operation["path"]: operation.get("value") for operation in change.undo}
    return [_patch_line(operation, undone, secrets) for operation in change.patch[:LINES_TOLD]]


KINDS = {"add": "added", "replace": "set", "remove": "deleted"}


def _patch_line(operation: dict[str, Any], undone: dict[str, Any], secrets: Secrets) -> Line:
    keys = list(_keys(operation["path"]))
    values = undone.get(operation["path"]), operation.get("value")
    before, after = (secrets.hide_at(keys, value) for value in values)
    return Line(format_path(keys), before, after, KINDS.get(operation["op"], "set"))


def _keys(pointer: str) -> Iterator[str | int]:
    """Yield the keys of a JSON pointer into {data, status, error_message}, as a path into the record."""
    parts: Sequence[str] = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for place, part in enumerate(parts[1:] if parts[:1] == ["data"] else parts):
        yield int(part) if place and part.isdigit() else part
