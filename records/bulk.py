"""One thing done to all records that match a filter, in the background.

Which records are meant is written down once, when the operation begins: a row for each, pending. Batches take the next
rows in the order of their keys, and write the changes, the outcome of each record, the sums and the cursor in one
transaction. So a worker that is killed loses at most an unfinished batch, and going on neither repeats nor leaves out
anything; what others do to the records meanwhile shows as outcomes (refused, missing), and the sums add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from director.growth import has_grown
from director.jsontools import dumps
from records import filters, queries
from records.background import SLICE_SECONDS, keep_at, nudge_on_commit, take_up
from records.changes import Changes, Outcome, check_operations
from records.errors import BulkGrown, BulkInvalid, BulkNotFound, BulkOver
from records.filters import RecordFilter
from records.history import Origin
from records.models import BulkKind, BulkOperation, BulkOutcomeKind, BulkStatus, ChangeSource
from records.signals import announce_many
from records.states import HELD, RecordStatus, may_move
from workflows.models import Workflow

BATCH = 1_000  # records in one transaction: a worker's commit never waits longer for them than that takes
TASK = "records.run_bulk"
OPEN = (BulkStatus.QUEUED, BulkStatus.RUNNING)

COLLECT = """
INSERT INTO record_bulk_outcomes (operation_id, record_id, name)
SELECT %(operation)s, r.id, r.record_id FROM workflow_records r WHERE {where}
"""
NEXT = """
SELECT record_id FROM record_bulk_outcomes
WHERE operation_id = %s AND (%s::uuid IS NULL OR record_id > %s) ORDER BY record_id LIMIT %s
"""
RECORD = """
UPDATE record_bulk_outcomes o SET outcome = g.outcome, reason = g.reason
FROM json_to_recordset(%s::json) AS g (id uuid, outcome text, reason text)
WHERE o.operation_id = %s AND o.record_id = g.id
"""

Handler = Callable[[BulkOperation, Sequence[UUID]], list[Outcome]]


@dataclass(frozen=True, slots=True)
class Preview:
    """What an operation would do. total: records that match; refused: those that could not be changed as they are."""

    total: int
    by_status: Mapping[str, int]
    refused: int


def preview(
    workflow: Workflow, kind: str, narrow: RecordFilter, parameters: Mapping[str, Any] | None = None
) -> Preview:
    """Count what an operation would be about, and do nothing. One query. Raises BulkInvalid."""
    checked, narrow = _checked(kind, narrow, parameters or {})
    by_status = queries.count_by_status(workflow.pk, narrow)
    refused = sum(number for status, number in by_status.items() if _is_refused(kind, status, checked))
    return Preview(sum(by_status.values()), by_status, refused)


def start(
    workflow: Workflow,
    kind: str,
    narrow: RecordFilter,
    parameters: Mapping[str, Any] | None = None,
    *,
    actor: Any = None,
    reason: str = "",
    shown: int | None = None,
) -> BulkOperation:
    """Begin the operation in the background and return it.

    parameters: {"status", "error"} to move, {"operations"} to patch. shown: the number that the person has agreed to;
    with more than a tenth above it BulkGrown is raised. Raises BulkInvalid, PathInvalid, ValueInvalid.
    """
    checked, narrow = _checked(kind, narrow, parameters or {})
    total = queries.count(workflow.pk, narrow)
    if shown is not None and has_grown(shown, total):
        raise BulkGrown(shown, total)
    operation = BulkOperation.objects.create(
        workflow=workflow,
        kind=kind,
        filter=filters.written(narrow),
        parameters=checked,
        actor=actor,
        reason=reason,
        total=total,
    )
    operation.refresh_from_db()
    nudge_on_commit(TASK, operation.pk)
    return operation


def cancel(operation_id: UUID) -> BulkOperation:
    """End the operation after the batch that is being worked on; what is done stays done. Raises BulkOver."""
    with transaction.atomic():
        operation = BulkOperation.objects.select_for_update(no_key=True).get(pk=operation_id)
        if operation.is_over:
            raise BulkOver(operation.status)
        _end(operation, BulkStatus.CANCELLED)
    return operation


def get_operation(workflow: Workflow, operation_id: UUID) -> BulkOperation:
    """Return the workflow's operation; raises BulkNotFound."""
    found = BulkOperation.objects.select_related("actor").filter(workflow=workflow, pk=operation_id).first()
    if found is None:
        raise BulkNotFound(str(operation_id))
    return found


def run(operation_id: UUID, *, seconds: float = SLICE_SECONDS) -> bool:
    """Work on the operation for some seconds; return whether there is more to do."""
    return keep_at(work_on, operation_id, seconds)


@transaction.atomic
def work_on(operation_id: UUID) -> bool:
    """Do one batch; return whether there may be another. False too while someone else is at it."""
    operation = (
        BulkOperation.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .filter(pk=operation_id, status__in=OPEN)
        .first()
    )
    if operation is None:
        return False
    if operation.status == BulkStatus.QUEUED:
        _collect(operation)
        return True
    records = _next(operation)
    if records:
        _do(operation, records)
        return True
    _end(operation, BulkStatus.COMPLETED)
    return False


def resume_stalled() -> int:
    """Ask for work on operations that nobody has worked on for a while; return how many. Called by beat."""
    return take_up(TASK, BulkOperation.objects.filter(status__in=OPEN))


def fail(operation_id: UUID, error: str) -> None:
    """End the operation because it cannot go on; what is done stays done."""
    with transaction.atomic():
        operation = BulkOperation.objects.select_for_update(no_key=True).get(pk=operation_id)
        if not operation.is_over:
            operation.error = error
            _end(operation, BulkStatus.FAILED)


def changes_of(operation: BulkOperation) -> Changes:
    """Return the verbs, signed by whoever began the operation."""
    origin = Origin(ChangeSource.BULK, actor_id=operation.actor_id, reason=operation.reason)
    return Changes(operation.workflow_id, origin)


def register(kind: str, handler: Handler, *, batch: int = BATCH) -> None:
    """Let an app above do `kind` its own way; called in the transaction of the batch, with primary keys."""
    HANDLERS[kind], BATCHES[kind] = handler, batch


def _retry(operation: BulkOperation, records: Sequence[UUID]) -> list[Outcome]:
    return changes_of(operation).move(records, RecordStatus.DISCOVERED)


def _skip(operation: BulkOperation, records: Sequence[UUID]) -> list[Outcome]:
    return changes_of(operation).move(records, RecordStatus.SKIPPED)


def _move(operation: BulkOperation, records: Sequence[UUID]) -> list[Outcome]:
    return changes_of(operation).move(records, **operation.parameters)


def _patch(operation: BulkOperation, records: Sequence[UUID]) -> list[Outcome]:
    return changes_of(operation).patch(records, operation.parameters["operations"])


def _delete(operation: BulkOperation, records: Sequence[UUID]) -> list[Outcome]:
    return changes_of(operation).delete(records)


HANDLERS: dict[str, Handler] = {
    BulkKind.RETRY: _retry,
    BulkKind.SKIP: _skip,
    BulkKind.MOVE: _move,
    BulkKind.PATCH: _patch,
    BulkKind.DELETE: _delete,
}
BATCHES: dict[str, int] = {}
TARGETS = {BulkKind.RETRY: RecordStatus.DISCOVERED, BulkKind.SKIP: RecordStatus.SKIPPED}


def _checked(kind: str, narrow: RecordFilter, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], RecordFilter]:
    """Return the parameters that the kind needs and the filter that it means; raises BulkInvalid."""
    if kind not in BulkKind.values:
        raise BulkInvalid("kind", f"{kind} cannot be done to many records", BulkKind.values)
    if kind == BulkKind.RETRY:
        if narrow.status and RecordStatus.FAILED not in narrow.status:
            rule = (
                "only failed records can be retried; move others to discovered, or leave the status out of the filter"
            )
            raise BulkInvalid("status", rule)
        return {}, replace(narrow, status=(RecordStatus.FAILED,))
    if kind == BulkKind.PATCH:
        operations = list(parameters.get("operations") or [])
        if not operations:
            raise BulkInvalid("operations", "must say what to set or delete")
        check_operations(operations)
        return {"operations": operations}, narrow
    if kind == BulkKind.MOVE:
        allowed = sorted(set(RecordStatus.values) - HELD)
        if parameters.get("status") not in allowed:
            raise BulkInvalid("status", "must be a status that a person may give", allowed)
        return {"status": parameters["status"], "error": str(parameters.get("error") or "")}, narrow
    return {}, narrow


def _is_refused(kind: str, status: str, parameters: Mapping[str, Any]) -> bool:
    if kind == BulkKind.PATCH:
        return False
    target = TARGETS.get(BulkKind(kind), parameters.get("status"))
    return status in HELD or (target is not None and not may_move(status, target))


def _collect(operation: BulkOperation) -> None:
    """Write down which records are meant."""
    quick, slow, values = filters.conditions(filters.read_filter(operation.filter))
    where = " AND ".join(["r.workflow_id = %(workflow)s", *quick, *slow])
    with connection.cursor() as cursor:
        cursor.execute(
            COLLECT.format(where=where), {**values, "operation": operation.pk, "workflow": operation.workflow_id}
        )
        operation.total = cursor.rowcount
    operation.status = BulkStatus.RUNNING
    operation.worked_at = Now()
    operation.save(update_fields=["total", "status", "worked_at"])


def _next(operation: BulkOperation) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(NEXT, [operation.pk, operation.cursor, operation.cursor, BATCHES.get(operation.kind, BATCH)])
        return [pk for (pk,) in cursor.fetchall()]


def _do(operation: BulkOperation, records: list[UUID]) -> None:
    outcomes = {outcome.id: outcome for outcome in HANDLERS[operation.kind](operation, records)}
    rows = [_row(pk, outcomes.get(pk)) for pk in records]
    with connection.cursor() as cursor:
        cursor.execute(RECORD, [dumps(rows).decode(), operation.pk])
    counts = Counter(row["outcome"] for row in rows)
    for outcome in ("changed", "unchanged", "refused", "missing"):
        setattr(operation, outcome, getattr(operation, outcome) + counts[outcome])
    operation.cursor = records[-1]
    operation.worked_at = Now()
    operation.save(update_fields=["changed", "unchanged", "refused", "missing", "cursor", "worked_at"])


def _row(pk: UUID, outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"id": pk, "outcome": BulkOutcomeKind.MISSING, "reason": "It was deleted meanwhile."}
    return {"id": pk, "outcome": outcome.outcome, "reason": outcome.error.message if outcome.error else ""}


def _end(operation: BulkOperation, status: BulkStatus) -> None:
    operation.status = status
    operation.finished_at = Now()
    operation.save(update_fields=["status", "finished_at", "error"])
    announce_many(operation.workflow_id)
