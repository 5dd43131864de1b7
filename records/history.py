"""Changes of records that no step made, kept with what was before and after; and a record's story made of both.

`log` is called in the transaction of the change. What steps did stands in the engine's journal, which lies above this
app: whoever asks for a story, a past state or the origin of a field hands its entries in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
