"""Rows as lines of a file: CSV, or JSON Lines."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from director.jsontools import dumps
from records.cells import FORMULA
from workflows.errors import StepFailed
from workflows.expressions.failures import kind_of


def json_lines(rows: Sequence[Any]) -> bytes:
    """Return one line of JSON for each row."""
    return b"".join(dumps(row) + b"\n" for row in rows)


def csv_lines(rows: Sequence[Any], columns: Sequence[str], *, header: bool, guard: bool = True) -> bytes:
    """Return the rows' columns as CSV in UTF-8; what a row does not have is an empty cell.

    header: whether the names of the columns come first. guard: whether a text that a spreadsheet would take for a
    formula gets an apostrophe in front (OWASP, "CSV Injection").
    """
    lines = StringIO()
    writer = csv.writer(lines, lineterminator="\r\n")
    if header and columns:
        writer.writerow([_cell(name, guard) for name in columns])
    writer.writerows([_cell(row.get(name), guard) for name in columns] for row in rows)
    return lines.getvalue().encode()


def columns_of(rows: Sequence[Any]) -> list[str]:
    """Return the names in the rows, each where it first appears; raises StepFailed for a row that is no object."""
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise StepFailed(f"rows[{number}] is {kind_of(row)}; a row of a CSV file is an object of column and value.")
    return list(dict.fromkeys(name for row in rows for name in row))


def header_of(content: str) -> list[str]:
    """Return the names of the columns in the first line of a CSV file; those that were guarded without the apostrophe."""
    found = next(csv.reader(StringIO(content)), [])
    return [name[1:] if name.startswith("'") else name for name in found]


def _cell(value: Any, guard: bool) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return dumps(value).decode()
    return f"'{value}" if guard and value.startswith(FORMULA) else value
