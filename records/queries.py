"""Finding records: pages by key, streams, counts. Quick with a million records: no page counts or sorts all of them.

What no index helps with (field tests, patterns that begin with `*`) is looked for in so many records at a time
(`listing.SCAN`): a page may then hold fewer rows than asked for and still have a next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from director import paging
from director.errors import DirectorError
from director.jsontools import dumps
from records.errors import CursorInvalid, FilterInvalid
from records.filters import RecordFilter, conditions, searched
from records.listing import ORDERS, Listing, Order
from records.models import RecordCount, WorkflowRecord
from records.patches import Path
from records.secrets import MAYBE_SQL
from records.titles import TITLE_SQL

PAGE_SIZE = 50
MAX_PAGE_SIZE = 1_000
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


def records_page(
    workflows: Sequence[UUID],
    narrow: RecordFilter,
    *,
    order: str = "-id",
    cursor: str = "",
    size: int = PAGE_SIZE,
    whole: bool = True,
    picked: Sequence[Path] = (),
    matching: int | None = None,
) -> paging.Page[WorkflowRecord]:
    """Return a page of the workflows' records.

    order: a key of ORDERS. whole: with `data`; without, rows have `title`, `picked` (the values at the picked paths) and
    `maybe_secret` (to mask these, see `secrets_of_records`), and their data is only fetched when it is asked for.
    matching: how many records have the type and the status, where that is known already. Tests of fields need a single
    workflow. One query where nothing is asked for but type, status and a range of the order, at most four otherwise.
    Raises FilterInvalid, CursorInvalid.
    """
    if order not in ORDERS:
        raise FilterInvalid(f"order {order}", "is not an order of records", list(ORDERS))

    def of_kind() -> int:
        return _of_kind(workflows, narrow) if matching is None else matching

    at = _cursor(cursor, ORDERS[order])
    listing = Listing(workflows, narrow, ORDERS[order], at, min(max(size, 1), MAX_PAGE_SIZE), of_kind)
    rows = listing.rows(_columns(whole, picked), {f"picked{n}": [str(key) for key in p] for n, p in enumerate(picked)})
    page = paging.page_of(rows, at, ORDERS[order].key, size=listing.size)
    return listing.going_on(page)


def newest(workflows: Sequence[UUID], narrow: RecordFilter, size: int) -> list[UUID]:
    """Return the keys of the newest records that match. At most three queries."""
    listing = Listing(workflows, narrow, ORDERS["-id"], None, size - 1, lambda: _of_kind(workflows, narrow))
    return [row.pk for row in listing.rows("r.id", {})]


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
        return _of_kind([workflow], narrow)
    quick, slow, values = conditions(narrow)
    own, source = ["r.workflow_id = %(workflow)s", *quick, *slow], "workflow_records r"
    if narrow == RecordFilter(text=narrow.text, created_by=narrow.created_by, created_in=narrow.created_in):
        own, source = ["s.workflow_id = %(workflow)s", *searched(narrow, values)], "record_search s"
    where = " AND ".join(own)
    statement = f"SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {where} LIMIT %(limit)s) AS found"  # noqa: S608
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


def _of_kind(workflows: Sequence[UUID], narrow: RecordFilter) -> int:
    """How many records have the type and the status that the filter asks for. One query."""
    return sum(number for _, _, number in counts(workflows, types=(narrow.type,), statuses=narrow.status))


def nearest_ids(workflow: UUID, record_id: str) -> list[str]:
    """Return ids around a misspelt one. One query."""
    with connection.cursor() as cursor:
        cursor.execute(NEAREST, {"workflow": workflow, "id": record_id})
        return [row[0] for row in cursor.fetchall()]


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
