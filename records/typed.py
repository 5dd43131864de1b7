"""Values as people write them in a form: a type and a text, and back again."""

from __future__ import annotations

from typing import Any

import orjson

from director.jsontools import ValueInvalid, dumps, loads
from records.masking import MASK, is_masked, is_sensitive
from records.patches import Path, format_path

KINDS = (
    ("text", "text"),
    ("number", "number"),
    ("boolean", "true or false"),
    ("list", "list, as JSON"),
    ("object", "object, as JSON"),
    ("null", "nothing (null)"),
)
BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
JSON_KINDS = {"list": list, "object": dict}
MAX_CHARACTERS = 100_000  # a form field with more is no pleasure; the API takes larger ones


def kind_of(value: Any) -> str:
    """Return the first word of the value's entry in KINDS."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list() | tuple():
            return "list"
        case _:
            return "object"


def written(value: Any) -> str:
    """Return the text that `read` reads as this value, given its kind."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return dumps(value).decode()


def read(kind: str, text: str, path: str) -> Any:
    """Return the value that the text stands for; raises ValueInvalid naming the path and what would be right."""
    if kind not in dict(KINDS):
        raise ValueInvalid(path, f"cannot be of the type {kind[:20]!r}; choose one of {', '.join(dict(KINDS))}")
    if kind == "text":
        return text.replace("\r\n", "\n")
    if kind == "null":
        if text.strip() not in ("", "null"):
            raise ValueInvalid(path, f'is "{text[:40]}", which is not nothing; choose its type, or clear the value')
        return None
    return _READERS[kind](kind, text.strip(), path)


def with_secrets(value: Any, standing: Any, path: Path) -> Any:
    """Return the value with what a person only saw as a mask put back from what stands there.

    Raises ValueInvalid where a mask is left that stands for nothing: it would be stored as if it were the secret.
    """
    if value == MASK and any(is_sensitive(str(key)) for key in path) and standing is not None:
        return standing
    if is_masked(value):
        if isinstance(standing, str) and _is_shown_of(value, standing):
            return standing
        raise ValueInvalid(format_path(path), "is a mask, not a value; write the value itself, or leave it as it is")
    if isinstance(value, dict):
        known = standing if isinstance(standing, dict) else {}
        return {key: with_secrets(item, known.get(key), (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        rows = standing if isinstance(standing, list) else []
        return [with_secrets(item, rows[at] if at < len(rows) else None, (*path, at)) for at, item in enumerate(value)]
    return value


def _is_shown_of(shown: str, standing: str) -> bool:
    """Whether a text with masks in it may be what was shown of the standing one."""
    first, *middle, last = shown.split(MASK)
    place = len(first)
    for part in middle:
        place = standing.find(part, place) + len(part)
        if place < len(part):
            return False
    return standing.startswith(first) and standing.endswith(last) and place + len(last) <= len(standing)


def _number(kind: str, text: str, path: str) -> Any:
    try:
        value = loads(text)
    except ValueInvalid:
        value = None
    if kind_of(value) != "number":
        raise ValueInvalid(path, f'is "{text[:40]}", which is no number; write it like 42 or 0.8')
    return value


def _boolean(kind: str, text: str, path: str) -> bool:
    if text.lower() not in BOOLEANS:
        raise ValueInvalid(path, f'is "{text[:40]}"; write true or false')
    return BOOLEANS[text.lower()]


def _structure(kind: str, text: str, path: str) -> Any:
    try:
        value = loads(text)
    except ValueInvalid as error:
        raise ValueInvalid(path, error.reason) from error
    if not isinstance(value, JSON_KINDS[kind]):
        wanted = "a list, such as [1, 2]" if kind == "list" else 'an object, such as {"a": 1}'
        raise ValueInvalid(path, f"is not {wanted}")
    return value


_READERS = {"number": _number, "boolean": _boolean, "list": _structure, "object": _structure}
