"""The iterate step: a frame per record, and joining them when the last is done.

The frames, the step's `running` row and the parking of the frame that iterates are one transaction, so an iterate is
either begun with all its records or not at all; how many there are is known from the start. Rows are streamed: memory
does not grow with the number of records.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from director import jsontools
from director.ids import uuid7
from executions.engine import sql
from executions.engine.context import RunContext
from executions.engine.database import Connection
from executions.engine.frames import Frame
from executions.engine.journal import SHARDS, Counts, shift_counts
from executions.errors import LeaseLost
from records import patches
from records.patches import parse_path
from records.states import RecordStatus
from workflows.definition.plan import BlockPlan, IteratePlan
from workflows.expressions import RecordView

BATCH = 5_000  # records that are in memory while frames are made of them
MAX_ERRORS = 100  # errors named in an iterate's result
NULL = "\\N"  # in COPY's text format
Member = tuple[int, UUID, int | None]  # position, record, its frame in the replayed run

COPY_FRAMES = """
COPY execution_frames (execution_id, parent_id, alias, record_id, position, status, origin_id) FROM STDIN
"""
COPY_TEMPORARY = """
COPY workflow_records (id, workflow_id, record_id, record_type, execution_id, iteration_node_alias, data) FROM STDIN
"""
COPY_RECORDS = sql.COPY_RECORDS.format(
    source="""(SELECT c, s, %(alias)s, n
    FROM unnest(%(copies)s::uuid[], %(sources)s::uuid[], %(names)s::text[]) t (c, s, n))"""
)
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
# The frame of the replayed run that iterated here.
BEGUN_IN = sql.BEGUN_IN.format(
    frame="(SELECT n.origin_id FROM execution_frames n WHERE n.id = %(frame)s)", alias="%(alias)s"
)
# Its children, each record with its newest frame there. Index frame_by_parent.
CHILDREN_BEFORE = """
SELECT record_id, max(id), max(position) FROM execution_frames WHERE parent_id = %(origin)s AND alias = %(alias)s
GROUP BY record_id HAVING NOT (%(skip_completed)s AND bool_or(status = 'complete')) ORDER BY min(id)
"""
FRAMES_NAMED = """
SELECT record_id, id, position FROM execution_frames WHERE id = ANY (%(frames)s) ORDER BY id
"""
# Those that the replayed run has not done with are left to it.
LEAVE_OPEN = """
UPDATE execution_frames f SET status = 'skipped', error = %(still_open)s, finished_at = now()
FROM execution_frames o
WHERE f.parent_id = %(frame)s AND f.alias = %(alias)s AND f.status = 'ready' AND o.id = f.origin_id
    AND o.status IN ('ready', 'running', 'waiting')
"""
# Copies are named as templates see them.
CHILD_ERRORS = """
SELECT coalesce(r.data ->> 'copy_of', r.record_id), f.error
FROM execution_frames f LEFT JOIN workflow_records r ON r.id = f.record_id
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
    forget: list[dict[str, Any]] = field(default_factory=list)  # what copies of the records do not have yet


def begin(session: Connection, step: Begin) -> int:
    """Make the frames and park the frame that iterates; return how many. With none nothing is written.

    Raises LeaseLost when the slice was given up for dead.
    """
    with session.transaction(force_rollback=False):
        if session.execute(sql.FENCE, {"slice": step.slice_id}).fetchone() is None:
            raise LeaseLost
        after = session.execute("SELECT coalesce(max(id), 0) FROM execution_frames").fetchone()
        assert after is not None
        total = _make_frames(session, step, _members(session, step))
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
    if step.run.again is not None:
        counts["frame", step.alias, "skipped"] = [_leave_open(session, step), 0.0]
    shift_counts(session, step.run.execution_id, counts, step.slice_id % SHARDS)


def _make_frames(session: Connection, step: Begin, members: Iterator[Member]) -> int:
    """Copy a ready frame per record, in order."""
    total = 0
    head = f"{step.run.execution_id}\t{step.frame.id}\t{step.alias}\t"
    while batch := list(islice(members, BATCH)):
        lines = [f"{head}{pk}\t{position}\tready\t{origin or NULL}\n" for position, pk, origin in batch]
        with session.cursor() as cursor, cursor.copy(COPY_FRAMES) as copy:
            copy.write("".join(lines))
        total += len(batch)
    return total


def _members(session: Connection, step: Begin) -> Iterator[Member]:
    """The records to iterate: chosen anew, or those of the replayed run; copies of them in a dry run."""
    before = _before(session, step)
    if step.plan.over is not None:
        return _elements(session, step, before)
    chosen: Iterator[tuple[UUID, int | None]] = (
        ((pk, None) for pk in _candidates(session, step)) if before is None else ((row[0], row[1]) for row in before)
    )
    members = ((position, pk, origin) for position, (pk, origin) in enumerate(chosen, start=1))
    return _copies(session, step, members) if step.run.is_dry else members


# --- again: the records of the replayed run ---------------------------------------------------------------------------


def _before(session: Connection, step: Begin) -> Iterator[tuple[UUID, int, int]] | None:
    """Return (record, frame, position) of what the replayed run iterated here; None where it did not, or is none."""
    again = step.run.again
    if again is None:
        return None
    named = again.get("frames", {}).get(step.alias)
    if named is not None:
        return _stream(session, FRAMES_NAMED, {"frames": named})
    parameters = {"frame": step.frame.id, "alias": step.alias, "skip_completed": bool(again.get("skip_completed"))}
    begun = session.execute(BEGUN_IN, parameters).fetchone()
    if begun is None:
        return None
    rows = _stream(session, CHILDREN_BEFORE, {**parameters, "origin": begun[0]})
    return (row for row in rows if row[0] is not None)


def _leave_open(session: Connection, step: Begin) -> int:
    parameters = {"frame": step.frame.id, "alias": step.alias, "still_open": Jsonb(sql.STILL_OPEN)}
    return session.execute(LEAVE_OPEN, parameters).rowcount


def _copies(session: Connection, step: Begin, members: Iterator[Member]) -> Iterator[Member]:
    """Make temporary copies of the records, in batches, and yield them in their place."""
    prefix = temporary_prefix(step.run.number, step.alias, step.attempt, step.frame)
    while batch := list(islice(members, BATCH)):
        copies = [(position, uuid7(), origin) for position, _, origin in batch]
        parameters = {
            "execution": step.run.execution_id,
            "forget": Jsonb({step.alias: step.forget}),
            "copies": [copy for _, copy, _ in copies],
            "sources": [pk for _, pk, _ in batch],
            "alias": step.alias,
            "names": [f"{prefix}{position:04}" for position, _, _ in copies],
        }
        session.execute(COPY_RECORDS, parameters)
        yield from copies


def forgetting(block: BlockPlan, kept: Container[str] = ()) -> list[dict[str, Any]]:
    """Return the patch that takes away what the block's steps store on its own record, but for the kept ones."""
    operations: list[dict[str, Any]] = []
    for step in block.steps:
        if step.store is not None and step.alias not in kept:
            operations.append(dict(patches.delete_at(step.store)))
        if step.iterate is None:
            operations += [one for inner in step.blocks for one in forgetting(inner, kept)]
    return operations


# --- over records -----------------------------------------------------------------------------------------------------


def _candidates(session: Connection, step: Begin) -> Iterator[UUID]:
    """The records to iterate, streamed by a server-side cursor of the transaction; `where` is tested here."""
    query, parameters = selection(step.run, step.plan, step.over)
    found = _stream(session, query, parameters)
    accepted = (row[0] for row in found if step.accepts is None or step.accepts(RecordView(*row[1:])))
    return islice(accepted, step.plan.limit)


def _stream(session: Connection, query: str, parameters: Any) -> Iterator[tuple[Any, ...]]:
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


def _elements(session: Connection, step: Begin, before: Iterator[tuple[UUID, int, int]] | None) -> Iterator[Member]:
    """Make a temporary record of each element, in batches, and yield them; in a replay, only of those it is to walk."""
    items = step.over if step.plan.limit is None else step.over[: step.plan.limit]
    origins = {position: origin for _, origin, position in before or ()}
    leaves_out = before is not None and bool((step.run.again or {}).get("skip_completed"))
    numbered = ((index, value) for index, value in enumerate(items, start=1) if not leaves_out or index in origins)
    while batch := list(islice(numbered, BATCH)):
        made = [(uuid7(), index, value) for index, value in batch]
        with session.cursor() as cursor, cursor.copy(COPY_TEMPORARY) as copy:
            copy.write(b"".join(_temporary_lines(step, made, len(items))))
        yield from ((index, pk, origins.get(index)) for pk, index, _ in made)


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
