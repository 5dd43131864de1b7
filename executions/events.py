"""What is told to open pages: small events that name what changed, sent after the commit that changed it.

Groups: `execution.<number>`, `records.<workflow id as hex>`, `user.<id>`. An event that is lost
can leave no page wrong: pages fetch
again what an event names, and everything after a reconnect.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from executions.engine.journal import Changes

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25  # between two events of one slice; the newest state wins
MAX_RECORDS = 100  # named in one event; a page shows fewer rows than that


def execution_group(number: int) -> str:
    return f"execution.{number}"


def records_group(workflow_id: UUID) -> str:
    return f"records.{workflow_id.hex}"


def user_group(user_id: object) -> str:
    return f"user.{user_id}"


def execution_changed(number: int, status: str = "") -> None:
    """Tell pages from synchronous code that the execution changed (paused, cancelled, retried)."""
    async_to_sync(_send)(execution_group(number), {"type": "execution.changed", "execution": number, "status": status})


def records_changed(workflow_id: UUID) -> None:
    """Tell pages from synchronous code that records of the workflow changed."""
    async_to_sync(_send)(records_group(workflow_id), {"type": "records.changed", "workflow": str(workflow_id)})


def notification_created(users: Iterable[int], title: str) -> list[tuple[str, dict[str, Any]]]:
    """Return an event for each user who has a new notification."""
    event = {"type": "notification.created", "titles": [title]}
    return [(user_group(user), event) for user in users]


def notification_read(user: int) -> tuple[str, dict[str, Any]]:
    """Return the event for the user's other pages: something that was unread is not."""
    return user_group(user), {"type": "notification.read"}


def send_all(messages: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Send events, each to its group, from synchronous code."""
    async_to_sync(_send_all)(list(messages))


async def _send_all(messages: list[tuple[str, dict[str, Any]]]) -> None:
    for group, event in messages:
        await _send(group, event)


async def _send(group: str, event: dict[str, Any]) -> None:
    layer = get_channel_layer()
    assert layer is not None  # settings name one
    try:
        await asyncio.wait_for(layer.group_send(group, event), timeout=2)
    except (RedisError, OSError, TimeoutError):
        logger.warning("cannot reach Redis; pages catch up when they reconnect")


class Publisher:
    """Sends a slice's events, at most one per INTERVAL_SECONDS. For use on the slice's loop."""

    def __init__(self, number: int, workflow_id: UUID) -> None:
        self.number, self.workflow_id = number, workflow_id
        self._next = 0.0
        self._seen = 0
        self._sending: asyncio.Task[None] | None = None

    def publish(self, changes: Changes, *, status: str = "") -> None:
        """Send what changed since the last event, if it is time and something did."""
        busy = self._sending is not None and not self._sending.done()
        if time.monotonic() < self._next or busy or changes.commits == self._seen:
            return
        self._next = time.monotonic() + INTERVAL_SECONDS
        self._sending = asyncio.create_task(self._events(changes, status))

    async def publish_last(self, changes: Changes, *, status: str) -> None:
        """Send the slice's last event, whatever the interval; returns when it is sent."""
        if self._sending is not None:
            await self._sending
        await self._events(changes, status)

    async def _events(self, changes: Changes, status: str) -> None:
        self._seen = changes.commits
        taken, changes.records = changes.records, {}
        records = [
            {"id": pk, "record_id": record_id, "status": state}
            for pk, (record_id, state) in list(taken.items())[-MAX_RECORDS:]
        ]
        event = {"execution": self.number, "status": status, "records": records, "seq": changes.commits}
        await _send(execution_group(self.number), {"type": "execution.changed", **event})
        if taken:
            changed = {"type": "records.changed", "workflow": str(self.workflow_id), "records": records}
            await _send(records_group(self.workflow_id), changed)
