"""Pausing, resuming and cancelling a run: a flag on its row that travels with every claim and commit."""

from __future__ import annotations

from collections import Counter

from django.db import connection, transaction

from executions import events
from executions.engine import settle
from executions.engine.database import connect
from executions.errors import InvalidTransition
from executions.models import Control, Execution
from executions.nudge import nudge_on_commit
from executions.retry import SHIFT
from executions.states import EXECUTION_TERMINAL

WAKE_PAUSED = """
UPDATE execution_frames SET status = 'ready', waiting_for = '', passes = at_step
WHERE execution_id = %s AND status = 'waiting' AND waiting_for = 'pause' RETURNING alias
"""


def pause(execution: Execution) -> Execution:
    """Hold the run: nothing more is claimed, and what is being walked stops at its next step boundary.

    Pausing a paused run changes nothing. Raises InvalidTransition when it is over or being cancelled.
    """
    return _ask(execution, Control.PAUSE, wanted="paused")


def cancel(execution: Execution) -> Execution:
    """End the run: what waits is cancelled, what is being walked stops at its next step boundary.

    Records that were not done become discovered again. Raises InvalidTransition when the run is over.
    """
    return _ask(execution, Control.CANCEL, wanted="cancelled")


def resume(execution: Execution) -> Execution:
    """Let a paused run go on where it stopped. Raises InvalidTransition when it is not paused."""
    with transaction.atomic():
        locked = Execution.objects.select_for_update(no_key=True).get(pk=execution.pk)
        if locked.control != Control.PAUSE:
            raise InvalidTransition(f"Execution #{locked.number}", locked.status, "resumed")
        Execution.objects.filter(pk=locked.pk).update(control=Control.NONE)
        Execution.objects.filter(pk=locked.pk, status="paused").update(status="running")
        _wake_paused(locked)
        nudge_on_commit(locked.pk)
    return _told(execution)


def _ask(execution: Execution, control: Control, *, wanted: str) -> Execution:
    with transaction.atomic():
        locked = Execution.objects.select_for_update(no_key=True).get(pk=execution.pk)
        over = locked.status in EXECUTION_TERMINAL
        if over or (locked.control == Control.CANCEL and control is Control.PAUSE):
            raise InvalidTransition(f"Execution #{locked.number}", locked.status, wanted)
        Execution.objects.filter(pk=locked.pk).update(control=control)
    with connect(application_name="director control") as session:
        settle.settle(session, execution.pk)
    return _told(execution)


def _wake_paused(execution: Execution) -> None:
    with connection.cursor() as cursor:
        cursor.execute(WAKE_PAUSED, (execution.pk,))
        woken = Counter(alias for (alias,) in cursor.fetchall())
        for alias, count in sorted(woken.items()):
            cursor.execute(SHIFT, (execution.pk, "frame", alias, "waiting", -count))


def _told(execution: Execution) -> Execution:
    execution.refresh_from_db()
    events.execution_changed(execution.number, execution.status)
    return execution
