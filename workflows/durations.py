"""Spans and moments as people write them: "90s", "2h", "1h 30m", "PT2H30M"; "2026-01-31", "31 Jan 2026 14:00 +0100"."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any

MAX_DURATION = timedelta(days=3660)  # ten years; more is a slip of the pen
UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|min|[smhdw])\s*")
ISO = re.compile(
    r"P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
ISO_SECONDS = (604800, 86400, 3600, 60, 1)
WAYS = "write it as 90s, 15m, 2h, 1h 30m, 7d, PT2H or a number of seconds"


def parse_duration(value: Any) -> timedelta:
    """Return the span that is meant, from 0 to ten years; raises ValueError saying how to write it."""
    seconds = _seconds(value)
    if seconds is None or not math.isfinite(seconds):
        raise ValueError(f"{value!r:.60} is not a duration; {WAYS}")
    if not 0 <= seconds <= MAX_DURATION.total_seconds():
        raise ValueError(f"{value!r:.60} is not a duration from 0 to {MAX_DURATION.days} days")
    return timedelta(seconds=seconds)


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str) or len(value) > 100:
        return None
    text = value.strip()
    iso = ISO.fullmatch(text.upper())
    if iso and any(iso.groups()):
        return sum(float(part) * unit for part, unit in zip(iso.groups(), ISO_SECONDS, strict=True) if part)
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    return _parts(text.lower())


def _parts(text: str) -> float | None:
    """Return the sum of "1h 30m"; None when something else stands in it, or it is empty."""
    if not text or PART.sub("", text):
        return None
    return sum(float(found[1]) * UNITS[found[2]] for found in PART.finditer(text))


def parse_moment(value: Any, zone: tzinfo = UTC) -> datetime:
    """Return the moment of a date, of ISO 8601, of an e-mail's date, or of seconds since 1970; raises ValueError.

    zone: where the value is meant when it does not say.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_1970(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    moment = value if isinstance(value, datetime) else _read_moment(str(value).strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    _check_storable(moment)
    return moment


def _check_storable(moment: datetime) -> None:
    try:
        moment.astimezone(UTC)
    except OverflowError:  # the first or the last hours of the calendar, in a zone on the other side of the world
        raise ValueError(f"{moment.isoformat()} lies outside the years 1 to 9999 (UTC)") from None


def _since_1970(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise ValueError(f"{seconds!r:.60} seconds since 1970 are no moment") from None


def _read_moment(text: str) -> datetime:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text)
        except (TypeError, ValueError, IndexError):
            continue
    raise ValueError(f"{text[:60]!r} is not a moment; write it as 2026-01-31 or 2026-01-31T14:00:00+01:00")
