"""Statuses of executions, frames and journal rows, and the one table of moves for each."""

from django.db.models import TextChoices


class ExecutionStatus(TextChoices):
    QUEUED = "queued"  # started, no slice has touched it yet
    RUNNING = "running"  # has frames that are ready or being walked
    PAUSED = "paused"  # a person or a breakpoint holds it; nothing is claimed
    WAITING = "waiting"  # every open frame waits for a person or a time
    COMPLETED = "completed"  # the root frame reached its end and the counts add up
    FAILED = "failed"  # a step of the root frame failed, or an iterate said stop
    CANCELLED = "cancelled"  # a person ended it


class FrameStatus(TextChoices):
    READY = "ready"  # may be claimed by any slice
    RUNNING = "running"  # claimed by the slice named on it
    WAITING = "waiting"  # parked: a time, a prompt, or its children
    COMPLETE = "complete"
    FAILED = "failed"  # may become ready again by a retry while its iterate is open
    SKIPPED = "skipped"  # its record was not to be worked on after all
    CANCELLED = "cancelled"


class StepStatus(TextChoices):
    RUNNING = "running"  # the intent of a side effect
    COMPLETE = "complete"
    FAILED = "failed"
    SKIPPED = "skipped"  # its `when` was not true
    REUSED = "reused"  # outcome taken over from the run that is replayed
    OVERRIDDEN = "overridden"  # outcome given by a person
    INTERRUPTED = "interrupted"  # may have happened: an intent of a once-only effect without receipt


class WaitingFor(TextChoices):
    """Why a frame is parked."""

    CHILDREN = "children"
    TIMER = "timer"  # a delay
    RETRY = "retry"  # the back-off before the next attempt
    PROMPT = "prompt"
    PAUSE = "pause"


E, F = ExecutionStatus, FrameStatus

EXECUTION_TERMINAL = frozenset({E.COMPLETED, E.FAILED, E.CANCELLED})
FRAME_TERMINAL = frozenset({F.COMPLETE, F.FAILED, F.SKIPPED, F.CANCELLED})
FRAME_OPEN = frozenset({F.READY, F.RUNNING, F.WAITING})
# A recorded outcome in these statuses stands in for running the step.
STEP_SETTLED = frozenset({StepStatus.COMPLETE, StepStatus.SKIPPED, StepStatus.REUSED, StepStatus.OVERRIDDEN})

EXECUTION_MOVES: dict[str, frozenset[str]] = {
    E.QUEUED: frozenset({E.RUNNING, E.PAUSED, E.CANCELLED, E.FAILED}),
    E.RUNNING: frozenset({E.WAITING, E.PAUSED, E.COMPLETED, E.FAILED, E.CANCELLED}),
    E.WAITING: frozenset({E.RUNNING, E.PAUSED, E.FAILED, E.CANCELLED}),
    E.PAUSED: frozenset({E.RUNNING, E.CANCELLED, E.FAILED}),
    E.COMPLETED: frozenset(),
    E.FAILED: frozenset(),
    E.CANCELLED: frozenset(),
}
