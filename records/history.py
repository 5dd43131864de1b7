"""Changes of records that no step's journal row tells of, kept with what was before and after.

They are written by the statement that makes the change (`told` is a part of it). How a record's changes and its steps
make one story, what it was at some moment and who set each field is worked out in `records.timeline`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from jsonpatch import JsonPatch
from orjson import Fragment

from director.jsontools import dumps, loads
from records.models import ChangeKind, ChangeSource, RecordChange


@dataclass(frozen=True, slots=True)
class Origin:
    """Who changes something and by what way. actor_id: the person; alias and execution_id: the step, if it was one."""

    source: ChangeSource
    actor_id: int | None = None
    alias: str = ""
    execution_id: UUID | None = None
    reason: str = ""

    @property
    def by_person(self) -> bool:
        return self.source != ChangeSource.STEP

    @property
    def created_by(self) -> str:
        return self.alias or self.source.value


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one record. before and after: what of {data, status, error_message} may have changed."""

    record: UUID
    name: str
    before: dict[str, Any]
    after: dict[str, Any]
    revision: int


def told(only: str = "") -> str:
    """Return the part of a WITH that keeps changes; parameters from `telling`. only: a join that leaves changes out."""
    return f"""told AS (
        INSERT INTO record_changes (workflow_id, record_id, name, kind, source, actor_id, alias, execution_id, reason,
            patch, undo, revision)
        SELECT %(workflow)s, g.record, g.name, %(kind)s, %(source)s, %(actor)s, %(alias)s, %(execution)s, %(reason)s,
            g.patch, g.undo, g.revision
        FROM json_to_recordset(%(changes)s::json) AS g (record uuid, name text, patch jsonb, undo jsonb, revision int)
        {only}
    )"""  # noqa: S608 - made of constants


def telling(workflow_id: UUID, origin: Origin, kind: ChangeKind, changes: Sequence[Change]) -> dict[str, Any]:
    """Return the parameters with which `told` keeps the changes."""
    return {
        "workflow": workflow_id,
        "kind": kind,
        "source": origin.source,
        "actor": origin.actor_id,
        "alias": origin.alias,
        "execution": origin.execution_id,
        "reason": origin.reason,
        "changes": dumps([_row(change) for change in changes]).decode(),
    }


def keep(workflow_id: UUID, origin: Origin, kind: ChangeKind, changes: Sequence[Change]) -> None:
    """Keep changes that another statement has made. One query."""
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {told()} SELECT", telling(workflow_id, origin, kind, changes))


def difference(before: Any, after: Any) -> Any:
    """Return the JSON Patch (RFC 6902) that turns one JSON value into the other."""
    return loads(_difference(dumps(before), dumps(after)))


def _row(change: Change) -> dict[str, Any]:
    before, after = dumps(change.before), dumps(change.after)
    return {
        "record": change.record,
        "name": change.name,
        "patch": Fragment(_difference(before, after)),
        "undo": Fragment(_difference(after, before)),
        "revision": change.revision,
    }


@lru_cache(maxsize=1024)
def _difference(before: bytes, after: bytes) -> bytes:
    """Return the patch between two JSON texts; the records of a batch mostly change alike.

    Without moves: each operation says its value, which is what people are shown.
    """
    if before == after:
        return b"[]"
    return dumps(JsonPatch.from_diff(loads(before), loads(after), optimization=False).patch)


def changes_of(record_id: UUID, *, since: datetime | None = None, limit: int | None = None) -> list[RecordChange]:
    """Return the changes of a record (by primary key), newest first, with who made them. One query."""
    rows = RecordChange.objects.filter(record_id=record_id).select_related("actor").order_by("-id")
    return list((rows.filter(at__gte=since) if since else rows)[:limit])
