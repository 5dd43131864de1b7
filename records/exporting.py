"""Records as CSV or JSON Lines, streamed: memory holds a chunk of records, whatever their number.

What is exported can be imported again and gives the same data (`records.importing`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection

from director.jsontools import dumps
from records import queries
from records.cells import MISSING, cell_of
from records.errors import ExportTooWide
from records.filters import RecordFilter, conditions
from records.models import WorkflowRecord
from records.patches import BUCKETS, Path, format_path, look_up, parse_path
from records.secrets import secrets_of

ABOUT = ("record_id", "record_type", "source_key", "status", "error_message")
TIMES = ("created_at", "updated_at")
MAX_COLUMNS = 2_000
BOM = "\ufeff"  # without it spreadsheets take UTF-8 for something else
CHUNK = 500  # records written at once

KEYS = """
SELECT DISTINCT bucket, key FROM workflow_records r,
    unnest(%(buckets)s::text[]) AS bucket, jsonb_object_keys(r.data -> bucket) AS key
WHERE {where} AND jsonb_typeof(r.data -> bucket) = 'object' ORDER BY 1, 2 LIMIT %(limit)s
"""


# What a record's data is in the file.
Shown = Callable[[Any], Any]


def export_json_lines(workflow: UUID, narrow: RecordFilter, *, reveal: bool = False) -> Iterator[bytes]:
    """Yield the records as JSON Lines. reveal: with the secrets among the data, for those who may see them."""
    return _json_lines(queries.iterate(workflow, narrow), _shown(workflow, reveal=reveal))


def export_csv(
    workflow: UUID, narrow: RecordFilter, *, columns: Sequence[str] = (), reveal: bool = False
) -> Iterator[bytes]:
    """Yield the records as CSV (UTF-8 with a byte order mark, comma).

    columns: names of ABOUT or TIMES and paths of the data; when not given, ABOUT and every key of the data that any
    record has. reveal: with the secrets. Raises ExportTooWide, PathInvalid before the first bytes.
    """
    names = list(columns) or [*ABOUT, *_data_columns(workflow, narrow)]
    paths = {name: parse_path(name) for name in names if name not in (*ABOUT, *TIMES)}
    return _csv(queries.iterate(workflow, narrow), names, paths, _shown(workflow, reveal=reveal))


def _shown(workflow: UUID, *, reveal: bool) -> Shown:
    return (lambda data: data) if reveal else secrets_of(workflow).shown


def _json_lines(records: Iterator[WorkflowRecord], shown: Shown) -> Iterator[bytes]:
    while chunk := list(islice(records, CHUNK)):
        yield b"".join(dumps(_as_object(record, shown(record.data))) + b"\n" for record in chunk)


def _csv(
    records: Iterator[WorkflowRecord], names: Sequence[str], paths: dict[str, Path], shown: Shown
) -> Iterator[bytes]:
    yield (BOM + _lines([names])).encode()
    while chunk := list(islice(records, CHUNK)):
        yield _lines(_row(record, shown(record.data), names, paths) for record in chunk).encode()


def _lines(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _row(record: WorkflowRecord, data: Any, names: Sequence[str], paths: dict[str, Path]) -> Iterator[str]:
    for name in names:
        if name in paths:
            yield cell_of(look_up(data, paths[name], MISSING))
        elif name in TIMES:
            yield getattr(record, name).isoformat()
        else:
            yield cell_of(getattr(record, name) or MISSING)


def _as_object(record: WorkflowRecord, data: Any) -> dict[str, Any]:
    about = {name: getattr(record, name) for name in (*ABOUT, *TIMES)}
    return {**about, **{bucket: data.get(bucket, {}) for bucket in BUCKETS}}


def _data_columns(workflow: UUID, narrow: RecordFilter) -> list[str]:
    """Return the path of every key at the top of any bucket of the records. One query."""
    quick, slow, values = conditions(narrow)
    where = " AND ".join(["r.workflow_id = %(workflow)s", *quick, *slow])
    values |= {"workflow": workflow, "buckets": list(BUCKETS), "limit": MAX_COLUMNS + 1}
    with connection.cursor() as cursor:
        cursor.execute(KEYS.format(where=where), values)
        found = cursor.fetchall()
    if len(found) > MAX_COLUMNS:
        raise ExportTooWide(MAX_COLUMNS)
    in_order = sorted(found, key=lambda one: (BUCKETS.index(one[0]), one[1]))
    return [format_path((bucket, key)) for bucket, key in in_order]
