"""What the records app leaves to this one: telling open pages, letting failed records go on, saying where records are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from executions import events, retry
from executions.errors import NothingToRetry, RetryRefused
from executions.models import ExecutionFrame
from executions.queries import places as run_places
from records import bulk, places
from records.changes import Outcome
from records.models import BulkKind, BulkOperation, WorkflowRecord
from records.signals import records_changed
from records.states import RecordStatus

# One run for so many records of a run that is over, not one for each thousand.
RETRY_BATCH = 20_000


def connect() -> None:
    records_changed.connect(_tell_pages, dispatch_uid="executions.announced")
    bulk.register(BulkKind.RETRY, retry_in_bulk, batch=RETRY_BATCH)
    places.register(run_places)


def retry_in_bulk(operation: BulkOperation, records: Sequence[UUID]) -> list[Outcome]:
    """Let failed records go on from the step that failed; those that no run has walked wait for the next one.

    Refused is a record whose step may have happened: that takes a person's word for the record itself.
    """
    failed = list(_failed(operation, records))
    ids = [record.pk for record in failed]
    with suppress(NothingToRetry):
        retry.retry_records(operation.workflow_id, user=operation.actor, records=ids, reason=operation.reason)
    left = set(_failed(operation, ids).values_list("pk", flat=True))
    walked = set(ExecutionFrame.objects.filter(record__in=left).values_list("record_id", flat=True))
    gone_on = [record for record in failed if record.pk not in left]
    settled = walked | {record.pk for record in gone_on}
    others = [pk for pk in records if pk not in settled]
    return [
        *(Outcome(record.pk, record.record_id, "changed") for record in gone_on),
        *(
            Outcome(record.pk, record.record_id, "refused", RetryRefused(record.record_id))
            for record in failed
            if record.pk in walked
        ),
        *bulk.changes_of(operation).move(others, RecordStatus.DISCOVERED),
    ]


def _failed(operation: BulkOperation, records: Sequence[UUID]) -> QuerySet[WorkflowRecord]:
    rows = WorkflowRecord.objects.filter(workflow=operation.workflow_id, pk__in=records, status=RecordStatus.FAILED)
    return rows.defer("data").order_by("pk")


def _tell_pages(workflow_id: UUID, **_: Any) -> None:
    events.records_changed(workflow_id)
