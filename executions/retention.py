"""What is removed in time: what belongs to runs that ended long ago, and what people were told long ago."""

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
# Indexes notification_age, prompt_mail_age. Read or not: who has not looked for months will not miss it.
OLD_NOTIFICATIONS = """
DELETE FROM notifications WHERE id IN (
    SELECT id FROM notifications WHERE created_at < now() - make_interval(secs => %s) LIMIT %s)
"""
OLD_MAILS = """
DELETE FROM prompt_mails WHERE id IN (
    SELECT id FROM prompt_mails WHERE created_at < now() - make_interval(secs => %s) AND next_at IS NULL LIMIT %s)
"""


def remove_expired(*, keep: timedelta | None = None) -> dict[str, int]:
    """Remove what belongs to runs that ended more than `keep` ago (DIRECTOR_KEEP_TEMPORARY_DAYS); return how much.

    In batches, each its own transaction; an interruption loses nothing, the next call goes on.
    """
    age = timedelta(days=settings.DIRECTOR_KEEP_TEMPORARY_DAYS) if keep is None else keep
    return {"records": _remove(EXPIRED_RECORDS, age), "variables": _remove(EXPIRED_VARIABLES, age)}


def remove_old_news(*, keep: timedelta | None = None) -> dict[str, int]:
    """Remove notifications and finished mails older than `keep` (DIRECTOR_KEEP_NOTIFICATIONS_DAYS); return how many."""
    age = timedelta(days=settings.DIRECTOR_KEEP_NOTIFICATIONS_DAYS) if keep is None else keep
    return {"notifications": _remove(OLD_NOTIFICATIONS, age), "mails": _remove(OLD_MAILS, age)}


def _remove(statement: str, age: timedelta) -> int:
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, (age.total_seconds(), BATCH))
            removed: int = cursor.rowcount
        total += removed
        if removed < BATCH:
            return total
