"""The values of templates: how they are looked into, written as text and handed out as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from director import jsontools
from director.errors import nearest
from workflows.expressions.failures import MISSING, Failure, kind_of
from workflows.expressions.views import RecordView

DATE_PARTS = ("year", "month", "day", "hour", "minute", "second")
NAMES_IN_FULL = 200  # of what is available; kept short so that a failing record costs little


def look_up(value: Any, key: Any) -> Any:
    """Return what `key` leads to within the value, MISSING when it leads nowhere.

    Data only: no attribute of a Python object is ever reached.
    """
    kind = type(value)
    if kind is dict:
        return value.get(key, MISSING) if type(key) is str else MISSING
    if kind is RecordView:
        return value.find(key) if type(key) is str else MISSING
    if isinstance(value, list | tuple | str | range):
        return value[key] if type(key) is int and -len(value) <= key < len(value) else MISSING
    if isinstance(value, Mapping):
        return value.get(key, MISSING) if type(key) is str else MISSING
    if isinstance(value, date) and key in DATE_PARTS:
        return getattr(value, key, MISSING)
    return MISSING


def not_found(value: Any, key: Any, path: str, base: str) -> Failure:
    """Return the failure for `path`, whose last part `key` is not in the value of `base`."""
    if value is None:
        return Failure(f"`{path}` is not known here: `{base}` is empty (null)")
    if isinstance(value, list | tuple | str | range):
        length = f" of length {len(value)}" if type(key) is int else ""
        return Failure(f"`{path}` is not known here: `{base}` is {kind_of(value)}{length}")
    names = names_in(value)
    if not isinstance(value, Mapping | RecordView | date):
        return Failure(f"`{path}` is not known here: `{base}` is {kind_of(value)}")
    best = nearest(key, names) if isinstance(key, str) else None
    reason = f"`{path}` is not known here" if names else f"`{path}` is not known here: `{base}` is empty"
    return Failure(reason, names, None if best is None else joined(base, best))


def names_in(value: Any) -> list[str]:
    """Return the names that lead somewhere within an object or record."""
    if isinstance(value, RecordView):
        return value.names()[:NAMES_IN_FULL]
    if isinstance(value, Mapping):
        return [name for name in list(value)[:NAMES_IN_FULL] if isinstance(name, str)]
    return list(DATE_PARTS) if isinstance(value, date) else []


def joined(base: str, name: str) -> str:
    """Return the path to `name` within `base` as it is written in a template."""
    return f"{base}.{name}" if name.isidentifier() else f"{base}['{name}']"


def to_text(value: Any) -> str:
    """Return how a value reads within text: null as nothing, numbers and the rest as in JSON, dates as ISO 8601."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if value is None:
        return ""
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is float:
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return jsontools.dumps(to_json(value)).decode()


def to_json(value: Any) -> Any:
    """Return the value as plain JSON values (tuples become lists, records objects, dates text); raises Failure."""
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise Failure(f"the result is {value}, which is not a number that can be stored")
        return value
    if kind is dict:
        return {key if type(key) is str else to_text(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [to_json(item) for item in value]
    return _special_to_json(value)


def _special_to_json(value: Any) -> Any:
    if isinstance(value, RecordView):
        return value.as_dict()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    raise Failure(f"the result is {kind_of(value)}, which is not a value of data")


_AS_IT_IS = frozenset({str, int, bool, type(None)})
