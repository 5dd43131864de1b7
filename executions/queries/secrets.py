"""What is not shown of a run: the secrets of its workflow, of what started it, and of the records that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import JSONField, QuerySet
from django.db.models.expressions import RawSQL

from director.jsontools import loads
from executions.models import Execution, ExecutionFrame
from records.secrets import MAYBE_SQL, Secrets, named, secrets_of

MAX_RECORDS = 1_000  # named by what people did, of which secrets are looked up

# Unique index of ids.
NAMED = f"""
SELECT {MAYBE_SQL.format(data="r.data")} FROM workflow_records r WHERE workflow_id = %(workflow)s AND record_id = ANY (%(ids)s)
"""  # noqa: S608 - made of constants
# The records of a frame and of those around it: what is inside an iterate sees all of them. Primary keys.
AROUND = """
WITH RECURSIVE up AS (
    SELECT one.id, one.parent_id, one.record_id FROM execution_frames one WHERE one.id = {frame}
    UNION ALL
    SELECT f.id, f.parent_id, f.record_id FROM execution_frames f JOIN up ON f.id = up.parent_id
)
SELECT {each} FROM up JOIN workflow_records r ON r.id = up.record_id
"""
OF_RECORD = MAYBE_SQL.format(data="r.data")
OF_FRAME = AROUND.format(frame="%(frame)s", each=OF_RECORD)
OUTSIDE = f"({AROUND.format(frame='execution_frames.parent_id', each=f'jsonb_agg({OF_RECORD})')})"


def secrets_of_frame(execution: Execution, frame: int) -> Secrets:
    """Return what steps of the frame may have put into their texts. Two queries."""
    return secrets_of(execution.workflow_id, execution.trigger_data, around(frame))


def around(frame: int) -> list[Any]:
    """Return what may be secret of the frame's record and of the records around it. One query."""
    return list(_found(OF_FRAME, {"frame": frame}))


def with_outside(walks: QuerySet[ExecutionFrame]) -> QuerySet[ExecutionFrame]:
    """Let each walk bring along, for `outside`, what may be secret of the records around its own."""
    return walks.annotate(outside=RawSQL(OUTSIDE, (), JSONField()))  # noqa: S611 - made of constants


def outside(walks: Iterable[ExecutionFrame]) -> Iterator[Any]:
    """Yield what may be secret of the records around those of the walks."""
    for walk in walks:
        for found in walk.outside or ():  # type: ignore[attr-defined]  # annotated by with_outside
            yield named(found)


def secrets_of_changes(execution: Execution, changes: Iterable[Mapping[str, Any]]) -> Secrets:
    """Return what is not shown of what people changed of the run. Two queries, one where they changed no records."""
    ids = list(islice((name for one in changes for name in _records_in(one)), MAX_RECORDS))
    own = _found(NAMED, {"workflow": execution.workflow_id, "ids": ids}) if ids else ()
    return secrets_of(execution.workflow_id, execution.trigger_data, *changes, *own)


def _records_in(changes: Mapping[str, Any]) -> Iterator[str]:
    """The ids of the records whose data, or whose steps, the changes are about; a replay keeps them inside."""
    if isinstance(changes.get("records"), Mapping) or changes.keys() & {"edit", "output"}:
        yield from changes.get("records") or ()
    steps = changes.get("steps")
    for said in steps.values() if isinstance(steps, Mapping) else ():
        yield from said.get("records") or ()
    if isinstance(inside := changes.get("changes"), Mapping):
        yield from _records_in(inside)


def _found(statement: str, values: Mapping[str, Any]) -> Iterator[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        for (found,) in cursor.fetchall():
            yield named(loads(found))
