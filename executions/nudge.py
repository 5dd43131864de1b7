"""Telling the workers that there is work. The message carries an id and no state; losing it costs a second (see sweep)."""

from __future__ import annotations

from uuid import UUID

from records import background

TASK = "executions.run_slice"


def nudge(execution_id: UUID) -> None:
    """Ask a worker to look at the execution now. Redis being away is not an error: the sweep asks again."""
    background.nudge(TASK, execution_id)


def nudge_on_commit(execution_id: UUID) -> None:
    """Nudge when the surrounding transaction has committed."""
    background.nudge_on_commit(TASK, execution_id)
