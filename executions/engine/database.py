"""Connections of the engine: plain psycopg sessions of its own, outside Django's.

The engine's statements are set-wise SQL and COPY; it keeps one session for claims and one for the journal per thread of
a slice, so that a commit and the next claim overlap.
"""

from __future__ import annotations

from contextlib import _GeneratorContextManager
from typing import Any, Self

import orjson
import psycopg
from django.db import connection
from psycopg.types.json import set_json_loads

# A table that was nearly empty when it was analysed, or when a plan was kept, and now has a million rows, looks as if it
# might be read as a whole at every claim and commit. Each statement has an index made for it, and planning takes 0.2 ms.
PLANNING = "SET enable_seqscan = off; SET plan_cache_mode = force_custom_plan"
Connection = psycopg.Connection[tuple[Any, ...]]


class CountingCursor(psycopg.Cursor[Any]):
    """Counts the statements of this process, for `manage.py benchmark`."""

    statements = 0

    def execute(self, *args: Any, **kwargs: Any) -> Self:
        CountingCursor.statements += 1
        return super().execute(*args, **kwargs)

    def copy(self, *args: Any, **kwargs: Any) -> _GeneratorContextManager[psycopg.Copy]:
        CountingCursor.statements += 1
        return super().copy(*args, **kwargs)


def connect(*, application_name: str) -> Connection:
    """Open an autocommit session to Director's database; JSON comes back parsed."""
    session = psycopg.connect(
        **_parameters(), autocommit=True, cursor_factory=CountingCursor, application_name=application_name
    )
    session.execute(PLANNING)
    set_json_loads(orjson.loads, session)
    return session


def _parameters() -> dict[str, Any]:
    parameters = dict(connection.get_connection_params())
    for key in ("context", "cursor_factory", "server_side_binding", "pool", "prepare_threshold"):
        parameters.pop(key, None)
    return parameters
