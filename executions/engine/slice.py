"""One task run: claims ready frames of an execution and walks them for a few seconds, then passes on what is left.

Three things go on at once: the loop walks frames, a thread claims the next batch, and the journal's thread commits what
was walked. Inline frames are walked on the loop's own thread, others as tasks of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection as django_connection

from director import jsontools
from executions import attention, events
from executions.engine import iterate, settle, sql
from executions.engine.claim import FIRST_BATCH, MAX_BATCH, Batch, Claimer
from executions.engine.context import Contexts, RunContext
from executions.engine.database import Connection, CountingCursor, connect
from executions.engine.frames import Frame, FrameEnd, Recorded
from executions.engine.iterate import Begin
from executions.engine.journal import Entry, Journal
from executions.engine.walk import Attempt, Parked, Services, Walker, fingerprint
from executions.errors import IterateStopped, NoRecording, NoRecordsNamed, NotAList, PromptTimedOut
from executions.models import Execution
from executions.notices import LogEvent, LogLevel
from executions.nudge import nudge
from executions.states import FrameStatus, StepStatus, WaitingFor
from records.creation import Tally, create_records
from workflows.definition.compile import compile_plan
from workflows.definition.plan import BlockPlan, OnError, Plan, StepPlan
from workflows.errors import ExpressionFailed
from workflows.expressions import Expression, RecordView
from workflows.expressions.failures import kind_of
from workflows.readers.items import Item, Problem

logger = logging.getLogger(__name__)

WORKER = f"{socket.gethostname()}:{os.getpid()}"
MAX_WALKS = 64  # tasks of one slice that may wait for something outside at the same time
JOURNAL_ROOM = 2_000  # entries that may wait for their commit before walking waits too
LOOK_AGAIN_SECONDS = 0.5  # for frames that became ready while every walk of this slice waits for something
FRAMES_PER_TURN = 100  # inline frames walked before the loop looks at anything else


@dataclass(slots=True)
class Outcome:
    """What a slice did, and whether another has work to go on with."""

    walked: int = 0
    more: bool = False
    status: str = ""


def run(execution_id: UUID) -> Outcome:
    """Walk ready frames of the execution for up to DIRECTOR_SLICE_SECONDS.

    Returns at once when the execution is over, paused, or has nothing ready. Raises what ended the slice early; its
    frames are then taken back by the sweep.
    """
    with connect(application_name="director claim") as session:
        opened = _open(session, execution_id)
        if opened is None:
            return Outcome(status=settle.settle(session, execution_id))
        # Read after it is opened, so that what people changed before is known from the first step on.
        execution = Execution.objects.select_related("version").get(pk=execution_id)
        return asyncio.run(_Slice(session, execution, opened).run())


def _open(session: Connection, execution_id: UUID) -> int | None:
    lease = timedelta(seconds=settings.DIRECTOR_LEASE_SECONDS)
    found = session.execute(sql.OPEN_SLICE, {"execution": execution_id, "worker": WORKER, "lease": lease}).fetchone()
    return found[0] if found else None


def run_context(execution: Execution) -> RunContext:
    return RunContext(
        execution_id=execution.pk,
        workflow_id=execution.workflow_id,
        number=execution.number,
        labels=execution.labels,
        trigger=execution.trigger_data,
        version_number=execution.version.number,
        overrides=execution.overrides,
        shown_as=_shown_as(execution),
    )


def _shown_as(execution: Execution) -> dict[str, Any] | None:
    original = execution.replay_of if execution.overrides.get("dry") else None
    return None if original is None else {"id": str(original.pk), "number": original.number}


class _Slice:
    def __init__(self, session: Connection, execution: Execution, slice_id: int) -> None:
        self.session, self.slice_id = session, slice_id
        self.plan: Plan = compile_plan(execution.version)
        self.context = run_context(execution)
        self.contexts = Contexts(self.plan, self.context)
        self.claimer = Claimer(session, self.plan, self.contexts, slice_id, replays=execution.replay_of_id is not None)
        self.deadline = time.monotonic() + settings.DIRECTOR_SLICE_SECONDS
        self.outcome = Outcome()
        self.breakpoints = execution.breakpoints
        self.called = False
        # The root is walked alone and is no reason to claim little.
        self.all_inline = all(step.blocks[0].inline for step in self.plan.steps.values() if step.iterate)
        self.walks: set[asyncio.Task[None]] = set()
        self.failure: Exception | None = None  # what broke a walk: its frame is not through, and nobody has it
        self.stopped: set[int | None] = set()  # parents of which a child failed that stops the others
        self.listening = False
        self.publisher = events.Publisher(execution.number, execution.workflow_id)
        self.statements = CountingCursor.statements

    async def run(self) -> Outcome:
        """Claim and walk until time is up or nothing is left; then close the slice and settle the execution."""
        lease = timedelta(seconds=settings.DIRECTOR_LEASE_SECONDS)
        self.journal = Journal(
            self.context.execution_id,
            self.context.workflow_id,
            self.slice_id,
            breakpoints=self.breakpoints,
            lease=lease,
            room=JOURNAL_ROOM,
        )
        services = EngineServices(self.slice_id, self.plan)
        self.walker = Walker(
            self.plan, self.context, self.journal, services, max_value_bytes=settings.DIRECTOR_MAX_VALUE_BYTES
        )
        self.claims = ThreadPoolExecutor(1, thread_name_prefix="claim")
        try:
            await self._work()
            await self._close()
        finally:
            self._stop_listening()
            self.journal.close()
            self.claims.shutdown()
        return self.outcome

    async def _work(self) -> None:
        claiming = self._claim()
        idle_since = -1  # how many had been walked when last nothing was ready and nothing was under way
        while True:
            batch = await claiming
            if not batch.frames:
                if self.outcome.walked == idle_since or not self._has_time():
                    break
                await self._look_around()
                # A walk under way may make frames ready while the claim looks for them.
                idle_since = -1 if self.walks else self.outcome.walked
                claiming = self._claim(drained=True)
                continue
            self._call_for_help(len(batch.frames))
            # Inline frames: the next batch is claimed while this one is walked.
            ahead = self._claim() if self.all_inline and not batch.suspect and self._has_time() else None
            await self._walk_batch(batch)
            if ahead is None and not self._has_time():
                break
            claiming = ahead or self._claim()

    async def _look_around(self) -> None:
        """Nothing is ready: wake what waits no longer, or else wait for a walk to end."""
        if self.walks:
            await asyncio.wait(self.walks, timeout=LOOK_AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        await self.journal.drain()
        self.publisher.publish(self.journal.changes)
        await self._wake()

    def _claim(self, *, drained: bool = False) -> asyncio.Future[Batch]:
        """Claim as many as there is room for: a batch of inline frames, or as many walks as may still be begun."""
        room = MAX_BATCH if self.all_inline else MAX_WALKS - len(self.walks)
        claim = partial(self.claimer.claim, room, drained=drained)
        return asyncio.get_running_loop().run_in_executor(self.claims, claim)

    def _has_time(self) -> bool:
        return not (time.monotonic() > self.deadline or self.journal.held or self.journal.lost or self.failure)

    def _call_for_help(self, claimed: int) -> None:
        """A full batch says that there is work for another worker, if one is free; one call for each slice."""
        if claimed >= FIRST_BATCH and not self.called:
            self.called = True
            nudge(self.context.execution_id)

    async def _walk_batch(self, batch: Batch) -> None:
        if batch.suspect:  # they are to be blamed for what happens now, and nobody else
            await self._finish_walks()
        for place, (frame, scope) in enumerate(batch.frames):
            if place % FRAMES_PER_TURN == 0:
                await asyncio.sleep(0)
                await self.journal.has_room()
                self.publisher.publish(self.journal.changes)
            self._walk(frame, scope)
        self.outcome.walked += len(batch.frames)
        if batch.suspect:
            await self._finish_walks()
        while len(self.walks) > MAX_WALKS // 2:
            await asyncio.wait(self.walks, return_when=asyncio.FIRST_COMPLETED)

    def _walk(self, frame: Frame, scope: dict[str, Any]) -> None:
        block = self.contexts.block(frame)
        if frame.leased:
            frame.began = time.time()
        if frame.untaken:
            self.journal.put(Entry(frame, frame.hand_over(), _not_taken()))
        elif frame.leased and frame.parent_id in self.stopped:
            return  # the commit of the failure cancels it
        elif block.inline:
            end = self.walker.walk_inline(frame, block, scope)
            if end.stops_siblings:
                self.stopped.add(frame.parent_id)
            self.journal.put(Entry(frame, frame.hand_over(), end))
        else:
            self._walk_task(frame, block, scope)

    def _listen(self) -> None:
        """Hear of a pause also while no walk commits anything; where all is inline, commits follow each other closely."""
        if not self.listening:
            self.listening = True
            attention.listener.listen(self.context.execution_id, self.journal.look)

    def _stop_listening(self) -> None:
        if self.listening:
            attention.listener.leave(self.context.execution_id, self.journal.look)

    def _walk_task(self, frame: Frame, block: BlockPlan, scope: dict[str, Any]) -> None:
        self._listen()
        task = asyncio.create_task(self._walk_to_end(frame, block, scope))
        self.walks.add(task)
        task.add_done_callback(self.walks.discard)

    async def _walk_to_end(self, frame: Frame, block: BlockPlan, scope: dict[str, Any]) -> None:
        try:
            end = await self.walker.walk(frame, block, scope)
        except Exception as error:  # an outage or a defect: the slice ends by it, once the other walks are done
            self.failure = self.failure or error
            return
        if end is not None:
            self.journal.put(Entry(frame, frame.hand_over(), end))

    async def _finish_walks(self) -> None:
        """Wait until everything claimed so far is walked and durable."""
        while self.walks:
            await asyncio.wait(self.walks)
        await self.journal.drain()
        self.publisher.publish(self.journal.changes)
        if self.failure:
            raise self.failure

    async def _wake(self) -> int:
        if self.journal.control:
            return 0
        wake = partial(settle.wake, self.session, self.context.execution_id, self.plan)
        return await asyncio.get_running_loop().run_in_executor(self.claims, wake)

    async def _close(self) -> None:
        """Wake what waits no longer, give up the lease, then settle: whoever closes last sees all that was done.

        In this order, because a slice that is lost before it woke others is noticed by its lease, and no other way.
        """
        await self._finish_walks()
        settle.wake(self.session, self.context.execution_id, self.plan)
        self.session.execute(sql.CLOSE_SLICE, {"slice": self.slice_id})
        self.outcome.status = settle.settle(self.session, self.context.execution_id)
        self.outcome.more = self.outcome.status == "running" and _has_ready(self.session, self.context.execution_id)
        self._say()
        await self.publisher.publish_last(self.journal.changes, status=self.outcome.status)

    def _say(self) -> None:
        logger.info(
            "slice closed: walked=%d commits=%d rows=%d queries=%d",
            self.outcome.walked,
            self.journal.changes.commits,
            self.journal.changes.rows,
            CountingCursor.statements - self.statements,
            extra={"execution_id": str(self.context.execution_id)},
        )


def _has_ready(session: Connection, execution_id: UUID) -> bool:
    found = session.execute(sql.HAS_READY, (execution_id,)).fetchone()
    return bool(found and found[0])


def _not_taken() -> FrameEnd:
    error = {"code": "record_taken", "message": "Another run works on this record, or it changed its status meanwhile."}
    return FrameEnd(FrameStatus.SKIPPED, None, error=error)


class EngineServices(Services):
    """Iterates and record creation, each in a thread with a session of its own: they may take long."""

    def __init__(self, slice_id: int, plan: Plan) -> None:
        self.slice_id, self.plan = slice_id, plan

    async def iterate(self, walker: Walker, attempt: Attempt, recorded: Recorded | None) -> None:
        if recorded is not None and recorded.status == StepStatus.RUNNING:
            await self._join(walker, attempt, recorded)
            return
        frame = attempt.frame
        begin = self._begin(walker, attempt)
        if frame.work:
            await walker.journal.commit(frame)
        if await asyncio.to_thread(_in_session, iterate.begin, begin):
            raise Parked(None)
        walker.complete_iterate(attempt, iterate.empty_result())

    def _begin(self, walker: Walker, attempt: Attempt) -> Begin:
        step, scope = attempt.step, attempt.scope
        plan = step.iterate
        assert plan is not None
        over = (plan.over or plan.over_records).render(scope)  # type: ignore[union-attr]
        if plan.over is not None and not isinstance(over, list):
            raise NotAList(step.alias, kind_of(over))
        if plan.over is None and (over == "" or not isinstance(over, str | list)):
            raise NoRecordsNamed(step.alias, "empty" if over == "" else kind_of(over))
        accepts = None if plan.where is None else partial(_accepts, plan.where, scope)
        config = jsontools.dumps({"over": over if plan.over_records is not None else f"{len(over)} items"})
        place = (walker.run, attempt.frame, step.alias, attempt.number)
        return Begin(*place, plan, config, over, accepts, self.slice_id, iterate.forgetting(step.blocks[0]))

    async def _join(self, walker: Walker, attempt: Attempt, recorded: Recorded) -> None:
        step, frame = attempt.step, attempt.frame
        after = int(recorded.output.get("after", 0))
        result = await asyncio.to_thread(_in_session, iterate.join, walker.run, frame.id, step.alias, after)
        if result is None:
            raise Parked(FrameEnd(FrameStatus.WAITING, None, step.alias, waiting_for=WaitingFor.CHILDREN))
        attempt.go_on(recorded)
        assert step.iterate is not None
        if step.iterate.on_error is OnError.STOP and result["failed"]:
            raise IterateStopped(step.alias, result)
        walker.complete_iterate(attempt, result, copied=after == 0)

    async def tell_unread(self, attempt: Attempt, unread: Tally, run: RunContext) -> None:
        """Write one line for the step: how many, and the first of them with their positions."""
        event = LogEvent(
            execution_id=run.execution_id,
            frame_id=attempt.frame.id,
            alias=attempt.step.alias,
            level=LogLevel.WARNING,
            message=f"Not everything could be read; left out: {unread.counts['failed']:,}.",
            data=unread.problems,
        )
        tell = partial(LogEvent.objects.bulk_create, [event], ignore_conflicts=True)
        await asyncio.to_thread(_with_own_django_connection, tell)

    async def look_at_prompt(self, attempt: Attempt) -> None:
        found = await asyncio.to_thread(_in_session, _prompt, attempt.frame.id, attempt.step.alias, attempt.number)
        if found is not None and found[0] == "timed_out":
            raise PromptTimedOut(attempt.step.alias, found[1])

    async def recording(self, attempt: Attempt) -> Any:
        key = fingerprint(attempt.input)
        found = await asyncio.to_thread(_in_session, _recording, attempt.frame.id, attempt.step.alias, key)
        if found is None:
            raise NoRecording(attempt.step.alias)
        return found[0]

    async def create_records(self, step: StepPlan, items: Iterable[Item | Problem], run: RunContext) -> dict[str, Any]:
        """Make the records in a thread with a connection of its own."""
        assert step.create is not None
        make = partial(
            create_records, run.workflow_id, items, step.create, execution_id=run.execution_id, alias=step.alias
        )
        return await asyncio.to_thread(_with_own_django_connection, make)


def _accepts(where: Expression, scope: Mapping[str, Any], record: RecordView) -> bool:
    """Whether `where` holds for the record; what fails says for which one."""
    try:
        return where.test({**scope, "current": record})
    except ExpressionFailed as error:
        raise replace(error, where=f"{error.where}, for {record.record_id}") from None


def _prompt(session: Connection, frame_id: int, alias: str, attempt: int) -> Any:
    query = "SELECT status, title FROM human_prompts WHERE frame_id = %s AND alias = %s AND attempt = %s"
    return session.execute(query, (frame_id, alias, attempt)).fetchone()


def _recording(session: Connection, frame_id: int, alias: str, key: str) -> Any:
    """The output recorded by the frame of the replayed run for the same input."""
    query = """
        SELECT s.output FROM execution_frames f JOIN execution_steps s ON s.frame_id = f.origin_id
        WHERE f.id = %s AND s.alias = %s AND s.fingerprint = %s AND s.status IN ('complete', 'reused', 'overridden')
        ORDER BY s.attempt DESC LIMIT 1
    """
    return session.execute(query, (frame_id, alias, key)).fetchone()


def _in_session(work: Any, *args: Any) -> Any:
    with connect(application_name="director iterate") as session:
        return work(session, *args)


def _with_own_django_connection(work: Any) -> Any:
    try:
        return work()
    finally:
        django_connection.close()
