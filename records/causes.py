"""Failures with one cause shown as one: alike when the step, the code and the wording without its values agree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

# What differs between two failures of one cause: numbers, ids, quoted values, addresses.
VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”|\b[0-9a-f]{8}-[0-9a-f-]{27,}\b|\S+@\S+|\w*\d\w*", re.IGNORECASE)


@dataclass(slots=True)
class Cause:
    """A group of failures. step: where they failed. message: the newest one's, word for word. key: for addresses."""

    key: str
    step: str
    code: str
    message: str
    count: int
    latest: datetime | None


def normalised(message: str) -> str:
    """Return the message with what varies from record to record taken out."""
    return VALUES.sub("…", message)


def cause_key(step: str, code: str, message: str) -> str:
    return sha256("\0".join((step, code, normalised(message))).encode()).hexdigest()[:16]


def grouped(failures: Iterable[tuple[str, str, str, int, datetime | None]]) -> list[Cause]:
    """Merge failures (step, code, message, count, latest) of one cause; the largest group first."""
    causes: dict[str, Cause] = {}
    for step, code, message, count, latest in failures:
        key = cause_key(step, code or "", message or "")
        cause = causes.setdefault(key, Cause(key, step, code or "", message or "no message", 0, latest))
        cause.count += count
        if latest and (cause.latest is None or latest > cause.latest):
            cause.latest, cause.message = latest, message or cause.message
    return sorted(causes.values(), key=lambda cause: -cause.count)
