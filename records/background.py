"""Long work of people, done in the background: a worker keeps at it for some seconds, then others get their turn.

A message carries an id and no state; losing one, or the worker, costs half a minute.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from celery import current_app
from django.db import OperationalError, close_old_connections, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerError

from director.errors import DirectorError

logger = logging.getLogger(__name__)

SLICE_SECONDS = 20  # a worker is kept by one piece of work; then others get their turn
STALLED_AFTER = timedelta(seconds=30)  # > a batch: what nobody got on with for so long has lost its worker


def nudge(task: str, pk: UUID) -> None:
    """Ask a worker to look at it now. Redis being away is not an error: beat has it asked again."""
    try:
        current_app.send_task(task, args=[str(pk)], retry=False)
    except (BrokerError, ConnectionError):
        logger.warning("cannot reach the broker; it is asked again later", extra={"task": task, "id": str(pk)})


def nudge_on_commit(task: str, pk: UUID) -> None:
    """Nudge when the surrounding transaction has committed."""
    transaction.on_commit(lambda: nudge(task, pk))


def keep_at(work_on: Callable[[UUID], bool], pk: UUID, seconds: float) -> bool:
    """Call `work_on`, which tells whether there may be more, for some seconds; return whether there is more to do."""
    deadline = time.monotonic() + seconds
    while work_on(pk):
        if time.monotonic() > deadline:
            return True
    return False


def take_up(task: str, unfinished: QuerySet[Any]) -> int:
    """Ask for work on those whose `worked_at` is long ago; return how many."""
    stalled = list(unfinished.filter(worked_at__lt=Now() - STALLED_AFTER).values_list("pk", flat=True))
    unfinished.filter(pk__in=stalled).update(worked_at=Now())
    for pk in stalled:
        logger.info("taking work up again", extra={"task": task, "id": str(pk)})
        nudge(task, pk)
    return len(stalled)


def work(task: str, run: Callable[[UUID], bool], fail: Callable[[UUID, str], object], pk: UUID) -> None:
    """What the task does: run, and ask for another go when there is more; what cannot go on is failed with the reason."""
    try:
        more = run(pk)
    except (psycopg.OperationalError, OperationalError) as error:
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
