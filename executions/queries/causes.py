"""Why the records of a run failed."""

from django.db import connection

from executions.models import Execution
from executions.queries import sql
from records.causes import Cause, grouped

LIMIT = 2_000  # newest failures that are looked at


def causes_of(execution: Execution) -> list[Cause]:
    """Return the failures of the run's records by cause, the largest group first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(sql.CAUSES, {"execution": execution.pk, "limit": LIMIT})
        return grouped(cursor.fetchall())
