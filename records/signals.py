"""What this app announces to those above it, after the commit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import Signal

MAX_NAMED = 100  # records in one announcement; a page shows fewer rows than that

# workflow_id: UUID; records: [{"id", "record_id", "status"}] of up to MAX_NAMED that were changed (deleted: status "");
# empty when they are too many to name.
records_changed = Signal()


def announce_records(workflow_id: UUID, changed: Iterable[tuple[UUID, str, str]]) -> None:
    """Tell, once the transaction has landed, which records (id, record_id, status) were changed by a person."""
    named = [{"id": str(pk), "record_id": name, "status": status} for pk, name, status in changed]
    if named:
        _after_commit(records_changed, workflow_id=workflow_id, records=named if len(named) <= MAX_NAMED else [])


def announce_many(workflow_id: UUID) -> None:
    """Tell that any of the workflow's records may have been changed."""
    _after_commit(records_changed, workflow_id=workflow_id, records=[])


def _after_commit(signal: Signal, **facts: Any) -> None:
    # robust: who listens must not undo what has been done
    transaction.on_commit(partial(signal.send_robust, sender=None, **facts))
