"""A record's story as one line of events: what persons, imports and its source changed, and what its steps set.

Only the record as it is now is stored. What it was is worked out by walking back from there: a change brings its undo
along; what a step's write replaced is what the events before it had put there. Pure: rows come in, nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jsonpatch import JsonPatchException, apply_patch
from jsonpointer import JsonPointerException

from director.jsontools import dumps
from records.models import RecordChange
from records.patches import Path, apply, delete_at, format_path, look_up, set_at

MISSING = object()
EMPTY: dict[str, Any] = {"fields": {}, "vars": {}, "targets": {}}


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What one step of one walk put into the record. version: the number of the version that it ran on."""

    at: datetime
    alias: str
    attempt: int
    execution_number: int
    version: int | None
    path: Path
    value: Any


Event = RecordChange | JournalEntry


@dataclass(frozen=True, slots=True)
class Moment:
    """An event, and the record's data before and after it."""

    event: Event
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Blame:
    """Who or what gave a field its value. event None: it is as the record was created. before: what was there then."""

    path: str
    value: Any
    event: Event | None
    at: datetime
    before: Any


def moments(data: Any, changes: Iterable[RecordChange], journal: Iterable[JournalEntry]) -> list[Moment]:
    """Return every event with the data before and after it, oldest first. data: as it is now."""
    events: list[Event] = sorted([*changes, *journal], key=_in_order)
    known = list(_known(events))
    found: list[Moment] = []
    for event, earlier in zip(reversed(events), reversed(known), strict=True):
        before = _undone(data, event, earlier)
        found.append(Moment(event, before, data))
        data = before
    return found[::-1]


def as_of(
    data: Any, created_at: datetime, moment: datetime, changes: Iterable[RecordChange], journal: Iterable[JournalEntry]
) -> Any:
    """Return the data as it was at the moment; None before the record was created.

    data: as it is now. What a step wrote over in `fields` that no change tells of is not known, and left out.
    """
    if moment < created_at:
        return None
    later = (past.before for past in moments(data, changes, journal) if past.event.at > moment)
    return next(later, data)


def blame(
    data: Any, created_at: datetime, changes: Iterable[RecordChange], journal: Iterable[JournalEntry]
) -> list[Blame]:
    """Return for each field of the data who or what set it, from what, and when. A list counts as one field."""
    newest_first = moments(data, changes, journal)[::-1]
    return [_blamed(path, value, newest_first, created_at) for path, value in leaves(data)]


def leaves(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each value that is no object, with its path; an empty object is a value."""
    if isinstance(data, dict) and (data or len(path) > 1):
        for key, item in data.items():
            yield from leaves(item, (*path, key))
        if not data:
            yield path, data
    elif not isinstance(data, dict):
        yield path, data


def _blamed(path: Path, value: Any, newest_first: Sequence[Moment], created_at: datetime) -> Blame:
    for moment in newest_first:
        before = look_up(moment.before, path, MISSING)
        if not _same(before, look_up(moment.after, path, MISSING)):
            return Blame(format_path(path), value, moment.event, moment.event.at, None if before is MISSING else before)
    return Blame(format_path(path), value, None, created_at, None)


def _in_order(event: Event) -> tuple[datetime, int]:
    return event.at, event.pk if isinstance(event, RecordChange) else event.attempt


def _known(events: Sequence[Event]) -> Iterator[Any]:
    """Yield for each event what the events before it have put into the data."""
    data: Any = EMPTY
    for event in events:
        yield data
        if isinstance(event, JournalEntry):
            data = apply(data, [set_at(event.path, event.value)])
        else:
            data = _patched(data, event.patch)


def _undone(data: Any, event: Event, earlier: Any) -> Any:
    if isinstance(event, RecordChange):
        return _patched(data, event.undo)
    place = _replaced(earlier, event.path)
    before = look_up(earlier, place, MISSING)
    return apply(data, [delete_at(place) if before is MISSING else set_at(place, before)])


def _replaced(earlier: Any, path: Path) -> Path:
    """Return where a set at the path began to replace or make something.

    Not all is known of `fields`, so there it is the path itself.
    """
    for length in range(2, len(path)):
        standing = look_up(earlier, path[:length], MISSING)
        if path[0] != "fields" and not isinstance(standing, dict if isinstance(path[length], str) else list):
            return path[:length]
    return path


def _patched(data: Any, patch: Iterable[dict[str, Any]]) -> Any:
    """Return the data after the patch over {data, ...}; an operation that has lost its place is left out."""
    whole: Any = {"data": data}
    for operation in patch:
        if operation["path"].split("/")[1:2] != ["data"]:
            continue
        try:
            whole = apply_patch(whole, [operation])
        except (JsonPatchException, JsonPointerException):
            continue
    return whole["data"]


def _same(one: Any, other: Any) -> bool:
    if one is MISSING or other is MISSING:
        return one is other
    return dumps(one) == dumps(other)
