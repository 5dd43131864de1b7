"""JSON as Director stores it: fast, and refusing what PostgreSQL could not take before it gets there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from director.errors import DirectorError

NUL = b"\\u0000"
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
MAX_INTEGER = 2**64  # beyond it JSON readers disagree
MAX_DEPTH = 200


class ValueInvalid(DirectorError):
    """A value cannot be stored as JSON."""

    code = "value_invalid"
    http_status = 422
    retryable = False

    path: str
    reason: str

    @property
    def message(self) -> str:
        return f"{self.path or 'The value'} {self.reason}."

    @property
    def data(self) -> dict[str, Any]:
        return {"path": self.path}


def dumps(value: Any) -> bytes:
    """Return the value as compact JSON that jsonb accepts.

    Raises ValueInvalid, naming the path, for NUL characters, lone surrogates, numbers beyond 64 bits, keys that are not
    text, values JSON does not have, and nesting without end. Dates and UUIDs become text.
    """
    try:
        data = orjson.dumps(value)
    except (TypeError, RecursionError) as error:
        raise _diagnosed(value, str(error)) from error
    if NUL in data:  # may also be a backslash followed by "u0000", which is harmless
        for path, reason in unstorable(value):
            raise ValueInvalid(path, reason)
    return data


def canonical(value: Any) -> bytes:
    """Return `dumps(value)` with keys sorted, so that equal values have equal bytes (for digests)."""
    dumps(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def loads(data: bytes | str) -> Any:
    """Return the value of a JSON text; raises ValueInvalid saying where it goes wrong."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueInvalid("", f"is not JSON: {error}") from error


class Decoder(json.JSONDecoder):
    """Reads JSON columns as `loads` does: fast, and a number beyond 64 bits comes as a float, as it was written."""

    def decode(self, text: str, *_: Any) -> Any:
        return orjson.loads(text)


def pointer(keys: Iterable[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) made of `keys`."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def unstorable(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, reason) for every part of the value that cannot be stored, in order."""
    if path.count(".") + path.count("[") > MAX_DEPTH:
        yield path[:80] + "...", f"is nested more than {MAX_DEPTH} deep"
    elif isinstance(value, str):
        yield from _text_reasons(value, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _key_reasons(key, path)
            yield from unstorable(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from unstorable(item, f"{path}[{index}]")
    elif isinstance(value, int) and not -MAX_INTEGER // 2 <= value < MAX_INTEGER:
        yield path, "is a number beyond 64 bits; keep it as text"


def _text_reasons(text: str, path: str) -> Iterator[tuple[str, str]]:
    found = UNSTORABLE.search(text)
    if found:
        kind = (
            "a NUL character" if found[0] == "\x00" else f"half of a character (lone surrogate U+{ord(found[0]):04X})"
        )
        yield path, f"holds {kind} at position {found.start() + 1}, which cannot be stored"


def _key_reasons(key: object, path: str) -> Iterator[tuple[str, str]]:
    where = f"A key of {path}" if path else "A key"
    if not isinstance(key, str):
        yield where, f"is {key!r}, but keys must be text"
    else:
        yield from _text_reasons(key, where)


def _diagnosed(value: Any, reason: str) -> ValueInvalid:
    try:
        return next(
            (ValueInvalid(*found) for found in unstorable(value)), ValueInvalid("", f"cannot be stored: {reason}")
        )
    except RecursionError:
        return ValueInvalid("", f"is nested more than {MAX_DEPTH} deep")
