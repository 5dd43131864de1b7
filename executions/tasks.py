"""Celery tasks: ids in, one call, nothing else."""

from __future__ import annotations

import logging
from uuid import UUID

import psycopg
from celery import shared_task
from django.db import OperationalError, close_old_connections

from executions import bulk, control, retention
from executions.engine import slice as engine_slice
from executions.engine import sweep as engine_sweep
from executions.errors import LeaseLost
from executions.nudge import nudge
from executions.prompts import due as prompt_due
from executions.prompts import mails as prompt_mails
from records import background

logger = logging.getLogger(__name__)


@shared_task(name="executions.run_slice")
def run_slice(execution_id: str) -> None:
    """Walk ready frames of an execution for a few seconds; ask for another go when some are left."""
    try:
        outcome = engine_slice.run(UUID(execution_id))
    except LeaseLost:
        logger.warning("this slice was given up for dead; others have its frames", extra={"execution_id": execution_id})
    except (psycopg.OperationalError, OperationalError) as error:
        logger.warning("the database went away (%s); the sweep takes it from here", error)
        close_old_connections()
    else:
        if outcome.more:
            nudge(UUID(execution_id))


@shared_task(name="executions.sweep", expires=5)
def sweep() -> None:
    """Take back what was lost, wake what is due, attend to what nobody looks at."""
    try:
        engine_sweep.sweep()
        control.end_pauses()
        bulk.resume_stalled()
        prompt_due.expire_due()
        if prompt_due.is_news_due():
            tell_of_prompts.delay()
    except (psycopg.OperationalError, OperationalError) as error:
        logger.warning("the database is away: %s", error)


@shared_task(name="executions.tell_of_prompts", expires=60)
def tell_of_prompts() -> None:
    """Announce new prompts, remind of old ones; apart from the sweep, because a mail server may be slow."""
    prompt_due.remind_due()
    prompt_mails.send_due()


@shared_task(name="executions.remove_expired", expires=3600)
def remove_expired() -> None:
    """Remove what belongs to runs that ended long ago, and what people were told long ago."""
    retention.remove_expired()
    retention.remove_old_news()


@shared_task(name=bulk.TASK)
def run_bulk(bulk_id: str) -> None:
    """Work on a bulk operation for some seconds; ask for another go when there is more to do."""
    background.work(bulk.TASK, bulk.run, bulk.stop, UUID(bulk_id))
