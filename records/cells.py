"""What a JSON value looks like in a cell of a CSV file, and back: every value comes back as it was.

A text is written as it is; anything else, and a text that could be taken for something else, as JSON; what is not there
is an empty cell. A text that a spreadsheet would take for a formula gets an apostrophe in front.
"""

from __future__ import annotations

from typing import Any

import orjson

from director.jsontools import dumps

FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


class Missing:
    """Stands for "not there"."""


MISSING = Missing()


def cell_of(value: Any) -> str:
    """Return the cell that `value_of` reads as this value."""
    if value is MISSING:
        return ""
    if not isinstance(value, str):
        return dumps(value).decode()
    if value.startswith(FORMULA):
        return f"'{value}"
    return dumps(value).decode() if _is_json(value) or value.strip() == "" else value


def value_of(cell: str) -> Any:
    """Return the value that stands in the cell; MISSING for an empty one."""
    if cell == "":
        return MISSING
    if cell.startswith("'"):
        return cell[1:]
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError:
        return cell


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
