"""Calling the attention of walkers to what a person wants of a run: a signal through Redis that carries nothing.

What is wanted stands in PostgreSQL and comes with every commit; the signal only makes a slice whose steps take long
look at once. A lost signal costs as long as the slice's lease takes to be renewed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

import redis
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0


def call(execution_id: UUID) -> None:
    """Have every slice of the execution look at its control and breakpoints now."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS) as client:
            client.publish(_channel(execution_id), "look")
    except (RedisError, OSError):
        logger.warning(
            "cannot reach Redis; walkers look at their next commit", extra={"execution_id": str(execution_id)}
        )


async def listen(execution_id: UUID, heard: Callable[[], None]) -> None:
    """Call `heard` for each signal, and once when listening begins; until cancelled, or Redis goes away."""
    try:
        async with Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as channel:
            await channel.subscribe(_channel(execution_id))
            async for _ in channel.listen():
                heard()
    except (RedisError, OSError):
        logger.warning(
            "cannot listen to Redis; pauses are heard of at commits", extra={"execution_id": str(execution_id)}
        )


def _channel(execution_id: UUID) -> str:
    return f"director:attention:{execution_id}"
