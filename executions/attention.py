"""Calling the attention of walkers to what a person wants of a run: a signal through Redis that carries nothing.

What is wanted stands in PostgreSQL and comes with every commit; the signal only makes a slice whose steps take long
look at once. A lost signal costs as long as the slice's lease takes to be renewed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from uuid import UUID

import redis
from django.conf import settings
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

CHANNEL = "director:attention"
PATIENCE_SECONDS = 2.0
AGAIN_SECONDS = 1.0  # before a lost connection is tried again

Heard = Callable[[], None]


def call(execution_id: UUID) -> None:
    """Have every slice of the execution look at its control and breakpoints now."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS) as client:
            client.publish(CHANNEL, str(execution_id))
    except (RedisError, OSError):
        logger.warning(
            "cannot reach Redis; walkers look at their next commit", extra={"execution_id": str(execution_id)}
        )


class Listener:
    """Hears the signals for all slices of this process, on one connection and a thread of its own."""

    def __init__(self) -> None:
        self._slices: dict[str, set[Heard]] = {}
        self._lock = threading.Lock()
        self._pid = 0

    def listen(self, execution_id: UUID, heard: Heard) -> None:
        """Call `heard` for each signal from now on, and once at the beginning; from another thread."""
        with self._lock:
            self._slices.setdefault(str(execution_id), set()).add(heard)
            if self._pid != os.getpid():  # the first slice of this process; a fork has none of its parent's threads
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="attention", daemon=True).start()
        heard()

    def leave(self, execution_id: UUID, heard: Heard) -> None:
        """Call `heard` no more."""
        with self._lock:
            slices = self._slices.get(str(execution_id), set())
            slices.discard(heard)
            if not slices:
                self._slices.pop(str(execution_id), None)

    def _run(self) -> None:
        while True:
            try:
                with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as channel:
                    channel.subscribe(CHANNEL)
                    for message in channel.listen():
                        self._tell(message)
            except (RedisError, OSError, ValueError):
                time.sleep(AGAIN_SECONDS)

    def _tell(self, message: dict[str, object]) -> None:
        """Pass a signal on; that the subscription stands means that signals may have been missed."""
        data = message["data"]
        with self._lock:
            if message["type"] == "message" and isinstance(data, bytes):
                told = set(self._slices.get(data.decode(), ()))
            else:
                told = {heard for slices in self._slices.values() for heard in slices}
        for heard in told:
            heard()


listener = Listener()
