"""Patches by path: the paths, the two operations, and what they do to a record's data.

A path leads into the data: a string is a key of an object, a whole number an index of a list. `apply` here
and the SQL function `director_patch` (`records/sql/director_patch.sql`) mean the same:

- set puts the value at the path. Parents that are missing, null or of another kind than the path needs become
  an object or a list; an index at or beyond the end appends.
- delete takes away what is at the path, and does nothing when nothing is there.

Neither ever fails, so that one odd patch cannot undo the others of its batch; `obstacle` tells beforehand
whether a set would replace something.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NotRequired, TypedDict

import orjson

from director.errors import DirectorError
from director.jsontools import ValueInvalid, loads
from records.errors import PathInvalid
from records.masking import masked_paths

Key = str | int
Path = tuple[Key, ...]

BUCKETS = ("fields", "vars", "targets")
MAX_DEPTH = 32
MAX_INDEX = 99_999
# A plain key, an index in brackets, or a key in brackets: a JSON string, or anything between apostrophes.
TOKEN = re.compile(
    r"""(?P<dot>\.)?(?P<name>[^.\[\]"'\s][^.\[\]"']*)|\[(?P<index>\d{1,6})\]"""
    r"""|\[(?P<double>"(?:[^"\\]|\\.)*")\]|\['(?P<single>[^']*)'\]"""
)
# What is written without brackets: words with single spaces between them.
PLAIN = re.compile(r"""[^.\[\]"'\s]+(?: [^.\[\]"'\s]+)*""")


class Operation(TypedDict):
    """One change; `value` (any JSON value) is there for set only."""

    op: Literal["set", "delete"]
    path: Sequence[Key]
    value: NotRequired[Any]


def set_at(path: Sequence[Key], value: Any) -> Operation:
    return {"op": "set", "path": list(path), "value": value}


def delete_at(path: Sequence[Key]) -> Operation:
    return {"op": "delete", "path": list(path)}


def parse_path(text: str) -> Path:
    """Return the keys of a path such as `vars.lines[2].amount` or `fields["first name"]`.

    Raises PathInvalid when it cannot be read, does not begin with fields, vars or targets, or is too deep.
    """
    keys, position = [], 0
    while position < len(text):
        found = TOKEN.match(text, position)
        if not found or (found["name"] is not None and bool(found["dot"]) == (position == 0)):
            raise PathInvalid(text, f"cannot be read at character {position + 1}")
        keys.append(_key(found, text))
        position = found.end()
    return check_path(keys, text)


def check_path(keys: Sequence[Key], text: str | None = None) -> Path:
    """Return the keys as a path, or raise PathInvalid when they lead into no bucket of a record's data."""
    text = format_path(keys) if text is None else text
    if not keys or keys[0] not in BUCKETS:
        raise PathInvalid(text, "must begin with fields, vars or targets")
    if len(keys) > MAX_DEPTH:
        raise PathInvalid(text, f"is deeper than {MAX_DEPTH} keys")
    if any(isinstance(key, int) and not 0 <= key <= MAX_INDEX for key in keys):
        raise PathInvalid(text, f"has an index outside 0 to {MAX_INDEX}")
    return tuple(keys)


def check_unmasked(value: Any, path: Path = ()) -> None:
    """Raise ValueInvalid where a mask that a person was shown would be stored as if it were the secret."""
    for masked in masked_paths(value, path):
        raise mask_refused(masked)


def mask_refused(path: Iterable[Key]) -> ValueInvalid:
    return ValueInvalid(format_path(path), "is a mask, not a value; write the value itself, or leave it out")


def format_path(keys: Iterable[Key]) -> str:
    """Return the text that `parse_path` reads as these keys."""
    parts = [_format_key(key, first=position == 0) for position, key in enumerate(keys)]
    return "".join(parts)


def apply(data: Any, operations: Iterable[Operation]) -> Any:
    """Return `data` after the operations, in order. `data` itself stays; untouched parts are shared."""
    for operation in operations:
        change = _set if operation["op"] == "set" else _delete
        data = change(data, operation["path"], 0, operation.get("value")) if operation["path"] else data
    return data


def look_up(data: Any, path: Sequence[Key], missing: Any = None) -> Any:
    """Return what is at the path, or `missing`."""
    for key in path:
        if not _leads_on(data, key):
            return missing
        try:
            data = data[key]
        except LookupError:
            return missing
    return data


def obstacle(data: Any, path: Sequence[Key]) -> Path | None:
    """Return the path of what a set at `path` would replace to make room for its parents, or None."""
    node = data
    for position, key in enumerate(path):
        if node is None:
            return None
        if not _leads_on(node, key):
            return tuple(path[:position])
        node = _child(node, key)
    return None


def _key(found: re.Match[str], text: str) -> Key:
    if found["index"] is not None:
        return int(found["index"])
    if found["double"] is not None:
        try:
            return str(loads(found["double"]))
        except DirectorError as error:
            raise PathInvalid(text, f"has a key that cannot be read: {found['double']}") from error
    return found["single"] if found["name"] is None else found["name"]


def _format_key(key: Key, *, first: bool) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    if PLAIN.fullmatch(key):
        return key if first else f".{key}"
    return f"[{orjson.dumps(key).decode()}]"


def _leads_on(node: Any, key: Key) -> bool:
    return isinstance(node, dict if isinstance(key, str) else list)


def _child(node: Any, key: Any) -> Any:
    if isinstance(node, dict):
        return node.get(key)
    return node[key] if key < len(node) else None


def _set(node: Any, path: Sequence[Key], position: int, value: Any) -> Any:
    if position == len(path):
        return value
    key = path[position]
    if isinstance(key, str):
        members = node if isinstance(node, dict) else {}
        return {**members, key: _set(members.get(key), path, position + 1, value)}
    items = node if isinstance(node, list) else []
    return [*items[:key], _set(_child(items, key), path, position + 1, value), *items[key + 1 :]]


def _delete(node: Any, path: Sequence[Key], position: int, value: None = None) -> Any:
    key: Any = path[position]
    if not _leads_on(node, key) or not (key in node if isinstance(node, dict) else key < len(node)):
        return node
    if position < len(path) - 1:
        return _put(node, key, _delete(node[key], path, position + 1))
    if isinstance(node, dict):
        return {name: child for name, child in node.items() if name != key}
    return node[:key] + node[key + 1 :]


def _put(node: Any, key: Any, child: Any) -> Any:
    copy = node.copy()
    copy[key] = child
    return copy
