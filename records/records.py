"""A workflow's records: creating, finding, changing and removing them, for pages, API, admin and engine alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from director.paging import Page
from records import queries
from records.changes import Changes, Outcome
from records.creation import create_records, items_of
from records.errors import RecordNotFound, RecordRefused
from records.filters import RecordFilter, conditions
from records.history import Origin
from records.identity import NewRecord
from records.models import ChangeKind, WorkflowRecord
from records.patches import Operation, Path, set_at
from records.patterns import ANY
from records.signals import announce_many, announce_records
from records.single import SingleCreator
from records.states import HELD, RecordStatus
from workflows.definition.plan import CreateRecords, OnExisting, OnInvalid
from workflows.models import Workflow

# One statement at any size: what a run holds stays, and is counted. Ids are numbered anew from the highest that is left.
CLEAR = """
WITH meant AS MATERIALIZED (
    SELECT r.id FROM workflow_records r WHERE {where} AND r.status <> ALL (%(held)s) ORDER BY r.id FOR UPDATE
), gone AS (
    DELETE FROM workflow_records WHERE id IN (SELECT id FROM meant) RETURNING id, record_id, revision
), unsearched AS (
    DELETE FROM record_search WHERE workflow_id = %(workflow)s AND record_id IN (SELECT id FROM gone)
), recounted AS (
    DELETE FROM record_counters WHERE workflow_id = %(workflow)s AND EXISTS (SELECT 1 FROM gone)
), told AS (
    INSERT INTO record_changes (workflow_id, record_id, name, kind, source, actor_id, alias, reason, patch, undo,
        revision, execution_id)
    SELECT %(workflow)s, id, record_id, %(kind)s, %(source)s, %(actor)s, %(alias)s, %(reason)s, '[]', '[]', revision,
        %(execution)s
    FROM gone
)
SELECT (SELECT count(*) FROM gone),
    (SELECT count(*) FROM workflow_records r WHERE {where} AND r.status = ANY (%(held)s))
"""


@dataclass(frozen=True, slots=True)
class Created:
    """A record that was asked for. outcome: created, merged, unchanged or skipped (it was there already)."""

    record: WorkflowRecord
    outcome: str


class Records:
    """The records of a workflow. Temporary ones of array iterates are not among them."""

    def __init__(self, workflow: Workflow, origin: Origin) -> None:
        self.workflow, self.origin = workflow, origin
        self._changes = Changes(workflow.pk, origin)

    # --- reading ----------------------------------------------------------------------------------------------------
    def get(self, record_id: str) -> WorkflowRecord:
        """Return the record; raises RecordNotFound with the nearest id."""
        found = self._own().filter(record_id=record_id).first()
        if found is None:
            raise self._not_found(record_id)
        return found

    def get_many(self, record_ids: Collection[str]) -> list[WorkflowRecord]:
        """Return those of the records that exist, in the order asked for. One query."""
        found = {record.record_id: record for record in self._own().filter(record_id__in=list(record_ids))}
        return [found[record_id] for record_id in dict.fromkeys(record_ids) if record_id in found]

    def query(
        self,
        narrow: RecordFilter | None = None,
        *,
        order: str = "-id",
        cursor: str = "",
        size: int = queries.PAGE_SIZE,
        whole: bool = True,
        picked: Sequence[Path] = (),
    ) -> Page[WorkflowRecord]:
        """Return a page of the records that match: see `queries.records_page`."""
        narrow = narrow or RecordFilter()
        options: dict[str, Any] = {"order": order, "cursor": cursor, "size": size, "whole": whole, "picked": picked}
        return queries.records_page([self.workflow.pk], narrow, **options)

    def iterate(self, narrow: RecordFilter | None = None) -> Iterator[WorkflowRecord]:
        """Yield every record that matches, in the order in which they were made; memory stays flat."""
        return queries.iterate(self.workflow.pk, narrow or RecordFilter())

    def count(self, narrow: RecordFilter | None = None, *, limit: int | None = None) -> int:
        """Return how many records match; with `limit`, no more are counted."""
        return queries.count(self.workflow.pk, narrow or RecordFilter(), limit=limit)

    # --- writing ----------------------------------------------------------------------------------------------------
    def create(
        self,
        type: str,
        fields: Mapping[str, Any],
        *,
        record_id: str | None = None,
        vars: Mapping[str, Any] | None = None,
        targets: Mapping[str, Any] | None = None,
        on_existing: OnExisting = OnExisting.FAIL,
    ) -> Created:
        """Make a record and return it; without `record_id` it is numbered and known by what its fields say.

        Raises RecordRefused (it is there already, its id is of another type), RecordInvalid, RecordIdInvalid,
        ValueInvalid, RecordTooLarge. Two queries; a third for a record that is there and stays as it is.
        """
        creator = SingleCreator(self.workflow.pk, CreateRecords(type, on_existing=on_existing), self.origin)
        given = NewRecord("the record", dict(fields), dict(vars or {}), dict(targets or {}), record_id=record_id)
        written = creator.make(given)
        if written.outcome == "failed":
            raise RecordRefused(written.name or record_id or "the record", written.reason)
        record = written.row or self.get(written.name)
        if written.outcome == "created":
            announce_records(self.workflow.pk, [(record.pk, record.record_id, record.status)])
        return Created(record, written.outcome)

    def create_many(
        self,
        type: str,
        items: Iterable[Any],
        *,
        on_existing: OnExisting = OnExisting.MERGE,
        schema: Mapping[str, Any] | None = None,
        on_invalid: OnInvalid = OnInvalid.REFUSE,
    ) -> dict[str, Any]:
        """Make a record of each item; return {created, merged, unchanged, skipped, failed, problems, type}.

        An item is an object with `fields`, `vars`, `targets`, or the fields themselves.
        """
        spec = CreateRecords(type, on_existing=on_existing, initial_schema=schema, on_invalid=on_invalid)
        return create_records(self.workflow.pk, items_of(items, "the list"), spec, origin=self.origin)

    def patch(
        self, record_id: str, operations: Sequence[Operation], *, expected_revision: int | None = None
    ) -> WorkflowRecord:
        """Apply the operations to the record's data and return the record. Two queries.

        Raises RecordNotFound, RecordChanged, PatchRefused, RecordInvalid, PathInvalid, ValueInvalid.
        """
        outcomes = self._changes.patch([record_id], operations, expected_revision=expected_revision)
        return self._changed(record_id, outcomes)

    def set(self, record_id: str, path: Path, value: Any, *, expected_revision: int | None = None) -> WorkflowRecord:
        """Set what is at one path; see `patch`."""
        return self.patch(record_id, [set_at(path, value)], expected_revision=expected_revision)

    def move(
        self, record_id: str, status: str, *, error: str = "", expected_revision: int | None = None
    ) -> WorkflowRecord:
        """Give the record another status and return it. Two queries.

        Raises RecordNotFound, RecordChanged, RecordHeld (a run works on it), MoveRefused.
        """
        outcomes = self._changes.move([record_id], status, error=error, expected_revision=expected_revision)
        return self._changed(record_id, outcomes)

    def retry(self, record_id: str) -> WorkflowRecord:
        """Let the next run work on the record again; see `move`."""
        return self.move(record_id, RecordStatus.DISCOVERED)

    def skip(self, record_id: str) -> WorkflowRecord:
        """Let runs pass the record over; see `move`."""
        return self.move(record_id, RecordStatus.SKIPPED)

    def delete(self, record_id: str, *, expected_revision: int | None = None) -> None:
        """Delete the record; raises RecordNotFound, RecordChanged, RecordHeld. Two queries."""
        self._raise(record_id, self._changes.delete([record_id], expected_revision=expected_revision))

    @transaction.atomic
    def clear(self, narrow: RecordFilter | str = ANY) -> dict[str, int]:
        """Delete every record that matches a filter or a pattern; return {deleted, held}. One query at any size.

        held: those that a run works on, which stay.
        """
        narrow = RecordFilter(pattern=narrow) if isinstance(narrow, str) else narrow
        quick, slow, values = conditions(narrow)
        where = " AND ".join(["r.workflow_id = %(workflow)s", *quick, *slow])
        values |= {"held": list(HELD), "kind": ChangeKind.DELETED, **self._signature()}
        with connection.cursor() as cursor:
            cursor.execute(CLEAR.format(where=where), values)
            deleted, held = cursor.fetchone()
        if deleted:
            announce_many(self.workflow.pk)
        return {"deleted": deleted, "held": held}

    # --- how --------------------------------------------------------------------------------------------------------
    def _own(self) -> QuerySet[WorkflowRecord]:
        return WorkflowRecord.objects.filter(workflow=self.workflow, execution_id=None)

    def _signature(self) -> dict[str, Any]:
        origin = self.origin
        return {
            "workflow": self.workflow.pk,
            "source": origin.source,
            "actor": origin.actor_id,
            "alias": origin.alias,
            "reason": origin.reason,
            "execution": origin.execution_id,
        }

    def _changed(self, record_id: str, outcomes: list[Outcome]) -> WorkflowRecord:
        self._raise(record_id, outcomes)
        return outcomes[0].record or self.get(record_id)

    def _raise(self, record_id: str, outcomes: list[Outcome]) -> None:
        if not outcomes:
            raise self._not_found(record_id)
        if outcomes[0].error is not None:
            raise outcomes[0].error

    def _not_found(self, record_id: str) -> RecordNotFound:
        return RecordNotFound(self.workflow.name, record_id, queries.nearest_ids(self.workflow.pk, record_id))
