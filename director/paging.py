"""Paging by key: a page is found by the key of its neighbour, so the millionth row costs as much as the first.

Imports no app. A cursor is the key at the edge of a page, its direction, and how many rows came before it. It is not
signed: it only says where to go on reading, the query itself decides what may be seen.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import F, Field, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

Row = TypeVar("Row")
Other = TypeVar("Other")
M = TypeVar("M", bound=Model)
Key = list[Any]

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where to go on: after `key`, or before it when `backwards`. `offset`: how many rows come before the page."""

    key: Key
    offset: int = 0
    backwards: bool = False

    def __str__(self) -> str:
        raw = json.dumps([self.key, self.offset, int(self.backwards)], separators=(",", ":"), default=str)
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def parse(text: str, kinds: Sequence[type]) -> Cursor | None:
    """Return the cursor whose key has values of these kinds; None for an empty or broken one (the first page)."""
    cursor = _read(text)
    return cursor if cursor and [type(value) for value in cursor.key] == list(kinds) else None


def _read(text: str) -> Cursor | None:
    try:
        key, offset, backwards = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, binascii.Error):
        return None
    fits = isinstance(key, list) and isinstance(offset, int)
    return Cursor(key, max(0, offset), bool(backwards)) if fits else None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of a list with the way to its neighbours; `total` None when it is not known."""

    rows: list[Row]
    offset: int
    total: int | None
    next: str
    previous: str

    @property
    def first(self) -> int:
        return self.offset + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return self.offset + len(self.rows)

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing before or after it."""
        return not self.next and not self.previous

    def showing(self, rows: list[Other]) -> Page[Other]:
        """Return the same page with what was made of its rows."""
        return Page(rows, self.offset, self.total, self.next, self.previous)


def page_by(
    rows: QuerySet[M],
    names: Sequence[str],
    text: str,
    *,
    newest_first: bool = False,
    size: int = PAGE_SIZE,
    total: int | None = None,
) -> Page[M]:
    """Return the page of `rows` where the cursor's text says, in the order of the fields `names`. One query.

    names: fields that are unique together and never null.
    """
    fields = {field.name: field for field in rows.model._meta.fields}
    at = _position(text, [fields[name] for name in names])
    descending = newest_first != bool(at and at.backwards)
    if at:
        beyond = TupleLessThan if descending else TupleGreaterThan
        rows = rows.filter(beyond(Tuple(*map(F, names)), tuple(at.key)))
    found = rows.order_by(*(f"-{name}" if descending else name for name in names))[: size + 1]
    return page_of(list(found), at, lambda row: [getattr(row, name) for name in names], size=size, total=total)


def _position(text: str, fields: Sequence[Field[Any, Any]]) -> Cursor | None:
    at = _read(text)
    try:
        return at and replace(at, key=[field.clean(value, None) for field, value in zip(fields, at.key, strict=True)])
    except (ValidationError, ValueError, TypeError):
        return None


def page_of(
    found: Sequence[Row],
    cursor: Cursor | None,
    key: Callable[[Row], Key],
    *,
    size: int = PAGE_SIZE,
    total: int | None = None,
) -> Page[Row]:
    """Make a page of what the query found: up to `size` + 1 rows from the cursor on, in the direction of reading."""
    more, rows = len(found) > size, list(found[:size])
    backwards = cursor is not None and cursor.backwards
    if backwards:
        rows.reverse()
    offset = 0 if cursor is None else cursor.offset
    if backwards and not more:
        offset = 0  # it is the first page, whatever has come or gone since
    has_next, has_previous = (True, more) if backwards else (more, cursor is not None)
    return Page(
        rows,
        offset,
        total,
        str(Cursor(key(rows[-1]), offset + len(rows))) if rows and has_next else "",
        str(Cursor(key(rows[0]), max(0, offset - size), backwards=True)) if rows and has_previous else "",
    )
