"""Why something does not run: one sentence for an execution, a frame or a record.

Waits for anna or the group Finance to answer “Approve invoice 7” until 14:30 UTC on 3 May.
Paused by anna before step pay: Look at it first.
No worker is up: start one with `manage.py up`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from executions.models import (
    Control,
    Execution,
    ExecutionFrame,
    ExecutionIntervention,
    ExecutionSlice,
    HumanPrompt,
    PromptStatus,
)
from executions.states import FRAME_TERMINAL, ExecutionStatus, FrameStatus, WaitingFor
from records.models import WorkflowRecord

NEAR_SECONDS = 5.0  # a worker takes work up within this time when there is one
# What the open frames wait for, the parents of open ones left aside. Index frame_by_status; counted up to a limit.
OPEN = """
SELECT waiting_for, count(*), min(wake_at), min(id) FROM (
    SELECT waiting_for, wake_at, id FROM execution_frames
    WHERE execution_id = %s AND status = 'waiting' AND waiting_for <> 'children' LIMIT 10000
) f GROUP BY waiting_for ORDER BY count(*) DESC
"""
CHILDREN = """
SELECT count(*) FILTER (WHERE status IN ('complete', 'failed', 'skipped', 'cancelled')), count(*) FROM execution_frames
WHERE parent_id = %s AND alias = %s
"""
READY = "SELECT 1 FROM execution_frames WHERE execution_id = %s AND status = 'ready' LIMIT 1"


def why_execution(execution: Execution) -> str:
    """Return why the execution does not run at this moment; "" when it does, or when it is over. At most 6 queries."""
    if execution.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED):
        return ""
    at_work = _slices(execution)
    if execution.control == Control.PAUSE:
        stopping = " Records that are being walked stop at their next step." if at_work else ""
        return f"{_paused(execution)}{_until(execution)}.{stopping}"
    if execution.control == Control.CANCEL:
        return f"Being cancelled: {_workers(at_work)} still in the middle of a step." if at_work else "Being cancelled."
    if at_work:
        return ""
    return _waits(execution)


def why_frame(frame: ExecutionFrame) -> str:
    """Return why the frame is not walked, or by whom it is; "" when it is over. At most 4 queries."""
    if frame.status in FRAME_TERMINAL:
        return ""
    if frame.status == FrameStatus.RUNNING:
        held = ExecutionSlice.objects.filter(pk=frame.slice_id or 0).first()
        return f"Being walked by {held.worker}, whose lease runs until {_at(held.expires_at)}." if held else _lost()
    if frame.status == FrameStatus.READY:
        return why_execution(frame.execution) or "Ready: it is walked as soon as a worker comes to it."
    return _WAITING[frame.waiting_for](frame)


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
    with connection.cursor() as cursor:
        cursor.execute(READY, (execution.pk,))
        if cursor.fetchone() or execution.status == ExecutionStatus.QUEUED:
            return _no_worker(execution)
        cursor.execute(OPEN, (execution.pk,))
        found = cursor.fetchall()
    if not found:
        return "About to go on: what it waited for has come."
    parts = [_group(execution, *row) for row in found]
    return f"{'; '.join(parts)}."


def _group(execution: Execution, waiting_for: str, count: int, wake_at: datetime | None, first: int) -> str:
    if count == 1:
        frame = ExecutionFrame.objects.select_related("execution", "record").get(pk=first)
        who = f"{frame.record.record_id}: " if frame.record else ""
        return who + _WAITING[waiting_for](frame).rstrip(".")
    texts = {
        WaitingFor.PROMPT: f"{count:,} prompts are not answered yet",
        WaitingFor.TIMER: f"{count:,} records rest in a delay, the first until {_at(wake_at)}",
        WaitingFor.RETRY: f"{count:,} records are tried again, the first at {_at(wake_at)}",
        WaitingFor.PAUSE: f"{count:,} records are held: {_paused(execution)}",
    }
    return texts[WaitingFor(waiting_for)]


def _children(frame: ExecutionFrame) -> str:
    with connection.cursor() as cursor:
        cursor.execute(CHILDREN, (frame.pk, frame.at_step))
        done, total = cursor.fetchone()
    return f"Waits for the records of {frame.at_step}: {done:,} of {total:,} are done."


def _timer(frame: ExecutionFrame) -> str:
    return f"Rests in step {frame.at_step} until {_at(frame.wake_at)}."


def _retry(frame: ExecutionFrame) -> str:
    failed = (frame.error or {}).get("message", "")
    return f"Step {frame.at_step} is tried again at {_at(frame.wake_at)}{f': {failed}' if failed else '.'}"


def _pause(frame: ExecutionFrame) -> str:
    return f"{_paused(frame.execution, f' before step {frame.at_step}' if frame.at_step else '')}."


def _prompt(frame: ExecutionFrame) -> str:
    prompt = HumanPrompt.objects.filter(frame_id=frame.pk, status=PromptStatus.OPEN).order_by("-attempt").first()
    if prompt is None:
        return f"The answer to the prompt of step {frame.at_step} is in: it goes on with the next worker."
    until = f" until {_at(prompt.due_at)}" if prompt.due_at else ""
    return f"Waits for {_asked(prompt)} to answer “{prompt.title}”{until}."


_WAITING: dict[str, Callable[[ExecutionFrame], str]] = {
    WaitingFor.CHILDREN: _children,
    WaitingFor.TIMER: _timer,
    WaitingFor.RETRY: _retry,
    WaitingFor.PAUSE: _pause,
    WaitingFor.PROMPT: _prompt,
}


def _asked(prompt: HumanPrompt) -> str:
    users = get_user_model().objects.filter(pk__in=prompt.users).order_by("username").values_list("username", flat=True)
    groups = Group.objects.filter(pk__in=prompt.groups).order_by("name").values_list("name", flat=True)
    names = [*users, *(f"the group {name}" for name in groups)]
    return " or ".join(names) if names else "anybody who may see the workflow"


def _paused(execution: Execution, where: str = "") -> str:
    asked = ExecutionIntervention.objects.filter(execution=execution, kind="paused").select_related("user").first()
    if asked is None:  # held by the step's own `pause_when`
        return f"Paused by the workflow itself{where}"
    by = asked.user.get_username() if asked.user else "the system"
    reason = f": {asked.reason.rstrip('.')}" if asked.reason else ""
    return f"Paused by {by}{where}{reason}"


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
