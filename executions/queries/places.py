"""Where records are in runs, for the lists of records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from executions.models import Execution
from records.places import Place

# The newest frame of each record; index frame_by_record.
NEWEST = """
SELECT r.id, e.number, CASE WHEN f.status IN ('failed', 'waiting', 'running') THEN f.at_step ELSE '' END
FROM unnest(%(records)s::uuid[]) AS r (id)
CROSS JOIN LATERAL (
    SELECT execution_id, status, at_step FROM execution_frames WHERE record_id = r.id ORDER BY id DESC LIMIT 1
) f JOIN executions e ON e.id = f.execution_id
"""
# Indexes record_by_status, then frame_by_record for each.
AT_STEP = """
SELECT r.record_id FROM unnest(%(workflows)s::uuid[]) AS w (id)
CROSS JOIN unnest(ARRAY['failed', 'waiting', 'processing']) AS s (status)
CROSS JOIN LATERAL (
    SELECT id, record_id FROM workflow_records
    WHERE workflow_id = w.id AND status = s.status AND execution_id IS NULL ORDER BY id DESC LIMIT %(limit)s
) r
CROSS JOIN LATERAL (SELECT at_step FROM execution_frames WHERE record_id = r.id ORDER BY id DESC LIMIT 1) f
WHERE f.at_step = %(step)s ORDER BY r.id DESC
"""


def places(records: Sequence[UUID]) -> Mapping[UUID, Place]:
    """Return the place of each record that a run has walked. One query."""
    return {record: Place(number, step) for record, number, step in _fetch(NEWEST, records=list(records))}


def numbers(executions: Collection[UUID]) -> Mapping[UUID, int]:
    """Return the numbers of those executions that are still kept. At most one query."""
    if not executions:
        return {}
    return dict(Execution.objects.filter(pk__in=executions).values_list("pk", "number"))


def at_step(workflows: Sequence[UUID], step: str, limit: int) -> list[str]:
    """Return the ids of the records that failed, wait or are being walked at the step. One query."""
    return [name for (name,) in _fetch(AT_STEP, workflows=list(workflows), step=step, limit=limit)]


def _fetch(statement: str, **values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
