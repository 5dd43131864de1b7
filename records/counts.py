"""Keeping the counts of records short: many differences become one number for each type and status."""

from __future__ import annotations

from django.db import connection, transaction

# One compaction at a time; writers are never in its way, their rows are simply left for the next one.
ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('director.record_counts', 0))"
COMPACT = """
WITH taken AS (
    DELETE FROM record_counts WHERE (workflow_id, record_type, status) IN (
        SELECT workflow_id, record_type, status FROM record_counts GROUP BY 1, 2, 3 HAVING count(*) > 1
    ) RETURNING workflow_id, record_type, status, count
)
INSERT INTO record_counts (workflow_id, record_type, status, count)
SELECT workflow_id, record_type, status, sum(count) FROM taken GROUP BY 1, 2, 3 HAVING sum(count) <> 0
"""
FORGET = "DELETE FROM record_counts c WHERE NOT EXISTS (SELECT 1 FROM workflows_workflow w WHERE w.id = c.workflow_id)"


@transaction.atomic
def compact() -> None:
    """Add the differences up. The sums stay as they are for everyone who reads them meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(ALONE)
        if cursor.fetchone()[0]:
            cursor.execute(COMPACT)
            cursor.execute(FORGET)
