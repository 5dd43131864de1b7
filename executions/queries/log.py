"""The log of a run: what its steps wrote, what failed, what people did, when it began and ended; newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection

from director import paging
from director.jsontools import loads
from executions.models import Execution
from executions.notices import LogLevel
from executions.queries.interventions import words
from executions.queries.secrets import secrets_of_changes
from executions.queries.sql import LAST
from records.secrets import Secrets

PAGE_SIZE = 25
RUN, PERSON, STEP, FAILURE, END = range(5)  # where an entry is from; the order of entries of one moment
KINDS = {RUN: "run", PERSON: "person", STEP: "step", FAILURE: "failure", END: "run"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Key = tuple[datetime, int, int]  # moment, where it is from, id there

# One level of what `log_event` wrote. Index log_by_level.
WRITTEN = """
(SELECT {kind} AS kind, id, at, level, message, data, alias, frame_id, NULL::int AS user_id FROM execution_log
WHERE (execution_id, level, at, id) > (%(execution)s, '{level}', {above})
    AND (execution_id, level, at, id) < (%(execution)s, '{level}', {below})
ORDER BY execution_id {order}, level {order}, at {order}, id {order} LIMIT %(limit)s)
"""
# Attempts that failed. Index journal_failures.
FAILED = """
(SELECT {kind}, id, started_at, 'error', error ->> 'message', error, alias, frame_id, NULL FROM execution_steps
WHERE status IN ('failed', 'interrupted') AND (execution_id, started_at, id) > (%(execution)s, {above})
    AND (execution_id, started_at, id) < (%(execution)s, {below})
ORDER BY execution_id {order}, started_at {order}, id {order} LIMIT %(limit)s)
"""
# What people did: few. Index intervention_by_execution.
DONE = """
(SELECT {kind}, id, at, 'info', kind || ':' || reason, changes, '', NULL, user_id FROM execution_interventions
WHERE execution_id = %(execution)s AND (at, id) > ({above}) AND (at, id) < ({below})
ORDER BY at {order}, id {order} LIMIT %(limit)s)
"""
BEGUN = """
(SELECT {kind}, 0::bigint, started_at, 'info', 'The run began', NULL::jsonb, '', NULL::bigint, NULL::int FROM executions
WHERE id = %(execution)s AND (started_at, 0) > ({above}) AND (started_at, 0) < ({below}))
"""
ENDED = """
(SELECT {kind}, 0, finished_at, CASE WHEN status = 'failed' THEN 'error' ELSE 'info' END,
    'The run is ' || status || coalesce(': ' || (error ->> 'message'), ''), NULL::jsonb, '', NULL, NULL FROM executions
WHERE id = %(execution)s AND (finished_at, 0) > ({above}) AND (finished_at, 0) < ({below}) {narrow})
"""
# Each with its record and its journal row. Primary keys, index journal_one_row_per_attempt.
ENTRIES = """
SELECT l.kind, l.id, l.at, l.level, l.message, l.data, l.alias, r.record_id, r.id, s.id, l.user_id
FROM (SELECT * FROM ({parts}) p ORDER BY at {order}, kind {order}, id {order} LIMIT %(limit)s) l
LEFT JOIN execution_frames f ON f.id = l.frame_id
LEFT JOIN workflow_records r ON r.id = f.record_id
LEFT JOIN LATERAL (
    SELECT id FROM execution_steps
    WHERE frame_id = l.frame_id AND alias = l.alias AND (l.kind <> {failure} OR id = l.id) ORDER BY attempt DESC LIMIT 1
) s ON true
ORDER BY l.at {order}, l.kind {order}, l.id {order}
"""


@dataclass(slots=True)
class LogEntry:
    """A line of the log. kind: run, person, step (`log_event`) or failure. step_id: the journal row; user: who did it."""

    origin: int
    id: int
    at: datetime
    level: str
    message: str
    data: Any
    step: str
    record: str | None
    record_pk: UUID | None
    step_id: int | None
    user: Any

    @property
    def kind(self) -> str:
        return KINDS[self.origin]

    @property
    def key(self) -> Key:
        return self.at, self.origin, self.id


def log_page(execution: Execution, level: str = "", cursor: str = "") -> paging.Page[LogEntry]:
    """Return a page of the log, of one level or of all ("")."""
    at = paging.parse(cursor, (int, int, int))
    backwards = bool(at and at.backwards)
    after = _key(at.key) if at else None
    found = log_entries(execution, level, after=after, backwards=backwards, limit=PAGE_SIZE + 1)
    return paging.page_of(found, at, lambda entry: written(entry.key), size=PAGE_SIZE)


def log_entries(
    execution: Execution, level: str = "", *, after: Key | None = None, backwards: bool = False, limit: int
) -> list[LogEntry]:
    """Return so many entries older than `after` (the newest without), or newer ones, the nearest first, if backwards.

    Secrets are masked. Two queries, four when people did something.
    """
    order = "ASC" if backwards else "DESC"
    values: dict[str, Any] = {"execution": execution.pk, "limit": limit}
    parts = [part for part in _parts(level, after, order, values) if part]
    statement = ENTRIES.format(parts=" UNION ALL ".join(parts), order=order, failure=FAILURE)
    with connection.cursor() as database:
        database.execute(statement, values)
        found = [LogEntry(*row) for row in database.fetchall()]
    for entry in found:
        entry.data = loads(entry.data) if entry.data else None
    _finish(found, secrets_of_changes(execution, [entry.data for entry in found if entry.origin == PERSON]))
    return found


def written(key: Key) -> paging.Key:
    """Return the key as JSON has it: microseconds since 1970, where from, id."""
    moment, origin, number = key
    return [(moment - EPOCH) // timedelta(microseconds=1), origin, number]


def read(written_key: Any) -> Key:
    """Return the key that `written` wrote."""
    microseconds, origin, number = written_key
    return EPOCH + timedelta(microseconds=microseconds), origin, number


def _key(key: paging.Key) -> Key | None:
    try:
        return read(key)
    except OverflowError:  # of a cursor that nobody gave out: the first page
        return None


def _parts(level: str, after: Key | None, order: str, values: dict[str, Any]) -> list[str]:
    """The sources that have entries of the level, each between the bounds."""
    levels = [level] if level else LogLevel.values
    parts = [_part(WRITTEN, STEP, after, order, values, level=each) for each in levels]
    # The first names and types the columns.
    if level in ("", LogLevel.ERROR):
        parts.append(_part(FAILED, FAILURE, after, order, values))
    if level in ("", LogLevel.INFO):
        parts += [_part(DONE, PERSON, after, order, values), _part(BEGUN, RUN, after, order, values)]
    ends = {"": "", LogLevel.ERROR: "AND status = 'failed'", LogLevel.INFO: "AND status <> 'failed'"}
    if level in ends:
        parts.append(_part(ENDED, END, after, order, values, narrow=ends[level]))
    return parts


def _part(statement: str, kind: int, after: Key | None, order: str, values: dict[str, Any], **words: str) -> str:
    """The statement between the bounds: beyond `after`, in whose moment the sources follow each other by number."""
    above, below = "'-infinity'::timestamptz, -1", f"'infinity'::timestamptz, {LAST}"
    if after is not None:
        moment, origin, number = after
        values["moment"] = moment
        # Of the same moment: from another source all entries or none.
        bound = f"%(moment)s, {number if kind == origin else LAST if kind < origin else -1}"
        above, below = (bound, below) if order == "ASC" else (above, bound)
    return statement.format(kind=kind, order=order, above=above, below=below, **words)


def _finish(found: list[LogEntry], secrets: Secrets) -> None:
    """Mask their data, name people, and say in words what they did."""
    people = {entry.user for entry in found if entry.user is not None}
    users: Mapping[Any, Any] = get_user_model().objects.in_bulk(people) if people else {}
    for entry in found:
        entry.data = secrets.hide(entry.data)
        entry.message = secrets.hide(entry.message)
        entry.user = users.get(entry.user)
        if entry.origin == PERSON:
            kind, _, reason = entry.message.partition(":")
            entry.message = words(kind, entry.data or {}) + (f": {reason}" if reason else "")
