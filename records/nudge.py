"""Telling the workers that there is work. The message carries an id and no state; losing it costs half a minute."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

SLICE_SECONDS = 20  # a worker is kept by one piece of work; then others get their turn
STALLED_AFTER = timedelta(seconds=30)  # > a batch: what nobody got on with for so long has lost its worker


def nudge(task: str, pk: UUID) -> None:
    """Ask a worker to look at it now. Redis being away is not an error: `records.tasks.tend` asks again."""
    try:
        current_app.send_task(task, args=[str(pk)], retry=False)
    except (OperationalError, ConnectionError):
        logger.warning("cannot reach the broker; it is asked again later", extra={"task": task, "id": str(pk)})


def nudge_on_commit(task: str, pk: UUID) -> None:
    """Nudge when the surrounding transaction has committed."""
    transaction.on_commit(lambda: nudge(task, pk))
