"""Filters over lists and objects."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from typing import Any

from director.jsontools import canonical
from workflows.expressions.failures import MISSING, Failure, kind_of
from workflows.expressions.filters.registry import FILTERS, TESTS, apply_filter, apply_test, register
from workflows.expressions.limits import Budget, iterable, width
from workflows.expressions.operators import BINARY
from workflows.expressions.values import look_up, to_json, to_text
from workflows.expressions.views import RecordView

Getter = Callable[[Any], Any]


def getter(attribute: Any, default: Any = MISSING, *, strict: bool = True) -> Getter:
    """Return a function that follows "a.b.0" into a value; without a default, Failure where it leads nowhere."""
    parts = [int(part) if part.isdigit() else part for part in str(attribute).split(".")]

    def get(item: Any) -> Any:
        found = reduce(look_up, parts, item)
        if found is not MISSING:
            return found
        if default is MISSING and strict:
            raise Failure(f"an element has no `{attribute}`", names_of(item))
        return default

    return get


def names_of(item: Any) -> list[str]:
    return list(item) if isinstance(item, dict | RecordView) else []


def same(item: Any) -> Any:
    return item


def comparable(attribute: Any, case_sensitive: bool) -> Getter:
    """Return the key that things are sorted and compared by."""
    get = same if attribute is None else getter(attribute)
    return get if case_sensitive else lambda item: _folded(get(item))


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


@register("length", "count")
def length(value: Any, budget: Budget) -> int:
    if not isinstance(value, str | list | tuple | dict | range):
        raise Failure(f"{kind_of(value)} has no length")
    return len(value)


@register("first")
def first(value: Any, budget: Budget) -> Any:
    return next(iter(iterable(value)), MISSING)


@register("last")
def last(value: Any, budget: Budget) -> Any:
    values = value if isinstance(value, str | list | tuple | range) else list(iterable(value))
    return values[-1] if values else MISSING


@register("list")
def to_list(value: Any, budget: Budget) -> list[Any]:
    return list(budget.turns(value))


@register("reverse")
def reverse(value: Any, budget: Budget) -> Any:
    return value[::-1] if isinstance(value, str) else list(budget.turns(value))[::-1]


@register("join")
def join(value: Any, budget: Budget, separator: Any = "", attribute: Any = None) -> str:
    get = same if attribute is None else getter(attribute)
    texts = [to_text(get(item)) for item in budget.turns(value)]
    budget.charge_text(sum(map(len, texts)) + len(to_text(separator)) * len(texts))
    return to_text(separator).join(texts)


@register("sort")
def sort(
    value: Any, budget: Budget, reverse: bool = False, case_sensitive: bool = False, attribute: Any = None
) -> list[Any]:
    key = comparable(None, case_sensitive)
    parts = [getter(part) for part in str(attribute).split(",")] if attribute is not None else [same]
    return sorted(budget.turns(value), key=lambda item: [key(get(item)) for get in parts], reverse=reverse)


@register("unique")
def unique(value: Any, budget: Budget, case_sensitive: bool = False, attribute: Any = None) -> list[Any]:
    key = comparable(attribute, case_sensitive)
    seen: dict[bytes, Any] = {}
    for item in budget.turns(value):
        seen.setdefault(canonical(to_json(key(item))), item)
    return list(seen.values())


@register("min")
def minimum(value: Any, budget: Budget, case_sensitive: bool = False, attribute: Any = None) -> Any:
    return min(budget.turns(value), key=comparable(attribute, case_sensitive), default=MISSING)


@register("max")
def maximum(value: Any, budget: Budget, case_sensitive: bool = False, attribute: Any = None) -> Any:
    return max(budget.turns(value), key=comparable(attribute, case_sensitive), default=MISSING)


@register("sum")
def total(value: Any, budget: Budget, attribute: Any = None, start: Any = 0) -> Any:
    get, add = same if attribute is None else getter(attribute), BINARY["Add"]
    for item in budget.turns(value):
        start = add(start, get(item), budget)
    return start


@register("groupby")
def groupby(value: Any, budget: Budget, attribute: Any, default: Any = MISSING) -> list[list[Any]]:
    """Return pairs [value of the attribute, its items], sorted: `{% for category, mails in ... %}`."""
    get = getter(attribute, default)
    groups: dict[bytes, tuple[Any, list[Any]]] = {}
    for item in budget.turns(value):
        groups.setdefault(canonical(to_json(get(item))), (get(item), []))[1].append(item)
    return sorted(([key, items] for key, items in groups.values()), key=lambda pair: _folded(pair[0]))


@register("batch")
def batch(value: Any, budget: Budget, count: int, fill_with: Any = None) -> list[list[Any]]:
    items, size = list(budget.turns(value)), max(width(count), 1)
    batches = [items[start : start + size] for start in range(0, len(items), size)]
    if batches and fill_with is not None:
        batches[-1] += [fill_with] * (size - len(batches[-1]))
    return batches


@register("slice")
def slices(value: Any, budget: Budget, count: int) -> list[list[Any]]:
    items, parts = list(budget.turns(value)), max(width(count), 1)
    size, larger = divmod(len(items), parts)
    starts = [part * size + min(part, larger) for part in range(parts + 1)]
    return [items[start:end] for start, end in pairwise(starts)]


@register("dictsort")
def dictsort(value: Any, budget: Budget, case_sensitive: bool = False, by: str = "key", reverse: bool = False) -> Any:
    place = ("key", "value").index(by)
    pairs = [[key, value[key]] for key in budget.turns(value)]
    return sorted(pairs, key=lambda pair: pair[place] if case_sensitive else _folded(pair[place]), reverse=reverse)


@register("items")
def items(value: Any, budget: Budget) -> list[list[Any]]:
    return [[key, look_up(value, key)] for key in budget.turns(value)]


@register("map")
def map_values(value: Any, budget: Budget, *args: Any, **kwargs: Any) -> list[Any]:
    """`map(attribute="a.b", default=...)` or `map("filter", ...)`."""
    if "attribute" in kwargs and not args:
        get = getter(kwargs["attribute"], kwargs.get("default", MISSING))
        return [get(item) for item in budget.turns(value)]
    name, *rest = args or ("",)
    if name not in FILTERS:
        raise Failure("`map` needs the name of a filter or `attribute=`", sorted(FILTERS))
    return [apply_filter(name, item, budget, rest, kwargs) for item in budget.turns(value)]


def _chosen(value: Any, budget: Budget, get: Getter, args: tuple[Any, ...], wanted: bool) -> list[Any]:
    if args and args[0] not in TESTS:
        raise Failure(f"`{args[0]}` is not a test", sorted(TESTS))
    return [item for item in budget.turns(value) if _passes(get(item), args) is wanted]


def _passes(value: Any, args: tuple[Any, ...]) -> bool:
    if args:
        return bool(apply_test(args[0], value, args[1:]))
    if value is MISSING:
        raise Failure("an element has no such name; ask `'defined'` first")
    return bool(value)


@register("select")
def select(value: Any, budget: Budget, *args: Any) -> list[Any]:
    return _chosen(value, budget, same, args, True)


@register("reject")
def reject(value: Any, budget: Budget, *args: Any) -> list[Any]:
    return _chosen(value, budget, same, args, False)


@register("selectattr")
def selectattr(value: Any, budget: Budget, attribute: Any, *args: Any) -> list[Any]:
    return _chosen(value, budget, getter(attribute, strict=False), args, True)


@register("rejectattr")
def rejectattr(value: Any, budget: Budget, attribute: Any, *args: Any) -> list[Any]:
    return _chosen(value, budget, getter(attribute, strict=False), args, False)
