"""Telling the workers that there is work. The message carries an id and no state; losing it costs a second (see sweep)."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def nudge(execution_id: UUID) -> None:
    """Ask a worker to look at the execution now. Redis being away is not an error: the sweep asks again."""
    try:
        current_app.send_task("executions.run_slice", args=[str(execution_id)], retry=False)
    except (OperationalError, ConnectionError):
        logger.warning("cannot reach the broker; the sweep will ask again", extra={"execution_id": str(execution_id)})


def nudge_on_commit(execution_id: UUID) -> None:
    """Nudge when the surrounding transaction has committed."""
    transaction.on_commit(lambda: nudge(execution_id))
