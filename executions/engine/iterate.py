"""The iterate step: a frame per record, and joining them when the last is done.

The frames, the step's `running` row and the parking of the frame that iterates are one transaction, so an iterate is
either begun with all its records or not at all; how many there are is known from the start. Rows are streamed: memory
does not grow with the number of records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from director import jsontools
from director.ids import uuid7
from executions.engine import sql
from executions.engine.context import RunContext
from executions.engine.database import Connection
from executions.engine.frames import Frame
from executions.engine.journal import SHARDS, Counts, shift_counts
from executions.errors import LeaseLost
from records.patches import parse_path
from records.states import RecordStatus
from workflows.definition.plan import IteratePlan
from workflows.expressions import RecordView

BATCH = 5_000  # records that are in memory while frames are made of them
MAX_ERRORS = 100  # errors named in an iterate's result

COPY_FRAMES = "COPY execution_frames (execution_id, parent_id, alias, record_id, position, status) FROM STDIN"
COPY_TEMPORARY = """
COPY workflow_records (id, workflow_id, record_id, record_type, execution_id, iteration_node_alias, data) FROM STDIN
"""
BEGIN_STEP = """
INSERT INTO execution_steps (execution_id, frame_id, record_id, alias, attempt, status, input, output, started_at)
VALUES (%s, %s, %s, %s, %s, 'running', %s::jsonb, %s::jsonb, now())
"""
PARK_PARENT = """
UPDATE execution_frames SET status = 'waiting', waiting_for = 'children', slice_id = NULL, walked = true, at_step = %s
WHERE id = %s
"""
# Index frame_by_parent.
CHILDREN_BY_STATUS = """
SELECT status, count(*) FROM execution_frames WHERE parent_id = %s AND alias = %s AND id > %s GROUP BY status
"""
# Index frame_by_status: failed ones are few.
CHILD_ERRORS = """
SELECT r.record_id, f.error FROM execution_frames f LEFT JOIN workflow_records r ON r.id = f.record_id
WHERE f.execution_id = %s AND f.status = 'failed' AND f.id > %s AND f.parent_id = %s AND f.alias = %s ORDER BY f.id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Begin:
    """What is needed to begin an iterate: where it stands and what its rendered config says."""

    run: RunContext
    frame: Frame
    alias: str
    attempt: int
    plan: IteratePlan
    config: bytes | None
    over: Any  # the rendered pattern, ids or array
    accepts: Callable[[RecordView], bool] | None  # `where`
    slice_id: int


def begin(session: Connection, step: Begin) -> int:
    """Make the frames and park the frame that iterates; return how many. With none nothing is written.

    Raises LeaseLost when the slice was given up for dead.
    """
    with session.transaction(force_rollback=False):
        if session.execute(sql.FENCE, {"slice": step.slice_id}).fetchone() is None:
            raise LeaseLost
        after = session.execute("SELECT coalesce(max(id), 0) FROM execution_frames").fetchone()
        assert after is not None
        pks = _temporary(session, step) if step.plan.over is not None else _candidates(session, step)
        total = _make_frames(session, step, pks)
        if total:
            _park(session, step, total, after[0])
    return total


def join(session: Connection, run: RunContext, frame_id: int, alias: str, after: int) -> dict[str, Any] | None:
    """Return the result {processed, failed, skipped, cancelled, total, errors} or None while a child is open."""
    counts: dict[str, int] = dict(session.execute(CHILDREN_BY_STATUS, (frame_id, alias, after)).fetchall())
    if any(counts.get(status) for status in ("ready", "running", "waiting")):
        return None
    found = session.execute(CHILD_ERRORS, (run.execution_id, after, frame_id, alias, MAX_ERRORS)).fetchall()
    return {
        "processed": counts.get("complete", 0),
        "failed": counts.get("failed", 0),
        "skipped": counts.get("skipped", 0),
        "cancelled": counts.get("cancelled", 0),
        "total": sum(counts.values()),
        "errors": [_error(record_id, error or {}) for record_id, error in found],
    }


def empty_result() -> dict[str, Any]:
    return {"processed": 0, "failed": 0, "skipped": 0, "cancelled": 0, "total": 0, "errors": []}


def _error(record_id: str, error: dict[str, Any]) -> dict[str, Any]:
    return {"record": record_id, "step": error.get("step"), "code": error.get("code"), "message": error.get("message")}


def _park(session: Connection, step: Begin, total: int, after: int) -> None:
    output = jsontools.dumps({"total": total, "after": after}).decode()
    config = None if step.config is None else step.config.decode()
    frame = step.frame
    row = (step.run.execution_id, frame.id, frame.record_pk, step.alias, step.attempt, config, output)
    session.execute(BEGIN_STEP, row)
    session.execute(PARK_PARENT, (step.alias, frame.id))
    counts: Counts = {
        ("frame", step.alias, "total"): [total, 0.0],
        ("step", step.alias, "running"): [1, 0.0],
    }
    if frame.alias:
        counts["frame", frame.alias, "waiting"] = [1, 0.0]
    shift_counts(session, step.run.execution_id, counts, step.slice_id % SHARDS)


def _make_frames(session: Connection, step: Begin, pks: Iterator[UUID]) -> int:
    """Copy a ready frame per record, in order."""
    total = 0
    head = f"{step.run.execution_id}\t{step.frame.id}\t{step.alias}\t"
    while batch := list(islice(pks, BATCH)):
        lines = [f"{head}{pk}\t{position}\tready\n" for position, pk in enumerate(batch, start=total + 1)]
        with session.cursor() as cursor, cursor.copy(COPY_FRAMES) as copy:
            copy.write("".join(lines))
        total += len(batch)
    return total


# --- over records -----------------------------------------------------------------------------------------------------


def _candidates(session: Connection, step: Begin) -> Iterator[UUID]:
    """The records to iterate, streamed by a server-side cursor of the transaction; `where` is tested here."""
    query, parameters = selection(step.run, step.plan, step.over)
    found = _stream(session, query, parameters)
    accepted = (row[0] for row in found if step.accepts is None or step.accepts(RecordView(*row[1:])))
    return islice(accepted, step.plan.limit)


def _stream(session: Connection, query: str, parameters: list[Any]) -> Iterator[tuple[Any, ...]]:
    with session.cursor(name="candidates") as cursor:
        cursor.itersize = BATCH
        cursor.execute(query, parameters)
        while rows := cursor.fetchmany(BATCH):
            yield from rows


def selection(run: RunContext, plan: IteratePlan, over: Any) -> tuple[str, list[Any]]:
    """Return the query for (id, record_id, record_type, status, data) of the records that `over` names, in order.

    over: "*", a pattern with *, a record type or an exact record id, or a list of record ids.
    """
    columns = "id, record_id, record_type, status" + (", data" if plan.where is not None else "")
    statuses = list(plan.status or (RecordStatus.DISCOVERED,))
    condition, values = _named(over)
    query = f"""
        SELECT {columns} FROM workflow_records
        WHERE workflow_id = %s AND execution_id IS NULL AND frame_id IS NULL AND status = ANY (%s) AND {condition}
        ORDER BY {_order(plan.order)}
    """  # noqa: S608 - made of constants; all values are parameters
    parameters: list[Any] = [run.workflow_id, statuses, *values]
    if plan.order:
        parameters.append([str(key) for key in parse_path(_data_path(plan.order.lstrip("-")))])
    if plan.limit is not None and plan.where is None:
        query += " LIMIT %s"
        parameters.append(plan.limit)
    return query, parameters


def _named(over: Any) -> tuple[str, list[Any]]:
    if isinstance(over, list):
        return "record_id = ANY (%s)", [[str(record_id) for record_id in over]]
    name = str(over)
    if name == "*":
        return "true", []
    if "*" in name:
        escaped = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return "record_id LIKE %s", [escaped.replace("*", "%")]
    return "(record_type = %s OR record_id = %s)", [name, name]


def _order(order: str | None) -> str:
    if not order:
        return "id"
    return f"data #> %s {'DESC' if order.startswith('-') else 'ASC'} NULLS LAST, id"


def _data_path(path: str) -> str:
    return path if path.split(".", 1)[0].split("[", 1)[0] in ("fields", "vars", "targets") else f"fields.{path}"


# --- over an array ----------------------------------------------------------------------------------------------------


def _temporary(session: Connection, step: Begin) -> Iterator[UUID]:
    """Make a temporary record of each element, in batches, and yield their keys."""
    items = step.over if step.plan.limit is None else step.over[: step.plan.limit]
    numbered = enumerate(items, start=1)
    while batch := list(islice(numbered, BATCH)):
        made = [(uuid7(), index, value) for index, value in batch]
        with session.cursor() as cursor, cursor.copy(COPY_TEMPORARY) as copy:
            copy.write(b"".join(_temporary_lines(step, made, len(items))))
        yield from (pk for pk, _, _ in made)


def _temporary_lines(step: Begin, made: Iterable[tuple[UUID, int, Any]], total: int) -> Iterator[bytes]:
    prefix = temporary_prefix(step.run.number, step.alias, step.attempt, step.frame)
    middle = f"\titem\t{step.run.execution_id}\t{step.alias}\t"
    for pk, index, value in made:
        data = jsontools.dumps({"fields": {"value": value, "index": index, "total": total}, "vars": {}, "targets": {}})
        record_id = _escaped(f"{prefix}{index:04}")
        yield f"{pk}\t{step.run.workflow_id}\t{record_id}{middle}".encode() + data.replace(b"\\", b"\\\\") + b"\n"


def temporary_prefix(number: int, alias: str, attempt: int, frame: Frame) -> str:
    """`temp:<run>:<alias>:`, with the attempt when it is not the first and the place of the frame when nested."""
    again = f".{attempt}" if attempt > 1 else ""
    place = "" if frame.is_root else f"{frame.id}."
    return f"temp:{number}:{alias}{again}:{place}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def seconds_since(started: float) -> float:
    return max(time.time() - started, 0.0)
