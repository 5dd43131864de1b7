"""Celery tasks: ids in, one call, nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

from celery import shared_task
from django.db import OperationalError, close_old_connections

from director.errors import DirectorError
from records import bulk, counts, importing
from records.nudge import nudge

logger = logging.getLogger(__name__)


@shared_task(name=bulk.TASK)
def run_bulk(operation_id: str) -> None:
    """Work on a bulk operation for some seconds; ask for another go when there is more to do."""
    _work(bulk.TASK, bulk.run, bulk.fail, UUID(operation_id))


@shared_task(name=importing.TASK)
def run_import(import_id: str) -> None:
    """Work on an import for some seconds; ask for another go when there is more to do."""
    _work(importing.TASK, importing.run, importing.fail, UUID(import_id))


@shared_task(name="records.tend", expires=60)
def tend() -> None:
    """Take up what lost its worker, and keep the counts short."""
    try:
        bulk.resume_stalled()
        importing.resume_stalled()
        counts.compact()
    except OperationalError as error:
        logger.warning("the database is away: %s", error)


def _work(task: str, run: Callable[[UUID], bool], fail: Callable[[UUID, str], None], pk: UUID) -> None:
    try:
        more = run(pk)
    except OperationalError as error:
        logger.warning("the database went away (%s); this is taken up again", error)
        close_old_connections()
    except DirectorError as error:
        fail(pk, error.message)
    except Exception as error:
        logger.exception("a task failed", extra={"task": task, "id": str(pk)})
        fail(pk, f"{type(error).__name__}: {error}")
    else:
        if more:
            nudge(task, pk)
