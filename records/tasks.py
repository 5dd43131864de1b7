"""Celery tasks: ids in, one call, nothing else."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import shared_task
from django.db import OperationalError

from records import background, bulk, counts, importing

logger = logging.getLogger(__name__)


@shared_task(name=bulk.TASK)
def run_bulk(operation_id: str) -> None:
    """Work on a bulk operation for some seconds; ask for another go when there is more to do."""
    background.work(bulk.TASK, bulk.run, bulk.fail, UUID(operation_id))


@shared_task(name=importing.TASK)
def run_import(import_id: str) -> None:
    """Work on an import for some seconds; ask for another go when there is more to do."""
    background.work(importing.TASK, importing.run, importing.fail, UUID(import_id))


@shared_task(name="records.tend", expires=60)
def tend() -> None:
    """Take up what lost its worker, and keep the counts short."""
    try:
        bulk.resume_stalled()
        importing.resume_stalled()
        counts.compact()
    except OperationalError as error:
        logger.warning("the database is away: %s", error)
