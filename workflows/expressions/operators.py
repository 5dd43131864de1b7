"""What `+`, `*`, `<`, `in` and the other operators do, and what they refuse."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from workflows.expressions.failures import Failure, kind_of
from workflows.expressions.limits import MAX_BITS, Budget
from workflows.expressions.views import RecordView

NUMBERS = frozenset({int, float})
Binary = Callable[[Any, Any, Budget], Any]


def _add(left: Any, right: Any, budget: Budget) -> Any:
    kind = type(left)
    if kind in NUMBERS and type(right) in NUMBERS:
        return left + right
    if kind is type(right) and kind in (str, list):
        result = left + right
        budget.charge_value(result)
        return result
    return _apply("+", operator.add, left, right)


def _multiply(left: Any, right: Any, budget: Budget) -> Any:
    if type(left) is int and type(right) is int:
        _check_bits(left.bit_length() + right.bit_length())
    elif isinstance(left, str | list) and type(right) is int:
        return _repeat(left, right, budget)
    elif isinstance(right, str | list) and type(left) is int:
        return _repeat(right, left, budget)
    return _apply("*", operator.mul, left, right)


def _repeat(value: Any, times: int, budget: Budget) -> Any:
    length = len(value) * max(times, 0)
    if isinstance(value, str):
        budget.charge_text(length)
        return value * times
    budget.charge(length)
    result = value * times
    budget.charge_value(result)
    return result


def _power(left: Any, right: Any, budget: Budget) -> Any:
    if type(left) is int and type(right) is int and right > 0:
        _check_bits(left.bit_length() * right)
    result = _apply("**", operator.pow, left, right)
    if isinstance(result, complex):
        raise Failure("a negative number has no such root")
    return result


def _modulo(left: Any, right: Any, budget: Budget) -> Any:
    if isinstance(left, str):
        raise Failure("`%` works between numbers; to put values into text write `~` or the filter `format`")
    return _apply("%", operator.mod, left, right)


def _check_bits(bits: int) -> None:
    if bits > MAX_BITS:
        raise Failure(f"the number would have more than {MAX_BITS:,} bits")


def _apply(symbol: str, function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    try:
        return function(left, right)
    except ZeroDivisionError:
        raise Failure("it divides by zero") from None
    except OverflowError:
        raise Failure("the number is too large") from None
    except TypeError:
        raise Failure(f"`{symbol}` does not work between {kind_of(left)} and {kind_of(right)}") from None


def _plain(symbol: str, function: Callable[[Any, Any], Any]) -> Binary:
    return lambda left, right, budget: _apply(symbol, function, left, right)


def _contains(left: Any, right: Any) -> bool:
    if isinstance(right, str) and not isinstance(left, str):
        raise Failure(f"`in` looks for {kind_of(left)} within text; only text can be within text")
    if not isinstance(right, str | list | tuple | range | Mapping | RecordView):
        raise Failure(f"`in` looks within {kind_of(right)}; only text, lists and objects can hold something")
    try:
        return left in right
    except TypeError:  # an unhashable key
        return False


BINARY: dict[str, Binary] = {
    "Add": _add,
    "Sub": _plain("-", operator.sub),
    "Mul": _multiply,
    "Div": _plain("/", operator.truediv),
    "FloorDiv": _plain("//", operator.floordiv),
    "Mod": _modulo,
    "Pow": _power,
}


def _ordered(symbol: str, function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: _apply(symbol, function, left, right)


COMPARISON: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": _ordered("<", operator.lt),
    "lteq": _ordered("<=", operator.le),
    "gt": _ordered(">", operator.gt),
    "gteq": _ordered(">=", operator.ge),
    "in": _contains,
    "notin": lambda left, right: not _contains(left, right),
}


def negative(value: Any) -> Any:
    return _sign("-", operator.neg, value)


def positive(value: Any) -> Any:
    return _sign("+", operator.pos, value)


def _sign(symbol: str, function: Callable[[Any], Any], value: Any) -> Any:
    if type(value) not in NUMBERS:
        raise Failure(f"`{symbol}` needs a number, not {kind_of(value)}")
    return function(value)
