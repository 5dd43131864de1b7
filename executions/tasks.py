"""Celery tasks: ids in, one call, nothing else."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from executions.engine import slice as engine_slice
from executions.engine import sweep as engine_sweep
from executions.nudge import nudge


@shared_task(name="executions.run_slice")
def run_slice(execution_id: str) -> None:
    """Walk ready frames of an execution for a few seconds; ask for another go when some are left."""
    outcome = engine_slice.run(UUID(execution_id))
    if outcome.more:
        nudge(UUID(execution_id))


@shared_task(name="executions.sweep", expires=5)
def sweep() -> None:
    """Take back what was lost, wake what is due, attend to what nobody looks at."""
    engine_sweep.sweep()
