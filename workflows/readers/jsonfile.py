"""Items of a JSON array, of JSON Lines, or the one value of a JSON file.

An array is cut into its elements by counting brackets outside strings, and each element is parsed by itself: so a
malformed or oversized element costs nothing but itself, where a parser of the whole stream would have to stop.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn, TextIO

from workflows.readers.files import reading
from workflows.readers.items import MAX_FIELD_BYTES, Item, Position, Problem, checked, too_large
from workflows.readers.text import clean_text, open_text

_FIELDS_PER_ITEM: Final = 4  # an item may be as large as so many fields of the largest size
_MAX_DEPTH: Final = 100  # of lists and objects within each other; what stores them afterwards has limits of its own
_TOO_DEEP: Final = f"lists and objects are nested more than {_MAX_DEPTH} deep"
_CHUNK_CHARS: Final = 64 * 1024
_NOTHING: Final = "nothing stands between two commas"
_LINES_SUFFIXES: Final = (".jsonl", ".ndjson")
# What is looked for next; a string that is whole and has no escapes is passed over in one go.
_IN_ARRAY: Final = re.compile(r'"[^"\\]*"|["\[\]{},]')
_IN_ELEMENT: Final = re.compile(r'"[^"\\]*"|["\[\]{}]')
_IN_STRING: Final = re.compile(r'["\\]')


class _Piece(NamedTuple):
    """The text of one item and the line it begins on; with `problem` set, the text is not to be parsed."""

    line: int
    text: str
    problem: str | None = None


def read_json(path: Path, *, max_field_bytes: int = MAX_FIELD_BYTES) -> Iterator[Item | Problem]:
    """Yield the elements of the file's array, its lines if it is JSON Lines, or its one value.

    An element that is not an object becomes {"value": element}. Raises SourceUnreadable.
    """
    with reading(path), open_text(path) as file:
        unit, pieces = _pieces(file, path, max_field_bytes * _FIELDS_PER_ITEM)
        for index, piece in enumerate(pieces, 1):
            yield _item(Position(index, unit, path.name, line=piece.line), piece, max_field_bytes)


def _pieces(file: TextIO, path: Path, limit: int) -> tuple[str, Iterator[_Piece]]:
    if path.suffix.lower() in _LINES_SUFFIXES:
        return "line", _lines(file, limit)
    is_array = file.read(_CHUNK_CHARS).lstrip().startswith("[")
    file.seek(0)
    if is_array:
        return "element", _Elements(limit).of(file)
    has_lines = any(_is_object(piece.text) for piece in islice(_lines(file, limit), 2))
    file.seek(0)
    return ("line", _lines(file, limit)) if has_lines else ("value", _whole(file, limit))


def _is_object(line: str) -> bool:
    """Whether the line is a JSON object by itself, as it is in JSON Lines and hardly elsewhere."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _item(position: Position, piece: _Piece, max_field_bytes: int) -> Item | Problem:
    if piece.problem:
        return Problem(position, piece.problem)
    try:
        value = _parsed(piece.text)
    except json.JSONDecodeError as error:
        line, near = piece.line + error.lineno - 1, error.doc[max(error.pos - 20, 0) : error.pos + 20]
        return Problem(position, f"it is not valid JSON: {error.msg} (line {line}, near {near!r})")
    except RecursionError:
        return Problem(position, f"it cannot be stored: {_TOO_DEEP}")
    except ValueError as error:
        return Problem(position, f"it cannot be stored: {error}")
    return checked(position, value if isinstance(value, dict) else {"value": value}, max_field_bytes)


# Values


def _parsed(text: str) -> Any:
    value = json.loads(clean_text(text), parse_constant=_refuse_constant, parse_float=_finite)
    if "\\u" in text or text.count("[") + text.count("{") > _MAX_DEPTH:  # else there is nothing to clean or to count
        return _cleaned(value, _MAX_DEPTH)
    return value


def _cleaned(value: Any, levels: int) -> Any:
    """Return `value` with every string and key cleaned; ValueError when it is nested deeper than `levels`."""
    if isinstance(value, str):
        return clean_text(value)
    if not isinstance(value, (dict, list)):
        return value
    if not levels:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, dict):
        return {clean_text(key): _cleaned(item, levels - 1) for key, item in value.items()}
    return [_cleaned(item, levels - 1) for item in value]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits[:40]} is too large")
    return number


# Pieces


def _whole(file: TextIO, limit: int) -> Iterator[_Piece]:
    text = file.read(limit + 1)
    if len(text) > limit:
        size = len(text) + sum(map(len, _chunks(file)))
        yield _Piece(1, "", too_large("the value", size, limit))
    elif text.strip():
        yield _Piece(1, text)


def _lines(file: TextIO, limit: int) -> Iterator[_Piece]:
    number = 0
    while line := file.readline(limit + 1):
        number += 1
        if len(line) > limit:
            yield _Piece(number, "", too_large("the line", _rest_of_line(file, line), limit))
        elif line.strip():
            yield _Piece(number, line)


def _rest_of_line(file: TextIO, line: str) -> int:
    """Read to the end of the line; return how many characters it had."""
    size = len(line)
    while line and not line.endswith("\n"):
        line = file.readline(_CHUNK_CHARS)
        size += len(line)
    return size


def _chunks(file: TextIO) -> Iterator[str]:
    return iter(partial(file.read, _CHUNK_CHARS), "")


@dataclass(slots=True)
class _Gathered:
    """The text of one element so far; dropped, but still counted, once it is over the limit."""

    limit: int
    line: int  # on which it begins
    text: str = ""
    size: int = 0
    line_ends: int = 0

    def take(self, text: str) -> None:
        self.size += len(text)
        self.line_ends += text.count("\n")
        self.text = self.text + text if self.size <= self.limit else ""

    def is_blank(self) -> bool:
        return self.size <= self.limit and not self.text.strip()

    def piece(self) -> _Piece:
        if self.size > self.limit:
            return _Piece(self.line, "", too_large("the element", self.size, self.limit))
        text = self.text.lstrip()
        line = self.line + self.text[: len(self.text) - len(text)].count("\n")
        return _Piece(line, text, None if text else _NOTHING)


class _Elements:
    """Cuts the text of an array into the text of its elements, chunk by chunk."""

    def __init__(self, limit: int) -> None:
        self._now = _Gathered(limit, line=1)
        self._depth = 0
        self._in_string = self._escaped = self._closed = False

    def of(self, file: TextIO) -> Iterator[_Piece]:
        """Yield the elements, and at the end what is wrong with the array as a whole."""
        while (char := file.read(1)) != "[":
            self._now.line += char == "\n"
        is_first = True
        for chunk in _chunks(file):
            for piece in self._feed(chunk):
                if not (is_first and self._closed and piece.problem == _NOTHING):  # else the array is empty
                    yield piece
                is_first = False
        yield from self._ending()

    def _ending(self) -> Iterator[_Piece]:
        rest = self._now
        if not self._closed:
            if not rest.is_blank():
                yield rest.piece()
            yield _Piece(rest.line + rest.line_ends, "", "the file ends before the array is closed")
        elif not rest.is_blank():
            yield _Piece(rest.line, "", f"something follows the end of the array: {rest.text.strip()[:40]!r}")

    def _feed(self, chunk: str) -> Iterator[_Piece]:
        start = 0
        for end in self._ends(chunk):
            self._now.take(chunk[start:end])
            start = end + 1
            yield self._now.piece()
            self._now = _Gathered(self._now.limit, self._now.line + self._now.line_ends)
        self._now.take(chunk[start:])

    def _ends(self, chunk: str) -> Iterator[int]:
        """Yield where in the chunk an element ends: at a comma or the closing bracket of the array itself."""
        at = 1 if self._escaped else 0
        while not self._closed and (match := self._next_mark().search(chunk, at)):
            at = match.end()
            mark = match[0]
            if mark == "\\":
                at += 1  # what is escaped does not count
            elif mark == '"':
                self._in_string = not self._in_string
            elif mark in ("[", "{"):
                self._depth += 1
            elif mark in ("]", "}") and self._depth:
                self._depth -= 1
            elif mark in (",", "]"):
                self._closed = mark == "]"
                yield at - 1
        self._escaped = at > len(chunk)

    def _next_mark(self) -> re.Pattern[str]:
        if self._in_string:
            return _IN_STRING
        return _IN_ELEMENT if self._depth else _IN_ARRAY
