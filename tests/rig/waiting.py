"""Waiting for a fact instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.2


def wait_for(predicate: Callable[[], T], timeout: float = 30.0, *, what: str = "") -> T:
    """Return the predicate's first true value; AssertionError after `timeout` seconds, with the last value it gave."""
    deadline = time.monotonic() + timeout
    pause = FIRST_PAUSE_SECONDS
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'it'} did not happen within {timeout} s; the last look gave {value!r}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    return value
