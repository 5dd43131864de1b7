"""Walking a frame: its block from the top, step by step.

`walk` is a coroutine, but awaits only where a step really has to wait. A block that is `inline` never does, so the
slice drives it with a single `send` and no task (see `walk_inline`): at ten thousand records a second scheduling would
cost more than the work.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
from django import db

from director import jsontools
from director.errors import DirectorError
from director.ids import uuid7
from executions.engine.frames import Frame, FrameEnd, Receipt, Recorded, Row
from executions.engine.journal import Journal, RowWriter
from executions.engine.retry import RECORD_RETRY, delay_for, is_retryable, next_delay
from executions.errors import NoItems, NoRecording, StepInterrupted, StepTimedOut, ValueTooLarge
from executions.states import STEP_SETTLED, FrameStatus, StepStatus, WaitingFor
from records import patches
from records.creation import Tally, items_of
from records.masking import mask_values
from records.variable_rules import StepVariable
from workflows.definition.plan import BlockPlan, OnError, Plan, StepPlan
from workflows.expressions.failures import kind_of
from workflows.readers.items import Item, Problem
from workflows.step_types.base import (
    AskPerson,
    EndBlock,
    IterateBody,
    Outcome,
    SetVariable,
    StepCall,
    StreamItems,
    TakeBranch,
    WaitUntil,
)

if TYPE_CHECKING:
    from executions.engine.context import RunContext

Scope = MutableMapping[str, Any]
GIVEN_UP = {"code": "given_up", "message": "Its worker died over it, and it was begun again with another input."}
# Nobody's fault: the slice ends by them, and the sweep gives its frames to another. So do deadlocks.
OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, db.OperationalError, db.InterfaceError)
RANDOM = Random()  # noqa: S311 - jitter of back-off, not a secret


class Parked(Exception):
    """The walk leaves its frame as `end` says; raised through the blocks, not an error."""

    def __init__(self, end: FrameEnd | None) -> None:
        self.end = end  # None: the frame is parked in the database already


class StepFailed(Exception):
    """A step failed for good in this walk; `error` is what is recorded."""

    def __init__(self, step: StepPlan, attempt: int, error: dict[str, Any]) -> None:
        self.step, self.attempt, self.error = step, attempt, error


@dataclass(slots=True)
class Attempt:
    """One attempt of a step under way."""

    frame: Frame
    step: StepPlan
    scope: Scope
    number: int
    started: float
    clock: float
    intent: bool = False
    input: bytes | None = None

    def duration_ms(self) -> float:
        return (time.perf_counter() - self.clock) * 1000

    def tried(self) -> int:
        """How many attempts count against the step's retry policy, this one among them.

        Those forgiven to the frame were of the step that had failed then; one that has not come so far is another.
        """
        forgiven = self.frame.forgiven
        return self.number - forgiven if forgiven < self.number else self.number

    def go_on(self, recorded: Recorded) -> None:
        """Be the attempt whose `running` row is in the journal already; the time since then counts."""
        self.intent, self.number, self.started = True, recorded.attempt, recorded.started
        self.clock = time.perf_counter() - max(time.time() - recorded.started, 0.0)


class Walker:
    """Walks the frames of one slice; knows the plan, the run and the journal, holds nothing of a frame."""

    def __init__(
        self, plan: Plan, run: RunContext, journal: Journal, services: Services, *, max_value_bytes: int
    ) -> None:
        self.plan, self.run, self.journal, self.services = plan, run, journal, services
        self.rows = RowWriter(run.execution_id)
        self.max_value_bytes = max_value_bytes

    def walk_inline(self, frame: Frame, block: BlockPlan, scope: Scope) -> FrameEnd:
        """Walk an inline block straight through: its coroutine ends without ever having waited."""
        walking = self.walk(frame, block, scope)
        try:
            walking.send(None)
        except StopIteration as done:
            end: FrameEnd | None = done.value
            assert end is not None
            return end
        walking.close()
        raise RuntimeError(f"block {block.key!r} is marked inline but a step in it waited")

    async def walk(self, frame: Frame, block: BlockPlan, scope: Scope) -> FrameEnd | None:
        """Walk the block and return how it leaves the frame; what it did is in `frame.work` or durable already.

        None: the frame was parked in the transaction that made its children, there is nothing left to write.
        """
        try:
            await self._block(frame, block, scope)
        except Parked as parked:
            return parked.end
        except StepFailed as failure:
            return self._failed(frame, failure)
        return FrameEnd(FrameStatus.COMPLETE, "complete")

    async def _block(self, frame: Frame, block: BlockPlan, scope: Scope) -> None:
        for step in block.steps:
            await self._step(frame, step, scope)

    async def _step(self, frame: Frame, step: StepPlan, scope: Scope) -> None:
        recorded = frame.recorded.get(step.alias) if frame.recorded else None
        if recorded is not None and recorded.status in STEP_SETTLED:
            await self._reuse(frame, step, scope, recorded)
            return
        if self.journal.held:
            self._heed_control(frame, step)
        attempt = Attempt(frame, step, scope, recorded.attempt + 1 if recorded else 1, time.time(), time.perf_counter())
        try:
            if (step.pause_when is not None or self.journal.breakpoints) and not _is_under_way(recorded):
                self._heed_breakpoints(frame, step, scope)
            await self._attempt(attempt, recorded)
        except DirectorError as error:
            self._attempt_failed(attempt, error)
        except (Parked, StepFailed, *OUTAGES):
            raise
        except Exception as error:
            self._attempt_failed(attempt, Unexpected(error))

    async def _reuse(self, frame: Frame, step: StepPlan, scope: Scope, recorded: Recorded) -> None:
        """Take the recorded outcome for the step (I2); a branch that was taken is walked, it may not be done yet."""
        scope[step.alias] = recorded.output
        if recorded.status == StepStatus.SKIPPED:
            return
        if step.blocks and step.iterate is None:
            await self._branch(frame, step, scope, recorded.output)
        if step.type.ends_block:
            raise Parked(_ended(recorded.output))
        if self._ends_after(step, copied=False):
            raise Parked(FrameEnd(FrameStatus.COMPLETE, "complete"))

    def _ends_after(self, step: StepPlan, *, copied: bool) -> bool:
        """Whether the frame ends with the iterate: in a retry, one that is there only for the copied frames below it."""
        return step.alias in self.run.stop_after and (copied or self.run.again is not None)

    def _heed_control(self, frame: Frame, step: StepPlan, *, forgiven: int | None = None) -> NoReturn:
        """At a step boundary: leave the frame, for a person paused, cancelled or changed the run.

        A change makes it ready again: the next slice knows what was changed.
        """
        at = step.alias
        if self.journal.control == "pause":
            raise self._held_back(step, forgiven)
        if self.journal.control == "cancel":
            raise Parked(FrameEnd(FrameStatus.CANCELLED, "discovered", at))
        raise Parked(FrameEnd(FrameStatus.READY, "waiting", at, forgiven=forgiven))

    def _heed_breakpoints(self, frame: Frame, step: StepPlan, scope: Scope) -> None:
        """Hold the frame back when a person named its record; once before a step that is named or whose `pause_when` is true."""
        if self._is_held(frame) or (frame.passes != step.alias and self._stops(step, scope)):
            raise self._held_back(step)

    def _held_back(self, step: StepPlan, forgiven: int | None = None) -> Parked:
        wanted = (self.journal.control, self.journal.breakpoints)
        park = FrameEnd(FrameStatus.WAITING, "waiting", step.alias, waiting_for=WaitingFor.PAUSE)
        return Parked(replace(park, forgiven=forgiven, held_by=wanted))

    def _is_held(self, frame: Frame) -> bool:
        points, record = self.journal.breakpoints, str(frame.record_pk)
        if record in points.get("cancelled", ()):
            raise Parked(FrameEnd(FrameStatus.CANCELLED, "discovered"))
        only = points.get("only", {}).get(frame.alias)
        return record in points.get("records", ()) or (only is not None and record not in only)

    def _stops(self, step: StepPlan, scope: Scope) -> bool:
        if step.alias in self.journal.breakpoints.get("steps", ()):
            return True
        return step.pause_when is not None and _evaluated(step.pause_when.test, scope)

    async def _attempt(self, attempt: Attempt, recorded: Recorded | None) -> None:
        step, scope = attempt.step, attempt.scope
        if step.type.asks and recorded is not None and recorded.status == StepStatus.RUNNING:
            attempt.go_on(recorded)
            await self.services.look_at_prompt(attempt)
            raise Parked(_asked(step))
        if step.when is not None and not _evaluated(step.when.test, scope):
            scope[step.alias] = None
            self._record(attempt, StepStatus.SKIPPED)
            return
        override = self.run.override(step.alias, attempt.frame) if self.run.changes and step.iterate is None else {}
        if "output" in override:
            await self._answered(attempt, override["output"], StepStatus.OVERRIDDEN)
            return
        config = _evaluated(step.render, scope, override.get("input"))
        if step.iterate is not None:
            await self.services.iterate(self, attempt, recorded)
            return
        attempt.input = self._dump(config, step, "input") if config else None
        if self.run.is_dry and (step.type.effect.needs_intent or step.type.asks or step.create is not None):
            await self._answered(attempt, await self.services.recording(attempt), StepStatus.REUSED)
            return
        if step.type.effect.needs_intent:
            await self._intend(attempt, recorded)
        call = self._call(attempt, config)
        is_quick = step.type.effect.is_pure and step.timeout_seconds is None
        outcome = _evaluated(step.type.run, call) if is_quick else await _perform(step, call)
        if isinstance(outcome, Outcome) or step.create is not None:
            await self._settle(attempt, outcome)
        else:
            self._complete(attempt, outcome)

    async def _intend(self, attempt: Attempt, recorded: Recorded | None) -> None:
        """Make the intent durable before the effect (I4); what an earlier one without receipt means is decided here."""
        if recorded is not None and recorded.status == StepStatus.RUNNING:
            may_repeat = attempt.step.type.effect.may_repeat
            if not may_repeat or recorded.fingerprint == fingerprint(attempt.input):
                attempt.intent, attempt.number = True, recorded.attempt
                if not may_repeat:
                    raise StepInterrupted(attempt.step.alias)
                return
            self._give_up(attempt.frame, attempt.step.alias, recorded)
        attempt.frame.work.rows.append(self._running_row(attempt))
        attempt.intent = True
        await self.journal.commit(attempt.frame)
        self._heed_control_after_intent(attempt)

    def _give_up(self, frame: Frame, alias: str, recorded: Recorded) -> None:
        """End an intent whose step is now done with another input, as an attempt of its own: a row says what it was given."""
        frame.work.receipts.append(
            Receipt(alias, recorded.attempt, StepStatus.FAILED, None, jsontools.dumps(GIVEN_UP), 0.0)
        )

    def _running_row(self, attempt: Attempt) -> Row:
        return self.rows.row(
            attempt.frame,
            attempt.step.alias,
            attempt.number,
            StepStatus.RUNNING,
            input=attempt.input,
            fingerprint=fingerprint(attempt.input),
            started=attempt.started,
            duration_ms=None,
        )

    def _heed_control_after_intent(self, attempt: Attempt) -> None:
        """The commit of the intent may have brought the news of a pause: the effect has not begun, so it need not.

        Such an attempt does not count against the step's retry policy.
        """
        if self.journal.held:
            held_back = {"code": "held_back", "message": "Not begun: the run was just paused, cancelled or changed."}
            self._record(attempt, StepStatus.FAILED, error=held_back)
            self._heed_control(attempt.frame, attempt.step, forgiven=attempt.number)

    def _call(self, attempt: Attempt, config: Any) -> StepCall:
        frame, run = attempt.frame, self.run
        record_id = frame.record.record_id if frame.record else None
        ids = (run.workflow_id, run.execution_id, frame.id, record_id)
        return StepCall(attempt.step, config, attempt.scope, attempt.number, *ids)

    async def _settle(self, attempt: Attempt, outcome: Any) -> None:
        """Record the outcome and do what it asks of the engine."""
        step, scope = attempt.step, attempt.scope
        match outcome:
            case TakeBranch(key, output):
                self._complete(attempt, {**output, "key": key} if isinstance(output, dict) else {"key": key})
                await self._branch(attempt.frame, step, scope, scope[step.alias])
            case WaitUntil(at, output):
                self._wait(attempt, at, output)
            case EndBlock(output, skip):
                self._complete(attempt, {"output": output, "skip": skip})
                raise Parked(_ended(scope[step.alias]))
            case SetVariable(key, value, output):
                if key in self.run.rules:
                    self.run.rules[key].check(value)
                encoded = self._dump(value, step, f"variable {key}")
                attempt.frame.work.variables.append(StepVariable(key, encoded, step.alias, own=self.run.is_dry))
                scope[key] = value
                self._complete(attempt, output)
            case StreamItems(items):
                await self._items(attempt, items)
            case AskPerson(prompt):
                self._ask(attempt, prompt)
            case IterateBody():
                raise TypeError(f"step type {step.type.name} asks for an iterate but its step has no iterate plan")
            case _:
                self._complete(attempt, await self._create(attempt, _as_items(outcome, step.alias)))

    async def _items(self, attempt: Attempt, items: Iterable[Item | Problem]) -> None:
        if attempt.step.create is not None:
            self._complete(attempt, await self._create(attempt, items))
            return
        collected, unread = await asyncio.to_thread(_collect, items, self.max_value_bytes, attempt.step.alias)
        if unread.problems:
            await self.services.tell_unread(attempt, unread, self.run)
        self._complete(attempt, collected)

    async def _create(self, attempt: Attempt, items: Iterable[Item | Problem]) -> dict[str, Any]:
        """Make records of the items. Not one transaction with the journal: run again, it meets the same records."""
        assert attempt.step.create is not None
        return await self.services.create_records(attempt.step, self._until_cancelled(items, attempt.step), self.run)

    def _until_cancelled(self, items: Iterable[Item | Problem], step: StepPlan) -> Iterator[Item | Problem]:
        """A source is read for minutes: a cancel does not wait for its end. What it gave so far stays."""
        for item in items:
            if self.journal.control == "cancel":
                raise Parked(FrameEnd(FrameStatus.CANCELLED, "discovered", step.alias))
            yield item

    async def _branch(self, frame: Frame, step: StepPlan, scope: Scope, output: Any) -> None:
        key = output.get("key") if isinstance(output, dict) else None
        if key is not None:
            await self._block(frame, step.block(key), scope)

    def _wait(self, attempt: Attempt, at: datetime, output: Any) -> None:
        """Park the frame until `at`. The row says complete already: woken, the walk passes over it. A dry run has no time."""
        self._complete(attempt, output)
        if self.run.is_dry:
            return
        raise Parked(
            FrameEnd(FrameStatus.WAITING, "waiting", attempt.step.alias, waiting_for=WaitingFor.TIMER, wake_at=at)
        )

    def _ask(self, attempt: Attempt, prompt: Mapping[str, Any]) -> NoReturn:
        """Park the frame behind a prompt; its row stays `running` until `executions.outcomes` writes the answer."""
        frame, step = attempt.frame, attempt.step
        if not attempt.intent:
            frame.work.rows.append(self._running_row(attempt))
        place = {"workflow_id": self.run.workflow_id, "execution_id": self.run.execution_id, "frame_id": frame.id}
        about = {"record_id": frame.record_pk, "alias": step.alias, "attempt": attempt.number}
        frame.work.prompts.append({**prompt, "id": uuid7(), **place, **about})
        raise Parked(_asked(step))

    async def _answered(self, attempt: Attempt, output: Any, status: StepStatus) -> None:
        """Take a person's word for the outcome, or what was recorded of it."""
        self._complete(attempt, output, status)
        if attempt.step.blocks and attempt.step.iterate is None:
            await self._branch(attempt.frame, attempt.step, attempt.scope, output)

    def _complete(self, attempt: Attempt, output: Any, status: StepStatus = StepStatus.COMPLETE) -> None:
        step, frame = attempt.step, attempt.frame
        encoded = self._dump(output, step, "output")
        attempt.scope[step.alias] = output
        if step.store is not None:
            assert frame.record is not None
            operation = patches.set_at(step.store, output)
            frame.work.operations.append(operation)
            frame.record.data = patches.apply(frame.record.data, (operation,))
        self._record(attempt, status, output=encoded)

    def complete_iterate(self, attempt: Attempt, result: dict[str, Any], *, copied: bool = False) -> None:
        """Record an iterate's result, and end the frame with it where that is all it is there for.

        copied: the frames of its records are copies, with which a retry or a replay began.
        """
        self._complete(attempt, result)
        if self._ends_after(attempt.step, copied=copied):
            raise Parked(FrameEnd(FrameStatus.COMPLETE, "complete"))

    def _record(
        self, attempt: Attempt, status: StepStatus, *, output: bytes | None = None, error: dict[str, Any] | None = None
    ) -> None:
        """Add the journal row of the attempt, or the receipt of its intent, to what the frame hands over next."""
        encoded = None if error is None else jsontools.dumps(error)
        work = attempt.frame.work
        if attempt.intent:
            work.receipts.append(
                Receipt(attempt.step.alias, attempt.number, status, output, encoded, attempt.duration_ms())
            )
            return
        work.rows.append(
            self.rows.row(
                attempt.frame,
                attempt.step.alias,
                attempt.number,
                status,
                input=attempt.input,
                output=output,
                error=encoded,
                fingerprint="" if _is_pure(attempt.step) else fingerprint(attempt.input),
                started=attempt.started,
                duration_ms=attempt.duration_ms(),
            )
        )

    def _attempt_failed(self, attempt: Attempt, error: DirectorError) -> NoReturn:
        """Record the failure, then park the frame for another attempt or give up the walk."""
        recorded = self._described(error, attempt)
        interrupted = isinstance(error, StepInterrupted)
        self._record(attempt, StepStatus.INTERRUPTED if interrupted else StepStatus.FAILED, error=recorded)
        tried = attempt.tried()
        policy = attempt.step.retry
        if not interrupted and policy is not None and is_retryable(policy, tried, error):
            at = datetime.now(UTC) + delay_for(policy, tried, error, random=RANDOM)
            again = FrameEnd(FrameStatus.WAITING, "waiting", attempt.step.alias, recorded, WaitingFor.RETRY, at)
            raise Parked(replace(again, retried=1, forgiven=attempt.number - tried))
        raise StepFailed(attempt.step, attempt.number, recorded)

    def _described(self, error: DirectorError, attempt: Attempt) -> dict[str, Any]:
        """Return the error as it is recorded: without secrets, for its words go on to the record, the run and its people."""
        step, secrets = attempt.step, self.run.secrets(attempt.scope, attempt.step.names).texts
        message = mask_values(error.message, secrets)
        described = {"code": error.code, "message": message, "step": step.alias, "attempt": attempt.number}
        return {**described, "data": mask_values(error.data, secrets)} if error.data else described

    def _failed(self, frame: Frame, failure: StepFailed) -> FrameEnd:
        """What the iterate around the frame says of a failed record; the root has none and simply fails."""
        iterate = self.plan.steps[frame.alias].iterate if frame.alias else None
        at_step = failure.step.alias
        final = failure.error["code"] in (StepInterrupted.code, NoRecording.code)
        if iterate and iterate.on_error is OnError.RETRY and frame.retries < iterate.max_retries and not final:
            at = datetime.now(UTC) + next_delay(RECORD_RETRY, frame.retries + 1, random=RANDOM)
            return FrameEnd(
                FrameStatus.WAITING,
                "waiting",
                at_step,
                failure.error,
                WaitingFor.RETRY,
                at,
                retried=1,
                by_iterate=True,
                forgiven=failure.attempt,
            )
        stops = iterate is not None and iterate.on_error in (OnError.STOP, OnError.MARK_FAILED_STOP)
        return FrameEnd(FrameStatus.FAILED, "failed", at_step, failure.error, stops_siblings=stops)

    def _dump(self, value: Any, step: StepPlan, what: str) -> bytes:
        encoded = jsontools.dumps(value)
        if len(encoded) > self.max_value_bytes:
            raise ValueTooLarge(f"The {what} of step {step.alias}", len(encoded), self.max_value_bytes)
        return encoded


class Services:
    """What a walker asks of the engine beyond running steps; made by the slice, faked in tests."""

    async def iterate(self, walker: Walker, attempt: Attempt, recorded: Recorded | None) -> None:
        """Make or join the frames of an iterate: completes the attempt or raises Parked."""
        raise NotImplementedError

    async def create_records(self, step: StepPlan, items: Iterable[Item | Problem], run: RunContext) -> dict[str, Any]:
        raise NotImplementedError

    async def tell_unread(self, attempt: Attempt, unread: Tally, run: RunContext) -> None:
        """Tell in the log of the run what of a source could not be read."""
        raise NotImplementedError

    async def look_at_prompt(self, attempt: Attempt) -> None:
        """Return while the prompt is open; raise PromptTimedOut when it was to be answered by now."""
        raise NotImplementedError

    async def recording(self, attempt: Attempt) -> Any:
        """Return the output that the replayed run recorded for the same input; raise NoRecording."""
        raise NotImplementedError


class Unexpected(DirectorError):
    """A step type raised something that is not of the tree: a defect, shown with its type."""

    code = "unexpected_error"

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")


def _evaluated(evaluate: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return evaluate(*arguments)
    except DirectorError:
        raise
    except Exception as error:  # such as a filter or an operator of a template that met a value it cannot take
        raise Unexpected(error) from error


async def _perform(step: StepPlan, call: StepCall) -> Any:
    """Run a type that takes its time, within the step's time-out; whatever it raises comes out as a DirectorError."""
    try:
        return await asyncio.wait_for(_in_background(step.type.run, call), step.timeout_seconds)
    except DirectorError:
        raise
    except TimeoutError as error:
        raise StepTimedOut(step.alias, step.timeout_seconds or 0) from error
    except Exception as error:
        raise Unexpected(error) from error


async def _in_background(run: Callable[[StepCall], Any], call: StepCall) -> Any:
    if inspect.iscoroutinefunction(run):
        return await run(call)
    return await asyncio.to_thread(run, call)


def fingerprint(rendered: bytes | None) -> str:
    """Return what an effect's rendered input is recognised by."""
    return hashlib.sha256(rendered or b"null").hexdigest()


def _is_under_way(recorded: Recorded | None) -> bool:
    return recorded is not None and recorded.status == StepStatus.RUNNING


def _is_pure(step: StepPlan) -> bool:
    return step.type.effect.is_pure and step.create is None


def _asked(step: StepPlan) -> FrameEnd:
    return FrameEnd(FrameStatus.WAITING, "waiting", step.alias, waiting_for=WaitingFor.PROMPT)


def _ended(output: Any) -> FrameEnd:
    if output["skip"]:
        return FrameEnd(FrameStatus.SKIPPED, "skipped")
    return FrameEnd(FrameStatus.COMPLETE, "complete")


def _as_items(value: Any, alias: str) -> Iterable[Item]:
    if not isinstance(value, list | dict):
        raise NoItems(alias, kind_of(value))
    return items_of(value if isinstance(value, list) else [value], alias)


def _collect(items: Iterable[Item | Problem], limit: int, alias: str) -> tuple[list[Any], Tally]:
    """Return the items as a list for a step without `create_records`, and what could not be read; stops at the size limit."""
    collected, size, unread = [], 0, Tally("")
    for item in items:
        if isinstance(item, Problem):
            unread.add(item.position, "failed", item.reason)
            continue
        size += len(jsontools.dumps(item.data))
        if size > limit:
            raise ValueTooLarge(f"What step {alias} reads, without create_records to make records of it,", size, limit)
        collected.append(item.data)
    return collected, unread
