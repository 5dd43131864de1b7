"""Why something does not run: one sentence for an execution, a frame or a record.

Waits for anna or the group Finance to answer “Approve invoice 7” until 14:30 UTC on 3 May.
Paused by anna before step pay: Look at it first.
No worker is up: start one with `manage.py up`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from executions.held import pauses_of
from executions.models import (
    Control,
    Execution,
    ExecutionFrame,
    ExecutionSlice,
    HumanPrompt,
    PromptStatus,
)
from executions.states import FRAME_TERMINAL, ExecutionStatus, FrameStatus, WaitingFor
from records.models import WorkflowRecord

NEAR_SECONDS = 5.0  # a worker takes work up within this time when there is one
# What the open frames wait for, the parents of open ones left aside, and whether one is ready; "ready" comes first.
# Index frame_by_status; counted up to a limit.
OPEN = """
SELECT waiting_for, count(*), min(wake_at), min(id) FROM (
    (SELECT waiting_for, wake_at, id FROM execution_frames
     WHERE execution_id = %(execution)s AND status = 'waiting' AND waiting_for <> 'children' LIMIT 10000)
    UNION ALL
    (SELECT 'ready', NULL, id FROM execution_frames WHERE execution_id = %(execution)s AND status = 'ready' LIMIT 1)
) f GROUP BY waiting_for ORDER BY waiting_for = 'ready' DESC, count(*) DESC
"""
# Children of some frames, in the iterates they are at. Index frame_by_parent.
CHILDREN = """
SELECT c.parent_id, count(*) FILTER (WHERE c.status IN ('complete', 'failed', 'skipped', 'cancelled')), count(*)
FROM execution_frames p JOIN execution_frames c ON c.parent_id = p.id AND c.alias = p.at_step
WHERE p.id = ANY (%s) GROUP BY c.parent_id
"""


def why_execution(execution: Execution) -> str:
    """Return why the execution does not run at this moment; "" when it does, or when it is over. At most 5 queries."""
    if execution.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED):
        return ""
    at_work = _slices(execution)
    if execution.control == Control.PAUSE:
        stopping = " Records that are being walked stop at their next step." if at_work else ""
        return f"{''.join(pauses_of(execution).of_run())}{_until(execution)}.{stopping}"
    if execution.control == Control.CANCEL:
        return f"Being cancelled: {_workers(at_work)} still in the middle of a step." if at_work else "Being cancelled."
    if at_work:
        return ""
    return _waits(execution)


def why_frames(execution: Execution, frames: Iterable[ExecutionFrame], *, why: str | None = None) -> dict[int, str]:
    """Return for each frame, by key, why it is not walked, or by whom it is; nothing for those that are over.

    why: what `why_execution` says, where that is known; else its queries are added where a frame is ready. At most 6
    queries, however many frames there are.
    """
    found = [frame for frame in frames if frame.status not in FRAME_TERMINAL]
    facts = _facts(execution, found, why)
    return {frame.pk: _why(frame, facts) for frame in found}


def why_frame(frame: ExecutionFrame) -> str:
    """Return why the frame is not walked, or by whom it is; "" when it is over."""
    return why_frames(frame.execution, [frame]).get(frame.pk, "")


def why_record(record: WorkflowRecord) -> str:
    """Return why nothing is done with the record at this moment; "" when it is done. At most 6 queries."""
    if record.frame_id is not None:
        frame = ExecutionFrame.objects.select_related("execution").filter(pk=record.frame_id).first()
        if frame is not None:
            return why_frame(frame)
    if record.status == "discovered":
        ready = (
            ExecutionFrame.objects.filter(record=record, status=FrameStatus.READY).select_related("execution").first()
        )
        return why_frame(ready) if ready else "No run works on it: the next one that goes over its kind takes it up."
    if record.status == "failed":
        return "It failed, and waits for somebody to retry it."
    return ""


def _waits(execution: Execution) -> str:
    if execution.status == ExecutionStatus.QUEUED:
        return _no_worker(execution)
    with connection.cursor() as cursor:
        cursor.execute(OPEN, {"execution": execution.pk})
        found = cursor.fetchall()
    if found and found[0][0] == FrameStatus.READY:
        return _no_worker(execution)
    if not found:
        return "About to go on: what it waited for has come."
    parts = [_group(execution, *row) for row in found]
    return f"{'; '.join(parts)}."


def _group(execution: Execution, waiting_for: str, count: int, wake_at: datetime | None, first: int) -> str:
    if count == 1 or waiting_for == WaitingFor.PAUSE:
        frame = ExecutionFrame.objects.select_related("execution", "record").get(pk=first)
        who = f"{count:,} records are held: " if count > 1 else f"{frame.record.record_id}: " if frame.record else ""
        return who + why_frames(execution, [frame])[frame.pk].rstrip(".")
    texts = {
        WaitingFor.PROMPT: f"{count:,} prompts are not answered yet",
        WaitingFor.TIMER: f"{count:,} records rest in a delay, the first until {_at(wake_at)}",
        WaitingFor.RETRY: f"{count:,} records are tried again, the first at {_at(wake_at)}",
    }
    return texts[WaitingFor(waiting_for)]


@dataclass(slots=True)
class Facts:
    """What the sentences about frames are made of, each by the frame. prompts: its open one; asked: who may answer that.

    held: who holds it back, and why.
    """

    execution: Execution
    ready: str = ""
    held: dict[int, tuple[str, str]] = field(default_factory=dict)
    slices: dict[int, ExecutionSlice] = field(default_factory=dict)
    children: dict[int, tuple[int, int]] = field(default_factory=dict)
    prompts: dict[int, HumanPrompt] = field(default_factory=dict)
    asked: dict[int, str] = field(default_factory=dict)


def _facts(execution: Execution, frames: list[ExecutionFrame], why: str | None) -> Facts:
    """Look up what is said of these frames, each kind of thing once."""
    waiting: dict[str, list[int]] = defaultdict(list)
    for frame in frames:
        waiting[frame.waiting_for if frame.status == FrameStatus.WAITING else frame.status].append(frame.pk)
    facts = Facts(execution)
    if waiting[WaitingFor.PAUSE]:
        facts.held = _held(execution, [frame for frame in frames if frame.waiting_for == WaitingFor.PAUSE])
    if waiting[FrameStatus.READY]:
        facts.ready = why_execution(execution) if why is None else why
    if waiting[FrameStatus.RUNNING]:
        facts.slices = ExecutionSlice.objects.in_bulk({frame.slice_id for frame in frames if frame.slice_id})
    if waiting[WaitingFor.CHILDREN]:
        facts.children = _children(waiting[WaitingFor.CHILDREN])
    if waiting[WaitingFor.PROMPT]:
        facts.prompts = _prompts(execution, waiting[WaitingFor.PROMPT])
        facts.asked = _asked(facts.prompts)
    return facts


def _held(execution: Execution, frames: list[ExecutionFrame]) -> dict[int, tuple[str, str]]:
    """Who holds each frame back. Two queries; the second for the ids by which people named the records."""
    pauses, named = pauses_of(execution), execution.breakpoints.get("records", ())
    keys = {frame.pk: frame.record_id for frame in frames if frame.record_id and str(frame.record_id) in named}
    names = dict(WorkflowRecord.objects.filter(pk__in=keys.values()).values_list("pk", "record_id")) if keys else {}
    return {frame.pk: pauses.of(frame, names.get(keys[frame.pk], "") if frame.pk in keys else "") for frame in frames}


def _children(parents: list[int]) -> dict[int, tuple[int, int]]:
    """How many of each frame's records are done, and of how many."""
    with connection.cursor() as cursor:
        cursor.execute(CHILDREN, (parents,))
        return {parent: (done, total) for parent, done, total in cursor.fetchall()}


def _prompts(execution: Execution, frames: list[int]) -> dict[int, HumanPrompt]:
    """The newest open prompt of each frame. Index prompt_of_execution."""
    rows = HumanPrompt.objects.filter(execution=execution, status=PromptStatus.OPEN, frame_id__in=frames)
    return {prompt.frame_id: prompt for prompt in rows.order_by("attempt")}


def _asked(prompts: dict[int, HumanPrompt]) -> dict[int, str]:
    """In words who may answer the prompt of each frame."""
    people = {pk for prompt in prompts.values() for pk in prompt.users}
    teams = {pk for prompt in prompts.values() for pk in prompt.groups}
    users = dict(get_user_model().objects.filter(pk__in=people).values_list("pk", "username")) if people else {}
    groups = dict(Group.objects.filter(pk__in=teams).values_list("pk", "name")) if teams else {}
    asked = {}
    for frame, prompt in prompts.items():
        names = sorted(users[pk] for pk in prompt.users if pk in users)
        names += [f"the group {name}" for name in sorted(groups[pk] for pk in prompt.groups if pk in groups)]
        asked[frame] = " or ".join(names) if names else "anybody who may see the workflow"
    return asked


def _why(frame: ExecutionFrame, facts: Facts) -> str:
    if frame.status == FrameStatus.RUNNING:
        held = facts.slices.get(frame.slice_id or 0)
        return f"Being walked by {held.worker}, whose lease runs until {_at(held.expires_at)}." if held else _lost()
    if frame.status == FrameStatus.READY:
        return facts.ready or "Ready: it is walked as soon as a worker comes to it."
    return _WAITING[frame.waiting_for](frame, facts)


def _for_children(frame: ExecutionFrame, facts: Facts) -> str:
    done, total = facts.children.get(frame.pk, (0, 0))
    return f"Waits for the records of {frame.at_step}: {done:,} of {total:,} are done."


def _timer(frame: ExecutionFrame, facts: Facts) -> str:
    return f"Rests in step {frame.at_step} until {_at(frame.wake_at)}."


def _retry(frame: ExecutionFrame, facts: Facts) -> str:
    failed = (frame.error or {}).get("message", "")
    return f"Step {frame.at_step} is tried again at {_at(frame.wake_at)}{f': {failed}' if failed else '.'}"


def _pause(frame: ExecutionFrame, facts: Facts) -> str:
    who, reason = facts.held[frame.pk]
    where = f" before step {frame.at_step}" if frame.at_step else ""
    return f"{who}{where}{reason}."


def _prompt(frame: ExecutionFrame, facts: Facts) -> str:
    prompt = facts.prompts.get(frame.pk)
    if prompt is None:
        return f"The answer to the prompt of step {frame.at_step} is in: it goes on with the next worker."
    until = f" until {_at(prompt.due_at)}" if prompt.due_at else ""
    return f"Waits for {facts.asked[frame.pk]} to answer “{prompt.title}”{until}."


_WAITING: dict[str, Callable[[ExecutionFrame, Facts], str]] = {
    WaitingFor.CHILDREN: _for_children,
    WaitingFor.TIMER: _timer,
    WaitingFor.RETRY: _retry,
    WaitingFor.PAUSE: _pause,
    WaitingFor.PROMPT: _prompt,
}


def _until(execution: Execution) -> str:
    if execution.pause_until is None:
        return ""
    then = {"resume": "goes on by itself", "cancel": "is cancelled"}.get(execution.pause_then, "stays paused")
    return f"; at {_at(execution.pause_until)} it {then}"


def _slices(execution: Execution) -> list[str]:
    alive = ExecutionSlice.objects.filter(execution=execution, expires_at__gt=timezone.now())
    return list(alive.order_by("pk").values_list("worker", flat=True))


def _workers(workers: list[str]) -> str:
    return f"{workers[0]} is" if len(workers) == 1 else f"{len(workers)} workers are"


def _no_worker(execution: Execution) -> str:
    since = execution.started_at or execution.created_at
    busy = ExecutionSlice.objects.filter(expires_at__gt=timezone.now()).exclude(execution=execution).count()
    if busy:
        return f"Ready: the workers are busy with {busy} other {'execution' if busy == 1 else 'executions'}."
    if (timezone.now() - since).total_seconds() < NEAR_SECONDS:
        return "Ready: about to be taken up by a worker."
    return "No worker has taken it up: see that one is running (`manage.py up` starts them)."


def _lost() -> str:
    return "Its worker is gone; it is taken back within seconds."


def _at(moment: datetime | None) -> str:
    """In words: the time of today, with the day when it is another."""
    if moment is None:
        return "an unknown time"
    local = timezone.localtime(moment)
    clock = f"{local:%H:%M:%S} {local.tzname()}"
    return clock if local.date() == timezone.localdate() else f"{clock} on {local.day} {local:%B %Y}"
