"""The closures of paths, calls and comparisons: what is left of a template when it runs, so kept short and fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from director.errors import nearest
from workflows.expressions.failures import MISSING, Failure, kind_of
from workflows.expressions.filters import apply_filter
from workflows.expressions.limits import Budget
from workflows.expressions.methods import call_method
from workflows.expressions.values import NAMES_IN_FULL, joined, look_up, not_found

Scope = Mapping[str, Any]
Closure = Callable[[Scope, Budget], Any]
Arguments = tuple[list[Closure], dict[str, Closure]]


def root(name: str, lenient: bool) -> Closure:
    """A name of the scope."""

    def resolve(scope: Scope, budget: Budget) -> Any:
        try:
            return scope[name]
        except KeyError:
            if lenient:
                return MISSING
            raise unknown_root(name, scope) from None

    return resolve


def unknown_root(name: str, scope: Scope) -> Failure:
    """Return the failure for a name that is not in the scope, with the nearest one, also within the current record."""
    names = sorted(known for known in scope if known != "now")[:NAMES_IN_FULL]
    best = nearest(name, names)
    current = scope.get("current")
    if best is None and current is not None and name in current:
        best = joined("current", name)
    return Failure(f"`{name}` is not known here", names, best)


def attribute(base: Closure, key: Any, path: str, base_path: str, lenient: bool) -> Closure:
    """`base.key` or `base['key']`."""

    def resolve(scope: Scope, budget: Budget) -> Any:
        value = base(scope, budget)
        if type(value) is dict and key in value:
            return value[key]
        found = look_up(value, key)
        if found is MISSING and not lenient:
            raise not_found(value, key, path, base_path)
        return found

    return resolve


def keyed(base: Closure, key: Closure, base_path: str, lenient: bool) -> Closure:
    """`base[key]` where the key is worked out."""

    def resolve(scope: Scope, budget: Budget) -> Any:
        value, wanted = base(scope, budget), key(scope, budget)
        found = look_up(value, wanted)
        if found is MISSING and not lenient:
            raise not_found(value, wanted, f"{base_path}[{wanted!r:.60}]", base_path)
        return found

    return resolve


def record(record_id: str, path: str, lenient: bool) -> Closure:
    """`records.<id>`, which the engine has fetched because the template names it."""

    def resolve(scope: Scope, budget: Budget) -> Any:
        found = scope.get("records", {}).get(record_id, MISSING)
        if found is MISSING and not lenient:
            raise Failure(f"`{path}` is not known here: the workflow has no record {record_id!r}")
        return found

    return resolve


def sliced(base: Closure, bounds: list[Closure | None]) -> Closure:
    """`base[start:stop:step]` of a list or text."""

    def cut(scope: Scope, budget: Budget) -> Any:
        value = base(scope, budget)
        if not isinstance(value, list | tuple | str | range):
            raise Failure(f"only lists and text have parts, not {kind_of(value)}")
        numbers = [bound(scope, budget) if bound else None for bound in bounds]
        if any(number is not None and type(number) is not int for number in numbers) or numbers[2] == 0:
            raise Failure("the bounds of a part must be whole numbers, its step not 0")
        result = value[slice(*numbers)]
        budget.charge_value(result)
        return result

    return cut


def chain(first: Closure, rest: list[tuple[Callable[[Any, Any], Any], Closure]]) -> Closure:
    """`a < b <= c`."""

    def compare(scope: Scope, budget: Budget) -> bool:
        left = first(scope, budget)
        for holds, operand in rest:
            right = operand(scope, budget)
            if not holds(left, right):
                return False
            left = right
        return True

    return compare


def filtered(base: Closure, name: str, arguments: Arguments, lenient: bool) -> Closure:
    """`base | name(...)`."""
    args, kwargs = arguments
    if not args and not kwargs:
        return lambda scope, budget: apply_filter(name, base(scope, budget), budget, (), {}, lenient=lenient)
    return lambda scope, budget: apply_filter(
        name, base(scope, budget), budget, *given(arguments, scope, budget), lenient=lenient
    )


def method(base: Closure, name: str, arguments: Arguments) -> Closure:
    """`base.name(...)`."""
    return lambda scope, budget: call_method(base(scope, budget), name, budget, *given(arguments, scope, budget))


def function(called: Callable[..., Any], arguments: Arguments) -> Closure:
    """`range(...)`, `dict(...)`."""

    def call(scope: Scope, budget: Budget) -> Any:
        args, kwargs = given(arguments, scope, budget)
        return called(budget, *args, **kwargs)

    return call


def now(scope: Scope, budget: Budget) -> Any:
    """The moment that the engine says it is."""
    return scope["now"]()


def given(arguments: Arguments, scope: Scope, budget: Budget) -> tuple[list[Any], dict[str, Any]]:
    """Return the values of a call's arguments."""
    args, kwargs = arguments
    return [arg(scope, budget) for arg in args], {name: arg(scope, budget) for name, arg in kwargs.items()}
