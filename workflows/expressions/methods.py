"""The functions of templates, and the few methods that text, lists, objects and dates have in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from director.errors import nearest
from workflows.expressions.failures import MISSING, Failure, kind_of
from workflows.expressions.filters import FILTERS
from workflows.expressions.limits import Budget
from workflows.expressions.values import look_up
from workflows.expressions.views import RecordView

MAX_RANGE = 100_000

_TEXT = """capitalize casefold count endswith find isalnum isalpha isdigit islower isnumeric isupper lower lstrip
removeprefix removesuffix rsplit rstrip split splitlines startswith strip title upper""".split()
METHODS: tuple[tuple[type, dict[str, Callable[..., Any]]], ...] = (
    (
        str,
        {
            **{name: getattr(str, name) for name in _TEXT},
            "replace": lambda text, *args, budget: FILTERS["replace"](text, budget, *args),
            "join": lambda text, values, *, budget: FILTERS["join"](values, budget, text),
        },
    ),
    (list, {"index": list.index, "count": list.count}),
    (
        Mapping,
        {
            "get": lambda values, key, default=None: values.get(key, default),
            "keys": lambda values: list(values),
            "values": lambda values: list(values.values()),
            "items": lambda values: [[key, value] for key, value in values.items()],
        },
    ),
    (RecordView, {"get": lambda record, name, default=None: _found(look_up(record, name), default)}),
    (
        datetime,
        {
            "isoformat": datetime.isoformat,
            "timestamp": datetime.timestamp,
            "weekday": datetime.weekday,
            "strftime": lambda moment, format: FILTERS["format_date"](
                moment, None, format, str(moment.tzinfo or "UTC")
            ),
        },
    ),
    (timedelta, {"total_seconds": timedelta.total_seconds}),
)
METHOD_NAMES = frozenset(name for _, methods in METHODS for name in methods)
_PAYING = frozenset({"replace", "join"})


def _found(value: Any, default: Any) -> Any:
    return default if value is MISSING else value


def call_method(value: Any, name: str, budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Return what the method gives, paid for; raises Failure when the value has no such method."""
    for kind, methods in METHODS:
        if isinstance(value, kind) and name in methods:
            return _called(methods[name], value, name, budget, args, kwargs)
    known = [known for kind, methods in METHODS if isinstance(value, kind) for known in methods]
    raise Failure(f"{kind_of(value)} has no method `{name}()`", sorted(known), nearest(name, known))


def _called(
    method: Callable[..., Any], value: Any, name: str, budget: Budget, args: list[Any], kwargs: dict[str, Any]
) -> Any:
    paying = {"budget": budget} if isinstance(value, str) and name in _PAYING else {}
    try:
        result = method(value, *args, **kwargs, **paying)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise Failure(f"`{name}()` cannot be applied to {kind_of(value)} ({error})") from None
    budget.charge_value(result)
    return result


def make_range(budget: Budget, *args: Any) -> range:
    """The whole numbers from start to end, at most MAX_RANGE of them."""
    try:
        numbers = range(*args)
        length = len(numbers)
    except (TypeError, ValueError, OverflowError) as error:
        raise Failure(f"`range` takes whole numbers ({error})") from None
    if length > MAX_RANGE:
        raise Failure(f"`range` gives at most {MAX_RANGE:,} numbers, this one would give {length:,}")
    return numbers


def make_dict(budget: Budget, **values: Any) -> dict[str, Any]:
    """An object of the named values."""
    budget.charge_value(values)
    return values


FUNCTIONS: dict[str, Callable[..., Any]] = {"range": make_range, "dict": make_dict}
