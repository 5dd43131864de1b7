"""What is removed in time: the temporary records and the run-scoped variables of runs that ended long enough ago."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

BATCH = 5_000  # rows in one transaction, so that nobody waits long for a lock

# Indexes record_temporary and execution_by_id. Frames and journal rows keep the ids; the story of the run stays.
EXPIRED_RECORDS = """
DELETE FROM workflow_records WHERE id IN (
    SELECT r.id FROM workflow_records r JOIN executions e ON e.id = r.execution_id
    WHERE r.execution_id IS NOT NULL AND e.finished_at < now() - make_interval(secs => %s) LIMIT %s)
"""
EXPIRED_VARIABLES = """
DELETE FROM workflow_memory WHERE id IN (
    SELECT m.id FROM workflow_memory m JOIN executions e ON e.id = m.execution_id
    WHERE m.execution_id IS NOT NULL AND e.finished_at < now() - make_interval(secs => %s) LIMIT %s)
"""


def remove_expired(*, keep: timedelta | None = None) -> dict[str, int]:
    """Remove what belongs to runs that ended more than `keep` ago (DIRECTOR_KEEP_TEMPORARY_DAYS); return how much.

    In batches, each its own transaction; an interruption loses nothing, the next call goes on.
    """
    age = timedelta(days=settings.DIRECTOR_KEEP_TEMPORARY_DAYS) if keep is None else keep
    return {"records": _remove(EXPIRED_RECORDS, age), "variables": _remove(EXPIRED_VARIABLES, age)}


def _remove(statement: str, age: timedelta) -> int:
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, (age.total_seconds(), BATCH))
            removed: int = cursor.rowcount
        total += removed
        if removed < BATCH:
            return total
