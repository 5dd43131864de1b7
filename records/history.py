"""Changes of records that no step's journal row tells of, kept with what was before and after.

`log` is called in the transaction of the change. How a record's changes and its steps make one story, what it was at
some moment and who set each field is worked out in `records.timeline`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from jsonpatch import make_patch

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
    """A change of one record. before and after: what of {data, status, error_message} is compared."""

    record: UUID
    name: str
    before: dict[str, Any]
    after: dict[str, Any]
    revision: int


def log(workflow_id: UUID, origin: Origin, kind: ChangeKind, changes: Iterable[Change]) -> None:
    """Keep the changes. One query for each thousand."""
    rows = [
        RecordChange(
            workflow_id=workflow_id,
            record_id=change.record,
            name=change.name,
            kind=kind,
            source=origin.source,
            actor_id=origin.actor_id,
            alias=origin.alias,
            execution_id=origin.execution_id,
            reason=origin.reason,
            patch=difference(change.before, change.after),
            undo=difference(change.after, change.before),
            revision=change.revision,
        )
        for change in changes
    ]
    RecordChange.objects.bulk_create(rows, batch_size=1_000)


def difference(before: Any, after: Any) -> list[dict[str, Any]]:
    """Return the JSON Patch (RFC 6902) that turns one JSON value into the other."""
    patch: list[dict[str, Any]] = make_patch(before, after).patch
    return patch


def changes_of(record_id: UUID, *, since: datetime | None = None, limit: int | None = None) -> list[RecordChange]:
    """Return the changes of a record (by primary key), newest first, with who made them. One query."""
    rows = RecordChange.objects.filter(record_id=record_id).select_related("actor").order_by("-id")
    return list((rows.filter(at__gte=since) if since else rows)[:limit])
