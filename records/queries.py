"""Finding records: pages by key, streams, counts. Quick with a million records: no page counts or sorts all of them.

What no index helps with (field tests, patterns that begin with `*`) is looked for in at most SCAN records at a time: a
page may then hold fewer rows than asked for and still have a next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from director import paging
from director.errors import DirectorError
from director.jsontools import dumps, loads
from records.errors import CursorInvalid, FilterInvalid
from records.filters import RecordFilter, conditions
from records.models import RecordCount, WorkflowRecord
from records.patches import Path
from records.secrets import MAYBE_SQL
from records.titles import TITLE_SQL

PAGE_SIZE = 50
MAX_PAGE_SIZE = 1_000
SCAN = 20_000
# The records of some statuses by index record_by_status, whatever the planner thinks of their number (OFFSET 0).
FEW = """(SELECT * FROM workflow_records WHERE workflow_id = w.id AND status = ANY (%(status)s)
    AND execution_id IS NULL OFFSET 0)"""
CHUNK = 1_000  # records of a stream in memory at a time
COLUMNS = ", ".join(f"r.{field.column}" for field in WorkflowRecord._meta.concrete_fields if field.name != "data")
# What a value of a cursor must be readable as, by its SQL type.
READ: dict[str, Callable[[str], object]] = {"uuid": UUID, "timestamptz": datetime.fromisoformat, "text": dumps}
NEAREST = """
(SELECT record_id FROM workflow_records WHERE workflow_id = %(workflow)s AND record_id >= %(id)s
    ORDER BY record_id LIMIT 50)
UNION ALL
(SELECT record_id FROM workflow_records WHERE workflow_id = %(workflow)s AND record_id < %(id)s
    ORDER BY record_id DESC LIMIT 50)
"""


@dataclass(frozen=True, slots=True)
class Order:
    """An order of records: SQL columns with their directions and types."""

    columns: tuple[tuple[str, str], ...]
    casts: tuple[str, ...]

    def sql(self, *, backwards: bool = False) -> str:
        return ", ".join(f"{column} {_turned(way, backwards)}" for column, way in self.columns)

    def after(self, *, backwards: bool = False) -> str:
        """Return the condition for rows beyond the cursor's key."""
        (first, way), *rest = self.columns
        beyond = {"ASC": ">", "DESC": "<"}
        condition = f"{first} {beyond[_turned(way, backwards)]} %(key0)s::{self.casts[0]}"
        for place, (column, turn) in enumerate(rest, start=1):
            tie = f"{first} = %(key0)s::{self.casts[0]}"
            condition += (
                f" OR {tie} AND {column} {beyond[_turned(turn, backwards)]} %(key{place})s::{self.casts[place]}"
            )
        return f"({condition})"

    def key(self, record: WorkflowRecord) -> paging.Key:
        values = [getattr(record, column.removeprefix("r.")) for column, _ in self.columns]
        return [value if isinstance(value, str) else _text(value) for value in values]


# Indexes: primary key with record_by_type or record_by_status, record_by_update, record_id_unique.
ORDERS = {
    "id": Order((("r.id", "ASC"),), ("uuid",)),
    "-id": Order((("r.id", "DESC"),), ("uuid",)),
    "updated_at": Order((("r.updated_at", "ASC"), ("r.id", "DESC")), ("timestamptz", "uuid")),
    "-updated_at": Order((("r.updated_at", "DESC"), ("r.id", "ASC")), ("timestamptz", "uuid")),
    "record_id": Order((("r.record_id", "ASC"), ("r.id", "ASC")), ("text", "uuid")),
    "-record_id": Order((("r.record_id", "DESC"), ("r.id", "DESC")), ("text", "uuid")),
}


def records_page(
    workflows: Sequence[UUID],
    narrow: RecordFilter,
    *,
    order: str = "-id",
    cursor: str = "",
    size: int = PAGE_SIZE,
    whole: bool = True,
    picked: Sequence[Path] = (),
    few: bool = False,
) -> paging.Page[WorkflowRecord]:
    """Return a page of the workflows' records.

    order: a key of ORDERS. whole: with `data`; without, rows have `title`, `picked` (the values at the picked paths) and
    `maybe_secret` (to mask these, see `secrets_of_records`), and their data is only fetched when it is asked for. few:
    the records of these statuses are so few that they are best sorted; the planner's statistics lag behind a bulk
    operation, and it would look through the whole index of the order for records that are gone. Tests of fields need a
    single workflow. At most 2 queries.
    Raises FilterInvalid, CursorInvalid.
    """
    if order not in ORDERS:
        raise FilterInvalid(f"order {order}", "is not an order of records", list(ORDERS))
    at = _cursor(cursor, ORDERS[order])
    listing = _Listing(workflows, narrow, ORDERS[order], at, min(max(size, 1), MAX_PAGE_SIZE))
    listing.source = FEW if few and narrow.status else listing.source
    rows = listing.rows(_columns(whole, picked), {f"picked{n}": [str(key) for key in p] for n, p in enumerate(picked)})
    page = paging.page_of(rows, at, ORDERS[order].key, size=listing.size)
    return listing.going_on(page)


def iterate(workflow: UUID, narrow: RecordFilter, *, chunk: int = CHUNK) -> Iterator[WorkflowRecord]:
    """Yield the records in the order in which they were made; memory holds a chunk. A query for each chunk."""
    last: UUID | None = None
    while True:
        rows = records_after(workflow, narrow, last, chunk)
        yield from rows
        if len(rows) < chunk:
            return
        last = rows[-1].pk


def records_after(workflow: UUID, narrow: RecordFilter, last: UUID | None, limit: int) -> list[WorkflowRecord]:
    """Return the next records by primary key. One query."""
    quick, slow, values = conditions(narrow)
    where = " AND ".join(["r.workflow_id = %(workflow)s", *quick, *slow, *(["r.id > %(last)s"] if last else [])])
    statement = f"SELECT r.* FROM workflow_records r WHERE {where} ORDER BY r.id LIMIT %(limit)s"  # noqa: S608
    return list(WorkflowRecord.objects.raw(statement, {**values, "workflow": workflow, "last": last, "limit": limit}))


def count(workflow: UUID, narrow: RecordFilter, *, limit: int | None = None) -> int:
    """Return how many records match; with `limit`, no more are counted. One query."""
    if narrow.only_counted:
        return sum(number for _, _, number in counts([workflow], types=(narrow.type,), statuses=narrow.status))
    quick, slow, values = conditions(narrow)
    where = " AND ".join(["r.workflow_id = %(workflow)s", *quick, *slow])
    statement = f"SELECT count(*) FROM (SELECT 1 FROM workflow_records r WHERE {where} LIMIT %(limit)s) AS found"  # noqa: S608
    with connection.cursor() as found:
        found.execute(statement, {**values, "workflow": workflow, "limit": limit})
        return int(found.fetchone()[0])


def count_by_status(workflow: UUID, narrow: RecordFilter) -> dict[str, int]:
    """Return how many of the records that match have each status. One query."""
    quick, slow, values = conditions(narrow)
    where = " AND ".join(["r.workflow_id = %(workflow)s", *quick, *slow])
    statement = f"SELECT r.status, count(*) FROM workflow_records r WHERE {where} GROUP BY 1"  # noqa: S608
    with connection.cursor() as found:
        found.execute(statement, {**values, "workflow": workflow})
        return dict(found.fetchall())


def counts(
    workflows: Sequence[UUID], *, types: Sequence[str] = (), statuses: Sequence[str] = ()
) -> list[tuple[str, str, int]]:
    """Return (type, status, how many) of the workflows' records; nothing is counted for it. One query."""
    rows = RecordCount.objects.filter(workflow__in=workflows)
    if any(types):
        rows = rows.filter(record_type__in=types)
    if statuses:
        rows = rows.filter(status__in=statuses)
    sums = rows.values_list("record_type", "status").annotate(number=Sum("count")).order_by("record_type", "status")
    return [(record_type, status, number) for record_type, status, number in sums if number]


def nearest_ids(workflow: UUID, record_id: str) -> list[str]:
    """Return ids around a misspelt one. One query."""
    with connection.cursor() as cursor:
        cursor.execute(NEAREST, {"workflow": workflow, "id": record_id})
        return [row[0] for row in cursor.fetchall()]


class _Listing:
    """The query of one page. source: what the records are read from."""

    source = "workflow_records"

    def __init__(
        self, workflows: Sequence[UUID], narrow: RecordFilter, order: Order, at: paging.Cursor | None, size: int
    ) -> None:
        self.order, self.at, self.size = order, at, size
        self.backwards = at is not None and at.backwards
        quick, self.slow, self.values = conditions(narrow)
        if self.slow and len(workflows) != 1:
            raise FilterInvalid("fields", "can be tested in one workflow at a time; choose one")
        if at is not None:
            quick.append(order.after(backwards=self.backwards))
            self.values |= {f"key{place}": value for place, value in enumerate(at.key)}
        self.where = " AND ".join(["r.workflow_id = w.id", *quick])
        self.values |= {"workflows": list(workflows), "limit": size + 1}

    def rows(self, columns: str, values: dict[str, Any]) -> list[WorkflowRecord]:
        """Up to size + 1 records from the cursor on, in the direction of reading."""
        self.values |= values
        statement = f"SELECT {columns} FROM ({self._found()}) AS r LEFT JOIN record_types t ON t.workflow_id = "  # noqa: S608
        statement += f"r.workflow_id AND t.name = r.record_type ORDER BY {self._order}"
        rows = list(WorkflowRecord.objects.raw(statement, self.values))
        for row in rows:
            row.picked = loads(getattr(row, "picked", "[]"))
            row.maybe_secret = loads(getattr(row, "maybe_secret", None) or "null")
        return rows

    def going_on(self, page: paging.Page[WorkflowRecord]) -> paging.Page[WorkflowRecord]:
        """Give the page a neighbour where only SCAN records were looked at."""
        if not self.slow or (page.previous if self.backwards else page.next):
            return page
        last = self._last_scanned()
        if last is None:
            return page
        if self.backwards:
            return replace(page, previous=str(paging.Cursor(self.order.key(last), backwards=True)))
        return replace(page, next=str(paging.Cursor(self.order.key(last), page.offset + len(page.rows))))

    @property
    def _order(self) -> str:
        return self.order.sql(backwards=self.backwards)

    def _found(self) -> str:
        limit = SCAN if self.slow else self.size + 1
        each = f"""SELECT r.* FROM unnest(%(workflows)s::uuid[]) AS w (id) CROSS JOIN LATERAL (
            SELECT r.* FROM {self.source} r WHERE {self.where} ORDER BY {self._order} LIMIT {limit}) AS r"""  # noqa: S608
        narrowed = f" WHERE {' AND '.join(self.slow)}" if self.slow else ""
        return f"{each}{narrowed} ORDER BY {self._order} LIMIT %(limit)s"

    def _last_scanned(self) -> WorkflowRecord | None:
        """Return the record at which the search stopped, or None where it came to the end."""
        window = f"WHERE {self.where} ORDER BY {self._order} OFFSET {SCAN - 1} LIMIT 1"
        statement = f"""SELECT {COLUMNS} FROM unnest(%(workflows)s::uuid[]) AS w (id) CROSS JOIN LATERAL (
            SELECT * FROM {self.source} r {window}) AS r"""  # noqa: S608 - made of constants
        return next(iter(WorkflowRecord.objects.raw(statement, self.values)), None)


def _columns(whole: bool, picked: Sequence[Path]) -> str:
    title = (
        f"coalesce(r.data #>> string_to_array(nullif(t.title, ''), '.'), {TITLE_SQL.format(data='r.data')}) AS title"
    )
    columns = [COLUMNS, title, "r.data" if whole else f"{MAYBE_SQL.format(data='r.data')} AS maybe_secret"]
    if picked:
        paths = ", ".join(f"r.data #> %(picked{place})s::text[]" for place in range(len(picked)))
        columns.append(f"jsonb_build_array({paths}) AS picked")
    return ", ".join(columns)


def _cursor(text: str, order: Order) -> paging.Cursor | None:
    """Return the cursor if its key has the values that the order needs; raises CursorInvalid."""
    if not text:
        return None
    cursor = paging.parse(text, [str] * len(order.casts))
    try:
        assert cursor is not None
        for cast, value in zip(order.casts, cursor.key, strict=True):
            READ[cast](str(value))
    except (AssertionError, ValueError, DirectorError):
        raise CursorInvalid from None
    return cursor


def _turned(way: str, backwards: bool) -> str:
    return {"ASC": "DESC", "DESC": "ASC"}[way] if backwards else way


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
