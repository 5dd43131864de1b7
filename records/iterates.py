"""Which iterates of a workflow read a variable, and the variables that an iterate leaves behind.

What an iterate keeps for itself lies under `@iter:<alias>:`; once a variable that it reads is set anew, that is stale.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol
from uuid import UUID

from director.jsontools import loads
from records.patterns import literal
from workflows.errors import ExpressionInvalid
from workflows.expressions import compile_template

PREFIX = "@iter:"
READING = ("over", "over_records", "where", "limit")  # keys of an iterate's config that decide what it goes over

# The iterates in the draft and in the newest published version.
ITERATES = """
SELECT s.alias, s.config::text FROM workflows_workflowstep s JOIN workflows_workflowversion v ON v.id = s.version_id
WHERE v.workflow_id = %(workflow)s AND s.type = 'iterate' AND (v.status = 'draft' OR v.id = (
    SELECT id FROM workflows_workflowversion WHERE workflow_id = %(workflow)s AND status = 'published'
    ORDER BY number DESC LIMIT 1
))
"""
CLEAN = "DELETE FROM workflow_memory WHERE workflow_id = %(workflow)s AND (key = ANY (%(keys)s) OR key LIKE ANY (%(below)s))"


class Cursor(Protocol):
    """A cursor of Django's connection or of psycopg's own."""

    def execute(self, query: Any, params: Any = ..., /) -> Any: ...

    def fetchall(self) -> list[Any]: ...


def clean_stale(cursor: Cursor, workflow_id: UUID, keys: Collection[str]) -> None:
    """Delete what the iterates that read any of these variables keep for themselves. At most two queries."""
    cursor.execute(ITERATES, {"workflow": workflow_id})
    configs = [(alias, loads(config)) for alias, config in cursor.fetchall()]
    aliases = {alias for alias, config in configs if not names_read(config).isdisjoint(keys)}
    if aliases:
        stale = [f"{PREFIX}{alias}" for alias in sorted(aliases)]
        below = [f"{literal(key)}:%" for key in stale]
        cursor.execute(CLEAN, {"workflow": workflow_id, "keys": stale, "below": below})


def names_read(config: dict[str, Any]) -> set[str]:
    """Return the names that decide what an iterate goes over; none of a template that cannot be read."""
    names: set[str] = set()
    for place in READING:
        try:
            names |= compile_template(config.get(place), place).names
        except ExpressionInvalid:
            continue
    return names
