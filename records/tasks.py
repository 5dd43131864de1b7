"""Celery tasks: ids in, one call, nothing else."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import shared_task
from django.db import OperationalError, close_old_connections

from director.errors import DirectorError
from records import bulk, counts

logger = logging.getLogger(__name__)


@shared_task(name="records.run_bulk")
def run_bulk(operation_id: str) -> None:
    """Work on a bulk operation for some seconds; ask for another go when there is more to do."""
    try:
        more = bulk.run(UUID(operation_id))
    except OperationalError as error:
        logger.warning("the database went away (%s); the operation is taken up again", error)
        close_old_connections()
    except DirectorError as error:
        bulk.fail(UUID(operation_id), error.message)
    except Exception as error:
        logger.exception("a bulk operation failed", extra={"operation_id": operation_id})
        bulk.fail(UUID(operation_id), f"{type(error).__name__}: {error}")
    else:
        if more:
            bulk.nudge(UUID(operation_id))


@shared_task(name="records.tend", expires=60)
def tend() -> None:
    """Take up what lost its worker, and keep the counts short."""
    try:
        bulk.resume_stalled()
        counts.compact()
    except OperationalError as error:
        logger.warning("the database is away: %s", error)
