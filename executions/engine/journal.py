"""The journal's group commit: the only writer of steps, of record data in a walk, and of how frames end.

Walkers hand over entries and go on; one thread per slice takes everything that has piled up and commits it as one
transaction (COPY and set-wise UPDATEs), so the price of a commit is shared by all that waited for it. Every commit
begins with the fence (I3); a walker that needs to know that its entry is durable waits on `Entry.durable` (I4).
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg

from director import jsontools
from executions.engine import arrays, sql
from executions.engine.database import Connection, connect
from executions.engine.frames import NULL, Frame, FrameEnd, Receipt, Row, Work
from executions.errors import LeaseLost
from executions.states import FRAME_TERMINAL, StepStatus
from records import search
from records.variable_rules import set_by_steps

logger = logging.getLogger(__name__)

ATTEMPTS = 5  # at a commit that was overtaken, or met a deadlock with another run over the same records
SHARDS = 16  # of the counts of an execution; slices that write at once rarely share one
# The columns of END_FRAMES, FINISH_STEPS and WRITE_RECORDS.
_PLAIN, _TEXT = arrays.plain, arrays.text
FRAME_COLUMNS = (_PLAIN, _TEXT, _TEXT, _PLAIN, _TEXT, _TEXT, _PLAIN, _PLAIN, _PLAIN)
STEP_COLUMNS = (_PLAIN, _TEXT, _PLAIN, _TEXT, _TEXT, _TEXT, _PLAIN)
RECORD_COLUMNS = (_PLAIN, _TEXT, _TEXT, _TEXT, _PLAIN, _PLAIN, _PLAIN, _TEXT)
Counts = dict[tuple[str, str, str], list[float]]  # (kind, alias, status) -> [count, duration_ms]


@dataclass(slots=True)
class Entry:
    """What a walker hands over at once. `end` None: the frame goes on. `intent`: a `running` row of `work` is new."""

    frame: Frame
    work: Work
    end: FrameEnd | None = None
    durable: Future[None] | None = None


@dataclass(slots=True)
class Changes:
    """What became visible by commits since it was last looked at: for live events and for the slice's own decisions."""

    records: dict[str, tuple[str, str]] = field(default_factory=dict)  # primary key -> (record_id, status)
    prompts: list[str] = field(default_factory=list)  # ids of new ones
    commits: int = 0
    rows: int = 0

    def add(self, other: Changes) -> None:
        self.records.update(other.records)
        self.prompts.extend(other.prompts)
        self.rows += other.rows


class Journal:
    """The writer of one slice. `put` from the loop's thread only; `control` and `breakpoints` are what it read last."""

    def __init__(
        self,
        execution_id: UUID,
        workflow_id: UUID,
        slice_id: int,
        *,
        breakpoints: Mapping[str, Any],
        lease: timedelta,
        room: int,
    ) -> None:
        self.execution_id, self.workflow_id, self.slice_id = execution_id, workflow_id, slice_id
        self.shard = slice_id % SHARDS
        self.lease = lease
        self._changes_known = breakpoints.get("changes", 0)
        self._hear("", dict(breakpoints))
        self._asked_to_look = False
        self.lost = False
        self.changes = Changes()
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._room = room
        self._waiting_for_room: asyncio.Event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    # --- the walkers' side ---

    def put(self, entry: Entry) -> None:
        """Hand over an entry; it is committed in the order of handing over."""
        self._entries.put(entry)

    async def commit(self, frame: Frame, end: FrameEnd | None = None) -> None:
        """Hand over what the frame did and return when it is durable. Raises LeaseLost when it never will be."""
        entry = Entry(frame, frame.hand_over(), end, Future())
        self.put(entry)
        assert entry.durable is not None
        await asyncio.wrap_future(entry.durable)

    async def has_room(self) -> None:
        """Return when fewer entries wait than the journal has room for: keeps memory bounded."""
        while self._entries.qsize() > self._room and not self.lost:
            self._waiting_for_room.clear()
            await self._waiting_for_room.wait()
        self.check()

    async def drain(self) -> None:
        """Return when all that was handed over is durable. Raises what a commit raised."""
        self.check()
        marker = Entry(None, Work(), None, Future())  # type: ignore[arg-type]
        self.put(marker)
        assert marker.durable is not None
        await asyncio.wrap_future(marker.durable)

    def look(self) -> None:
        """Ask the writer to read at once what people want of the run. From any thread."""
        self._asked_to_look = True
        self.put(Entry(None, Work()))  # type: ignore[arg-type]

    def check(self) -> None:
        """Raise what ended the writer, if anything has."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End the writer after what was handed over; the thread is gone when this returns."""
        self._entries.put(None)
        self._thread.join()

    # --- the writer's thread ---

    def _run(self) -> None:
        taken: list[Entry] = []
        try:
            with connect(application_name="director journal") as session:
                self._write(session, taken)
        except BaseException as failure:
            self._fail(failure, taken)

    def _write(self, session: Connection, taken: list[Entry]) -> None:
        beat = self.lease.total_seconds() / 4
        next_beat = time.monotonic() + beat
        open_ = True
        while open_:
            open_ = self._take(taken, next_beat - time.monotonic())
            if taken:
                self._commit(session, taken)
                self._announce(taken)
                taken.clear()
            if self._asked_to_look or time.monotonic() >= next_beat:
                self._asked_to_look = False
                self._extend_lease(session)
                next_beat = time.monotonic() + beat

    def _take(self, taken: list[Entry], patience: float) -> bool:
        """Fill `taken` with all that has piled up, waiting for the first; False when the journal is closed."""
        entry: Entry | None
        try:
            entry = self._entries.get(timeout=max(patience, 0.0))
            while entry is not None:
                taken.append(entry)
                entry = self._entries.get_nowait()
        except queue.Empty:
            return True
        return False

    def _extend_lease(self, session: Connection) -> None:
        found = session.execute(sql.EXTEND_LEASE, {"slice": self.slice_id, "lease": self.lease}).fetchone()
        if found is None:
            raise LeaseLost
        self._hear(*found)

    def _hear(self, control: str, breakpoints: dict[str, Any]) -> None:
        """Take in what people want. `held`: nothing more is to be begun here, for the run is paused, cancelled or changed."""
        is_stale = breakpoints.pop("changes", 0) != self._changes_known
        self.control, self.breakpoints = control, breakpoints
        self.held = is_stale or bool(control)

    def _commit(self, session: Connection, entries: list[Entry]) -> None:
        real = [entry for entry in entries if entry.frame is not None]
        if not real:
            return
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._write_once(session, real, only_standing=attempt > 1)
            except (Overtaken, psycopg.errors.DeadlockDetected):
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    def _write_once(self, session: Connection, entries: list[Entry], *, only_standing: bool) -> None:
        with session.transaction():
            found = session.execute(sql.FENCE, {"slice": self.slice_id}).fetchone()
            if found is None:
                raise LeaseLost
            self._hear(*found)  # now: what is walked while this is written heeds it already
            commit = Commit(self, session, standing(session, entries) if only_standing else entries)
            commit.write(is_checked=only_standing)
        self.changes.add(commit.changes)

    def _announce(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.durable is not None:
                entry.durable.set_result(None)
        self.changes.commits += 1
        self._loop.call_soon_threadsafe(self._waiting_for_room.set)

    def _fail(self, failure: BaseException, taken: list[Entry]) -> None:
        self.lost = True
        self._failure = failure
        while True:  # those that wait for a commit which never comes must hear of it
            for entry in taken:
                if entry.durable is not None:
                    entry.durable.set_exception(failure)
            try:
                self._loop.call_soon_threadsafe(self._waiting_for_room.set)
            except RuntimeError:  # the loop is closed already
                return
            taken[:] = [left] if (left := self._entries.get()) is not None else []
            if not taken:
                return


class Overtaken(Exception):
    """A leased frame or its record is not any more what it was when it was read (I12)."""


def standing(session: Connection, entries: list[Entry]) -> list[Entry]:
    """Return the entries without those of overtaken frames, which stay ready and are walked again; locks what it returns.

    Of frames that hold the same record only the first stands: what it writes overtakes the others.
    """
    leased = [entry.frame for entry in entries if entry.frame.leased]
    ready = {row[0] for row in session.execute(sql.STANDING_FRAMES, ([frame.id for frame in leased],))}
    frames = [frame for frame in leased if frame.id in ready]
    first = {frame.record_pk: frame for frame in reversed(frames) if frame.record is not None}
    columns = ([*first], [frame.revision for frame in first.values()])
    same = {row[0] for row in session.execute(sql.STANDING_RECORDS, columns)}
    stands = {frame.id for frame in frames if frame.record is None}
    stands |= {frame.id for key, frame in first.items() if key in same}
    return [entry for entry in entries if not entry.frame.leased or entry.frame.id in stands]


class Commit:
    """One transaction's worth of entries, written table by table in the lock order."""

    def __init__(self, journal: Journal, session: Connection, entries: list[Entry]) -> None:
        self.journal, self.session, self.entries = journal, session, entries
        self.changes = Changes()
        self.counts: Counts = defaultdict(lambda: [0, 0.0])

    def write(self, *, is_checked: bool = False) -> None:
        """Write all of it.

        is_checked: what leased frames rely on is locked. Otherwise raises Overtaken where that has changed meanwhile, and
        the transaction is to be rolled back.
        """
        self._hold_back([entry for entry in self.entries if entry.end and entry.end.held_by])
        ended = [entry for entry in self.entries if entry.end is not None]
        self._mark_walked([entry for entry in self.entries if entry.end is None])
        changed = (self._end_frames(ended), self._write_records())
        if not (all(changed) or is_checked):
            raise Overtaken
        self._copy_rows()
        self._finish_steps()
        self._search_fields()
        self._set_variables()
        self._insert_prompts()
        self._stop_siblings([entry for entry in ended if entry.end and entry.end.stops_siblings])
        shift_counts(self.session, self.journal.execution_id, self.counts, self.journal.shard)

    def _hold_back(self, held: list[Entry]) -> None:
        """Let go of those that stopped for what nobody wants any more: the run was resumed before this could be seen.

        First of all that is locked here, for those who resume lock the execution before its frames.
        """
        if not held:
            return
        found = self.session.execute(sql.WANTED, (self.journal.execution_id,)).fetchone()
        control, breakpoints = found or ("", {})
        breakpoints.pop("changes", None)
        for entry in held:
            assert entry.end is not None
            if entry.end.held_by != (control, breakpoints):
                entry.end = entry.end.let_go()

    def _end_frames(self, ended: Iterable[Entry]) -> bool:
        """Whether all of them were as their walk left them."""
        rows = []
        # Rows are locked in the order of their ids, whatever order their walks ended in.
        for entry in sorted(ended, key=lambda entry: entry.frame.id):
            end, frame = entry.end, entry.frame
            assert end is not None
            error = None if end.error is None else orjson.dumps(end.error).decode()
            place = (frame.id, str(end.status), str(end.waiting_for), end.wake_at, end.at_step)
            rows.append((*place, error, int(end.by_iterate), end.forgiven, frame.began))
            if frame.alias and (end.status in FRAME_TERMINAL or end.waiting_for):
                self.counts["frame", frame.alias, str(end.status)][0] += 1
        return self._update(sql.END_FRAMES, rows, FRAME_COLUMNS)

    def _update(self, statement: str, rows: list[tuple[Any, ...]], columns: tuple[Any, ...]) -> bool:
        """Run a statement over the rows as columns; whether it changed as many."""
        if not rows:
            return True
        return self.session.execute(statement, arrays.literals(rows, columns)).rowcount == len(rows)

    def _mark_walked(self, going_on: list[Entry]) -> None:
        if going_on:
            ids = [entry.frame.id for entry in going_on]
            steps = [entry.work.rows[-1].alias if entry.work.rows else "" for entry in going_on]
            self.session.execute(sql.MARK_WALKED, (ids, steps))

    def _copy_rows(self) -> None:
        rows = [row for entry in self.entries for row in entry.work.rows]
        if not rows:
            return
        with self.session.cursor() as cursor, cursor.copy(sql.COPY_STEPS) as copy:
            copy.write(b"".join([row.line for row in rows]))
        for row in rows:
            count = self.counts["step", row.alias, row.status]
            count[0] += 1
            count[1] += row.duration_ms
        self.changes.rows += len(rows)

    def _finish_steps(self) -> None:
        rows = []
        for entry in self.entries:
            for receipt in entry.work.receipts:
                self._count_receipt(receipt)
                place = (entry.frame.id, receipt.alias, receipt.attempt)
                rows.append((*place, receipt.status, _text(receipt.output), _text(receipt.error), receipt.duration_ms))
        self._update(sql.FINISH_STEPS, rows, STEP_COLUMNS)

    def _count_receipt(self, receipt: Receipt) -> None:
        self.counts["step", receipt.alias, StepStatus.RUNNING][0] -= 1
        count = self.counts["step", receipt.alias, receipt.status]
        count[0] += 1
        count[1] += receipt.duration_ms

    def _write_records(self) -> bool:
        """Whether all of them were there, and those of leased frames as they were read."""
        rows = []
        for entry in self.entries:
            frame, end = entry.frame, entry.end
            if frame.record is None or not (entry.work.operations or (end and end.record_status)):
                continue
            status = end.record_status if end else None
            error = end.error["message"] if end and end.error and status == "failed" else ""
            operations = jsontools.dumps(entry.work.operations).decode() if entry.work.operations else None
            lease = (frame.revision, frame.id, frame.alias) if frame.leased else (None, None, None)
            rows.append((frame.record_pk, operations, status, error, end.retried if end else 0, *lease))
            if status:
                self.changes.records[str(frame.record_pk)] = (frame.record.record_id, status)
        rows.sort(key=lambda row: row[0].bytes)  # another run may commit the same records at the same time
        return self._merge_and_write(rows)

    def _merge_and_write(self, rows: list[tuple[Any, ...]]) -> bool:
        """A record may come twice in one commit (progress, then the end): such are written one after the other."""
        if len({row[0] for row in rows}) == len(rows):
            return self._update(sql.WRITE_RECORDS, rows, RECORD_COLUMNS)
        written = [self._update(sql.WRITE_RECORDS, [row], RECORD_COLUMNS) for row in rows]
        return all(written)

    def _search_fields(self) -> None:
        """Let records be found by what steps wrote into their fields; what goes elsewhere costs nothing here."""
        changed = [
            entry.frame.record_pk
            for entry in self.entries
            if entry.frame.record_pk and any(operation["path"][0] == "fields" for operation in entry.work.operations)
        ]
        if changed:
            with self.session.cursor() as cursor:
                search.refresh(cursor, self.journal.workflow_id, changed)

    def _set_variables(self) -> None:
        given = [variable for entry in self.entries for variable in entry.work.variables]
        if given:
            with self.session.cursor() as cursor:
                set_by_steps(cursor, self.journal.workflow_id, self.journal.execution_id, given)

    def _insert_prompts(self) -> None:
        prompts = [prompt for entry in self.entries for prompt in entry.work.prompts]
        if prompts:
            self.session.execute(sql.INSERT_PROMPTS, (jsontools.dumps(prompts).decode(),))
            self.changes.prompts.extend(str(prompt["id"]) for prompt in prompts)

    def _stop_siblings(self, stopping: list[Entry]) -> None:
        if stopping:
            parents = sorted({entry.frame.parent_id for entry in stopping if entry.frame.parent_id is not None})
            cancel_below(self.session, parents, self.counts)


def cancel_below(session: Connection, parents: list[int], counts: Counts) -> int:
    """Cancel every frame that is ready or waits below `parents`, give its record back, and return how many."""
    total = 0
    for alias, was, count in session.execute(sql.CANCEL_BELOW, {"parents": parents}).fetchall():
        counts["frame", alias, "cancelled"][0] += count
        if was == "waiting":
            counts["frame", alias, "waiting"][0] -= count
        total += count
    return total


def shift_counts(session: Connection, execution_id: UUID, counts: Counts, shard: int) -> None:
    """Add the deltas to the execution's counts; part of the transaction that changed what is counted."""
    shifts = [(*key, int(count), duration) for key, (count, duration) in counts.items() if count or duration]
    if shifts:
        columns = [list(column) for column in zip(*shifts, strict=True)]
        session.execute(sql.SHIFT_COUNTS, (execution_id, shard, *columns))


# --- lines of COPY's text format --------------------------------------------------------------------------------------


class RowWriter:
    """Makes journal rows of one execution: what comes again and again is encoded once."""

    def __init__(self, execution_id: UUID) -> None:
        self._head = str(execution_id).encode()
        self._attempts: dict[tuple[str, int, str], bytes] = {}
        self._second, self._prefix = -1, b""

    def row(
        self,
        frame: Frame,
        alias: str,
        attempt: int,
        status: StepStatus,
        *,
        input: bytes | None = None,
        output: bytes | None = None,
        error: bytes | None = None,
        fingerprint: str = "",
        started: float,
        duration_ms: float | None,
    ) -> Row:
        """Return the row; input, output and error are JSON (None is SQL null), started is seconds since the epoch."""
        which = (alias, attempt, status)
        line = b"%b\t%b\t%b\t%b\t%b\t%b\t%b\t%b\t%b\n" % (
            self._head,
            frame.place,
            self._attempts.get(which) or self._attempt(which),
            # JSON has no raw tabs or line ends; only its backslashes mean something to COPY.
            NULL if input is None else input.replace(b"\\", b"\\\\"),
            NULL if output is None else output.replace(b"\\", b"\\\\"),
            NULL if error is None else error.replace(b"\\", b"\\\\"),
            fingerprint.encode(),
            self._moment(started),
            NULL if duration_ms is None else b"%.4f" % duration_ms,
        )
        return Row(line, alias, status, duration_ms or 0.0)

    def _attempt(self, which: tuple[str, int, str]) -> bytes:
        alias, attempt, status = which
        return self._attempts.setdefault(which, f"{alias}\t{attempt}\t{status}".encode())

    def _moment(self, started: float) -> bytes:
        """The instant as PostgreSQL reads it; all of one second share the text up to the second."""
        second = int(started)
        if second != self._second:
            self._second, self._prefix = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}".encode()
        return b"%b.%06d+00" % (self._prefix, (started - second) * 1_000_000)


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()
