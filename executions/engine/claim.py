"""Taking ready frames, with their records, for a slice; those of inline bodies are only leased (I12).

A taken frame and its record say whose they are. Of leased frames only the slice does, by the ids between which it walks:
two row versions and a dozen index entries less for each record, which is a third of all that a short body costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
from psycopg.types.json import set_json_loads

from executions.engine import sql
from executions.engine.context import Contexts
from executions.engine.database import Connection
from executions.engine.frames import Frame
from records.states import HELD, RecordStatus
from workflows.definition.plan import Plan
from workflows.expressions import RecordView

FIRST_BATCH = 50
MAX_BATCH = 500
MAX_BATCH_BYTES = 32 * 1024 * 1024  # of record data in one batch; two batches are in memory at once
ATTEMPTS = 5  # at a claim that met a deadlock with another run over the same records

SUSPECTS = 16  # frames of a batch whose worker died, walked together; those of such a group are walked alone


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed frames with their scopes. suspect: nothing else may be walked at the same time."""

    frames: list[tuple[Frame, dict[str, Any]]]
    suspect: bool = False


class Claimer:
    """Claims for one slice, from one thread and session. Each batch comes with its frames' scopes."""

    def __init__(self, session: Connection, plan: Plan, contexts: Contexts, slice_id: int, *, replays: bool) -> None:
        self.session, self.contexts = session, contexts
        self._parameters = {
            "execution": contexts.run.execution_id,
            "slice": slice_id,
            **_eligible(plan, replays=replays),
            **_limited(plan),
            "leased": [step.alias for step in plan.steps.values() if step.iterate and step.blocks[0].inline],
        }
        self._after = 0
        self._limit = FIRST_BATCH
        self._bytes = 0
        set_json_loads(self._loads, session)

    def claim(self, room: int, *, drained: bool = False) -> Batch:
        """Return at most `room` next frames with their scopes, in order; none when nothing is ready right now.

        drained: all that was claimed here before is walked and durable, so what was left behind may be looked for.
        Raises psycopg.Error when the database is gone.
        """
        rows = self._next(min(self._limit, room), drained=drained)
        suspect = not rows
        if suspect:
            rows = self._execute(sql.CLAIM_SUSPECTS, 1 if self._parameters["limited"] else SUSPECTS)
        frames = [_frame(row) for row in rows]
        if not frames:
            return Batch([])
        self._limit = max(1, min(MAX_BATCH, MAX_BATCH_BYTES * len(frames) // max(self._bytes, 1)))
        return Batch(list(zip(frames, self.contexts.load(self.session, frames), strict=True)), suspect)

    def _next(self, limit: int, *, drained: bool) -> list[tuple[Any, ...]]:
        self._bytes = 0
        return self._lease(limit, drained=drained) or self._take(limit)

    def _lease(self, limit: int, *, drained: bool) -> list[tuple[Any, ...]]:
        if not self._parameters["leased"]:
            return []
        rows = self._execute(sql.LEASE, limit, lock=sql.LOCK_LEASES)
        if not rows and drained:
            rows = self._execute(sql.LEASE_LEFT, limit, lock=sql.LOCK_LEASES)
        return rows

    def _take(self, limit: int) -> list[tuple[Any, ...]]:
        rows = self._execute(sql.CLAIM, limit)
        if not rows and self._after:
            self._after = 0  # frames that became ready again have lower ids
            rows = self._execute(sql.CLAIM, limit)
        if rows:
            self._after = rows[-1][0]
        elif self._parameters["limited"]:
            rows = self._execute(sql.CLAIM_LIMITED, limit, lock=sql.LOCK_LIMITED)
        return rows

    def _execute(self, statement: str, limit: int, *, lock: str | None = None) -> list[tuple[Any, ...]]:
        """lock: a statement before, in the same transaction."""
        parameters = {**self._parameters, "after": self._after, "limit": limit}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.session.transaction():
                    if lock is not None:
                        self.session.execute(lock, parameters)
                    return self.session.execute(statement, parameters).fetchall()
            except psycopg.errors.DeadlockDetected:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _loads(self, raw: bytes | str) -> Any:
        self._bytes += len(raw)
        return orjson.loads(raw)


def _frame(row: tuple[Any, ...]) -> Frame:
    """The frame of a row of either kind of claim; a leased one ends with the record's revision."""
    id_, parent_id, alias, position, walked, retries, forgiven, passes, record_pk, *rest = row
    record_id, record_type, data, temporary, *lease = rest
    if temporary:
        record_id = data.pop("copy_of", record_id)
    record = RecordView(record_id, record_type, RecordStatus.PROCESSING, data) if record_id is not None else None
    frame = Frame(
        id_, parent_id, alias, position, walked, retries, forgiven, passes, record_pk, record, bool(temporary)
    )
    if lease:
        frame.leased, frame.revision = True, lease[0]
    return frame


def _eligible(plan: Plan, *, replays: bool) -> dict[str, list[str]]:
    """For each iterate, the statuses in which its frames may take a record; a replay takes any that nobody holds."""
    aliases, statuses = [], []
    for step in plan.steps.values():
        if step.iterate is None:
            continue
        for status in RecordStatus.values if replays else step.iterate.status or (RecordStatus.DISCOVERED,):
            if status not in HELD:
                aliases.append(step.alias)
                statuses.append(str(status))
    return {"aliases": aliases, "statuses": statuses}


def _limited(plan: Plan) -> dict[str, Any]:
    """Iterates whose frames are counted when they are claimed. An inline body touches nothing outside and takes
    microseconds: how many of them are walked at once cannot be told from outside, so they are not counted.
    """
    limits = {
        step.alias: step.iterate.concurrency
        for step in plan.steps.values()
        if step.iterate and step.iterate.concurrency and not step.blocks[0].inline
    }
    return {"limited": list(limits), "concurrency": list(limits.values())}
