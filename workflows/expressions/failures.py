"""What goes wrong inside an evaluation; `templates` adds the place and the template and raises ExpressionFailed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any


class Failure(Exception):
    """Ends an evaluation. available: what could stand in the place of an unknown name."""

    def __init__(self, reason: str, available: Iterable[str] = (), suggestion: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.available, self.suggestion = reason, tuple(available), suggestion


class Missing:
    """Stands for a name that leads nowhere where that is allowed: before `default`, `is defined`."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


MISSING = Missing()


def kind_of(value: Any) -> str:
    """Return what a value is, in words: "text", "a number", "a list", ..."""
    if value is None:
        return "empty (null)"
    for types, words in KINDS:
        if isinstance(value, types):
            return words
    return f"a {type(value).__name__}"


KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "true or false"),
    (str, "text"),
    (int | float, "a number"),
    (list | tuple | range, "a list"),
    (Mapping, "an object"),
    (datetime | date, "a date"),
    (timedelta, "a span of time"),
)
