"""The filters and tests of templates, by name, and how one is called.

A filter is given the value, the budget to pay from, and what stands in its brackets; it gives data, never an iterator.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from jinja2 import Environment

from workflows.expressions.failures import MISSING, Failure, kind_of
from workflows.expressions.limits import Budget

# Parses templates and lends Jinja's own text filters their settings; nothing is ever rendered by it.
ENVIRONMENT = Environment(keep_trailing_newline=True, autoescape=False)  # noqa: S701 - data, not a page

Filter = Callable[..., Any]
FILTERS: dict[str, Filter] = {}
TESTS: dict[str, Callable[..., bool]] = {}


def register(*names: str) -> Callable[[Filter], Filter]:
    """Make the function below known as the filter of these names."""

    def keep(function: Filter) -> Filter:
        FILTERS.update(dict.fromkeys(names, function))
        return function

    return keep


def apply_filter(name: str, value: Any, budget: Budget, args: Any, kwargs: Any, *, lenient: bool = False) -> Any:
    """Return what the filter makes of the value, paid for; raises Failure naming the filter.

    Without an answer (the first of an empty list) it is MISSING when `lenient`, else a Failure.
    """
    try:
        result = FILTERS[name](value, budget, *args, **kwargs)
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise Failure(f"the filter `{name}` cannot be applied to {kind_of(value)} ({error})") from None
    if result is MISSING and not lenient:
        raise Failure(f"the filter `{name}` finds nothing in {kind_of(value)} that is empty; give a `default`")
    kind = type(result)
    if kind is str or kind is list or kind is dict:
        budget.charge_value(result)
    return result


def apply_test(name: str, value: Any, args: Any) -> bool:
    """Return whether the value passes the test; raises Failure naming the test."""
    if value is MISSING and name not in ("defined", "undefined"):
        raise Failure(f"an element has no such name, so `is {name}` cannot be answered")
    try:
        return TESTS[name](value, *args)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Failure(f"`is {name}` cannot be answered for {kind_of(value)} ({error})") from None


def misuse(function: Callable[..., Any], given: int, args: int, names: list[str]) -> str | None:
    """Return what is wrong with calling `function` with so many given values, so many more, and names, if any."""
    try:
        inspect.signature(function).bind(*[None] * (given + args), **dict.fromkeys(names))
    except TypeError as error:
        return str(error)
    return None
