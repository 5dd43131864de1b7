"""Rows of a CSV file as dictionaries; encoding, delimiter and column names are found out from the file itself."""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

from workflows.readers.files import reading
from workflows.readers.items import MAX_FIELD_BYTES, Item, Position, Problem, checked, format_bytes
from workflows.readers.text import clean_text, open_text

DELIMITERS: Final = ",;\t|"
_SAMPLE_CHARS: Final = 64 * 1024
_SAMPLE_ROWS: Final = 200
_FIELDS_PER_ROW: Final = 4  # a row may be as large as so many fields of the largest size
_DELIMITER_LINE: Final = re.compile(r"sep=(.)\r?\n")  # how spreadsheets declare theirs, before the header


def read_csv(path: Path, *, max_field_bytes: int = MAX_FIELD_BYTES) -> Iterator[Item | Problem]:
    """Yield each row as {column: text}, the columns named by the first row; empty rows are passed over.

    Blank column names become "column_<n>", repeated ones "<name>_2", and so on. A row with more or fewer columns than
    the header, or with a quote out of place, is a Problem with its line. Raises SourceUnreadable.
    """
    with reading(path), open_text(path) as file:
        lines = _Lines(file, max_field_bytes * _FIELDS_PER_ROW)
        rows = _rows(lines, **_dialect(file, lines))
        header: list[str] | None = None
        for index, (line, row) in enumerate(rows):
            position = Position(index, "row", path.name, line=line)
            if header is not None:
                yield _item(position, header, row, max_field_bytes)
            elif isinstance(row, str):
                yield Problem(position, f"the header cannot be read: {row}")
                return
            else:
                header = _column_names(row)


def _item(position: Position, header: list[str], row: list[str] | str, max_field_bytes: int) -> Item | Problem:
    if isinstance(row, str):
        return Problem(position, row)
    if len(row) != len(header):
        return Problem(position, f"the row has {len(row)} columns, the header has {len(header)}")
    return checked(position, dict(zip(header, row, strict=True)), max_field_bytes)


def _rows(lines: "_Lines", **dialect: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Yield (first line, columns) of each row that is not empty, or (first line, what is wrong with it)."""
    csv.field_size_limit(max(csv.field_size_limit(), lines.limit))  # of the process; `lines` sees to ours
    reader = csv.reader(lines, strict=True, **dialect)
    while True:
        first_line = lines.begin_row()
        try:
            row = next(reader, None)
        except _RowTooLarge:
            yield first_line, f"the row has more than {format_bytes(lines.limit)}"
            continue
        except csv.Error as error:
            yield first_line, _quote_problem(lines, error)
            continue
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield first_line, row


def _quote_problem(lines: "_Lines", error: csv.Error) -> str:
    if lines.at_end:  # the quote swallowed all that follows, so that is read again without it
        lines.read_again_after_first()
        return "a quoted field begins here and never ends"
    return f"a quote is out of place: {error}"


def _column_names(row: Sequence[str]) -> list[str]:
    names: dict[str, None] = {}
    for number, cell in enumerate(row, 1):
        name = base = cell.strip() or f"column_{number}"
        count = 1
        while name in names:
            count += 1
            name = f"{base}_{count}"
        names[name] = None
    return list(names)


# Dialect


def _dialect(file: TextIO, lines: "_Lines") -> dict[str, Any]:
    """Return the arguments of csv.reader for this file, and leave it at the header."""
    sample = file.read(_SAMPLE_CHARS)
    file.seek(0)
    declared = _DELIMITER_LINE.match(sample)
    if declared:
        next(lines)
    delimiter = declared[1] if declared else _likeliest_delimiter(sample)
    return {"delimiter": delimiter, "skipinitialspace": f'{delimiter} "' in sample}


def _likeliest_delimiter(sample: str) -> str:
    """Return the delimiter by which the most rows have as many columns as the header; on a tie, the most columns."""
    return max(DELIMITERS, key=lambda delimiter: _regularity(sample, delimiter))


def _regularity(sample: str, delimiter: str) -> tuple[float, int]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    rows = [row for row in islice(reader, _SAMPLE_ROWS) if row]
    if len(sample) == _SAMPLE_CHARS and len(rows) > 1:
        rows.pop()  # cut off within
    columns = len(rows[0]) if rows else 0
    if columns < 2:
        return 0, 0
    return round(sum(len(row) == columns for row in rows) / len(rows), 1), columns


# Lines


class _RowTooLarge(Exception):
    """The row being read is larger than the limit; what was left of it has been passed over."""


class _Lines:
    """Hands csv.reader its lines, never more than `limit` characters of one row; can hand out a row's lines again."""

    def __init__(self, file: TextIO, limit: int) -> None:
        self.limit = limit
        self.at_end = False
        self._file = file
        self._number = 0  # of the line handed out last
        self._row: list[str] = []
        self._row_size = 0
        self._again: deque[str] = deque()

    def begin_row(self) -> int:
        """Forget the row before; return the number of the line that the next one begins with."""
        self._row.clear()
        self._row_size = 0
        return self._number + 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else clean_text(self._file.readline(self.limit + 1))
        self.at_end = not line
        if not line:
            raise StopIteration
        self._number += 1
        self._row.append(line)
        self._row_size += len(line)
        if self._row_size > self.limit:
            self._pass_over_row()
            raise _RowTooLarge
        return line

    def read_again_after_first(self) -> None:
        """Hand out the lines of this row once more, but for its first."""
        self._number -= len(self._row) - 1
        self._again.extendleft(reversed(self._row[1:]))

    def _pass_over_row(self) -> None:
        """Read on to the end of the line on which the quotes come out even."""
        quotes = sum(line.count('"') for line in self._row)
        line = self._row[-1]
        while line and (quotes % 2 or not line.endswith(("\n", "\r"))):
            self._number += line.endswith(("\n", "\r"))
            line = self._file.readline(self.limit)
            quotes += line.count('"')
