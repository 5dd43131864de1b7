"""Changing records that are there: patches, moves to another status, deletion; one record or a batch, the same way.

Every verb locks the rows in the order of their primary keys, decides for each in Python, writes all in one statement
and keeps the history in the same transaction. What cannot be done to a record is an outcome, not an exception, so that
a batch goes on; for a single record the caller raises it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from director.errors import DirectorError
from director.jsontools import dumps, loads
from records import history, schemas, search
from records.errors import MoveRefused, PatchRefused, RecordChanged, RecordHeld, RecordInvalid, RecordTooLarge
from records.history import Origin, told
from records.models import ChangeKind, OnInvalid, WorkflowRecord
from records.patches import Operation, apply, check_path, check_unmasked, format_path, look_up, obstacle
from records.search import FOUND
from records.signals import announce_records
from records.states import HELD, MOVES, RecordStatus, may_move
from workflows.readers.items import MAX_FIELD_BYTES, Position, Problem, checked

# Unique indexes: primary key, or record_id_unique. The lock keeps the engine's next write waiting, never failing.
LOCK = """
SELECT r.id, r.record_id, r.status, r.data, r.error_message, r.revision, t.schema, t.on_invalid
FROM workflow_records r LEFT JOIN record_types t ON t.workflow_id = r.workflow_id AND t.name = r.record_type
WHERE r.workflow_id = %s AND r.execution_id IS NULL AND {by} = ANY (%s) ORDER BY r.id FOR NO KEY UPDATE OF r
"""
PATCH = f"""
WITH changed AS (
    UPDATE workflow_records SET data = director_patch(data, %(operations)s::jsonb), updated_at = now(),
        revision = revision + 1
    WHERE id = ANY (%(ids)s) RETURNING *
), {told()}, {FOUND}
SELECT * FROM changed WHERE %(returning)s
"""  # noqa: S608 - made of constants
MOVE = f"""
WITH changed AS (
    UPDATE workflow_records SET status = %(status)s, error_message = %(error)s, updated_at = now(),
        revision = revision + 1, retry_count = retry_count + (status = 'failed' AND %(status)s = 'discovered')::int,
        processed_at = CASE WHEN %(status)s IN ('complete', 'failed') THEN now() END
    WHERE id = ANY (%(ids)s) RETURNING *
), {told()}
SELECT * FROM changed WHERE %(returning)s
"""  # noqa: S608 - made of constants
DELETE = f"""
WITH gone AS (
    DELETE FROM workflow_records WHERE id = ANY (%(ids)s) RETURNING *
), unfound AS (
    DELETE FROM record_search WHERE workflow_id = %(workflow)s AND record_id = ANY (%(ids)s)
), recounted AS (
    DELETE FROM record_counters c WHERE c.workflow_id = %(workflow)s
        AND EXISTS (SELECT 1 FROM gone WHERE director_number_in(gone.record_id, c.prefix, c.suffix) = c.last)
), {told()}
SELECT * FROM gone WHERE false
"""  # noqa: S608 - made of constants


@dataclass(slots=True)
class Row:
    """A locked record as it stands."""

    id: UUID
    record_id: str
    status: str
    data: Any
    error_message: str
    revision: int
    schema: Any
    on_invalid: str | None


@dataclass(slots=True)
class Outcome:
    """What became of one record. outcome: changed, unchanged, refused (by `error`).

    record: as it is now, when it is the only one and was changed.
    """

    id: UUID
    record_id: str
    outcome: str
    error: DirectorError | None = None
    record: WorkflowRecord | None = None


# What a verb wants to do to a row: the change, None for "nothing to do"; raises a DirectorError to refuse.
Decide = Callable[[Row], history.Change | None]


class Changes:
    """The verbs, for the records of one workflow. Call them in a transaction of their own or of the caller's."""

    def __init__(self, workflow_id: UUID, origin: Origin) -> None:
        self.workflow_id, self.origin = workflow_id, origin

    @transaction.atomic
    def patch(
        self, records: Collection[str | UUID], operations: Sequence[Operation], *, expected_revision: int | None = None
    ) -> list[Outcome]:
        """Apply the operations to the data of each record. Two queries.

        records: ids, or primary keys. Refusals: RecordChanged, PatchRefused (the path leads through a text, ...),
        RecordInvalid. Raises PathInvalid, ValueInvalid and RecordTooLarge for the operations themselves.
        """
        check_operations(operations)
        return self._patch(self._lock(records), operations, ChangeKind.EDITED, expected_revision)

    def merge(self, row: Row, operations: Sequence[Operation]) -> Outcome:
        """Set what is said anew about a record that the caller has locked. One query; raises what `patch` refuses."""
        check_operations(operations)
        (outcome,) = self._patch([row], operations, ChangeKind.MERGED)
        if outcome.error is not None:
            raise outcome.error
        return outcome

    def _patch(
        self, rows: list[Row], operations: Sequence[Operation], kind: ChangeKind, expected_revision: int | None = None
    ) -> list[Outcome]:
        patched: dict[UUID, tuple[str, Any]] = {}

        def decide(row: Row) -> history.Change | None:
            _check_revision(row, expected_revision)
            patched[row.id] = (row.record_id, (data := _patched(row, operations)).get("fields"))
            before, after = _touched(row.data, operations), _touched(data, operations)
            if dumps(before) == dumps(after):
                return None
            return history.Change(row.id, row.record_id, {"data": before}, {"data": after}, row.revision + 1)

        outcomes, changes = self._decide(rows, decide)
        if changes:
            searched = any(operation["path"][0] == "fields" for operation in operations)
            words = search.wording({change.record: patched[change.record] for change in changes if searched})
            values = {"operations": dumps(list(operations)).decode(), **words}
            self._write(PATCH, kind, outcomes, changes, values)
        return outcomes

    @transaction.atomic
    def move(
        self, records: Collection[str | UUID], status: str, *, error: str = "", expected_revision: int | None = None
    ) -> list[Outcome]:
        """Give each record another status; a failed one that is discovered again counts as retried. Two queries.

        Refusals: RecordHeld (a run works on it), MoveRefused (no such move), RecordChanged.
        """

        def decide(row: Row) -> history.Change | None:
            _check_revision(row, expected_revision)
            _check_move(row, status)
            before = {"status": row.status, "error_message": row.error_message}
            after = {"status": status, "error_message": error}
            return None if before == after else history.Change(row.id, row.record_id, before, after, row.revision + 1)

        outcomes, changes = self._decide(self._lock(records), decide, status)
        if changes:
            self._write(MOVE, ChangeKind.MOVED, outcomes, changes, {"status": status, "error": error})
        return outcomes

    @transaction.atomic
    def delete(self, records: Collection[str | UUID], *, expected_revision: int | None = None) -> list[Outcome]:
        """Delete the records. Their history stays, and tells of the deletion. Two queries.

        Refusals: RecordHeld, RecordChanged.
        """

        def decide(row: Row) -> history.Change | None:
            _check_revision(row, expected_revision)
            if row.status in HELD:
                raise RecordHeld(row.record_id, row.status)
            return history.Change(row.id, row.record_id, {}, {}, row.revision)

        outcomes, changes = self._decide(self._lock(records), decide, "")
        if changes:
            self._write(DELETE, ChangeKind.DELETED, outcomes, changes, {})
        return outcomes

    def _lock(self, records: Collection[str | UUID]) -> list[Row]:
        by = "r.id" if any(isinstance(record, UUID) for record in records) else "r.record_id"
        with connection.cursor() as cursor:
            cursor.execute(LOCK.format(by=by), [self.workflow_id, list(records)])
            rows = cursor.fetchall()
        return [Row(pk, name, status, loads(data), *rest) for pk, name, status, data, *rest in rows]

    def _decide(
        self, rows: list[Row], decide: Decide, status: str | None = None
    ) -> tuple[list[Outcome], list[history.Change]]:
        """Ask for each row, and announce those that change (with their status, unless it is given)."""
        outcomes, changes, told = [], [], []
        for row in rows:
            try:
                change = decide(row)
            except DirectorError as error:
                outcomes.append(Outcome(row.id, row.record_id, "refused", error))
                continue
            outcomes.append(Outcome(row.id, row.record_id, "changed" if change else "unchanged"))
            if change:
                changes.append(change)
                told.append((row.id, row.record_id, row.status if status is None else status))
        announce_records(self.workflow_id, told)
        return outcomes, changes

    def _write(
        self,
        statement: str,
        kind: ChangeKind,
        outcomes: list[Outcome],
        changes: list[history.Change],
        values: dict[str, Any],
    ) -> None:
        """Write the changes and their history; a single record is given back with its outcome."""
        told = history.telling(self.workflow_id, self.origin, kind, changes)
        ids = [change.record for change in changes]
        values |= {**told, "ids": ids, "returning": len(outcomes) == 1}
        for record in WorkflowRecord.objects.raw(statement, values):
            outcomes[0].record = record


def check_operations(operations: Sequence[Operation]) -> None:
    for operation in operations:
        path = format_path(operation["path"])
        check_path(operation["path"], path)
        value = operation.get("value")
        check_unmasked(value, tuple(operation["path"]))
        if len(operation["path"]) == 1 and (operation["op"] == "delete" or not isinstance(value, dict)):
            raise PatchRefused(path, path, "always an object")
        if len(dumps(value)) > MAX_FIELD_BYTES:
            fits = checked(Position(0, "", ""), {path: value}, MAX_FIELD_BYTES)
            if isinstance(fits, Problem):
                raise RecordTooLarge(fits.reason)


def _patched(row: Row, operations: Sequence[Operation]) -> Any:
    """Return the data after the operations; raises PatchRefused, RecordInvalid."""
    data = row.data
    for operation in operations:
        blocked = obstacle(data, operation["path"]) if operation["op"] == "set" else None
        if blocked is not None:
            standing = _kind(data, blocked)
            raise PatchRefused(format_path(operation["path"]), format_path(blocked), standing)
        data = apply(data, [operation])
    if row.schema is not None and any(operation["path"][0] == "fields" for operation in operations):
        found = schemas.problems(loads(row.schema), data.get("fields"), "fields")
        if found and row.on_invalid == OnInvalid.REFUSE:
            raise RecordInvalid(row.record_id, found)
    return data


def _touched(data: Any, operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the part of the data that the operations may change: whole buckets, or keys of them."""
    part: dict[str, Any] = {}
    for operation in operations:
        bucket, *keys = map(str, operation["path"])
        content = data.get(bucket, {})
        whole = not keys or not isinstance(content, dict)
        if bucket in data:
            part[bucket] = (
                content if whole else {**part.get(bucket, {}), **{k: content[k] for k in keys[:1] if k in content}}
            )
    return part


def _kind(data: Any, path: Sequence[str | int]) -> str:
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(look_up(data, path)), "an object")


def _check_revision(row: Row, expected: int | None) -> None:
    if expected is not None and expected != row.revision:
        raise RecordChanged(row.record_id, expected, row.revision)


def _check_move(row: Row, status: str) -> None:
    if row.status in HELD:
        raise RecordHeld(row.record_id, row.status)
    allowed = sorted(MOVES[row.status] - HELD)
    if status in HELD or status not in RecordStatus.values or not may_move(row.status, status):
        raise MoveRefused(row.record_id, row.status, status, allowed)
