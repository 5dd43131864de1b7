"""The tests of templates: what may stand after `is`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workflows.expressions.failures import MISSING
from workflows.expressions.filters.registry import TESTS
from workflows.expressions.operators import COMPARISON
from workflows.expressions.views import RecordView

_KINDS: dict[str, Callable[..., bool]] = {
    "defined": lambda value: value is not MISSING,
    "undefined": lambda value: value is MISSING,
    "none": lambda value: value is None,
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float),  # true and false too, as in Jinja
    "integer": lambda value: type(value) is int,
    "float": lambda value: type(value) is float,
    "boolean": lambda value: isinstance(value, bool),
    "mapping": lambda value: isinstance(value, Mapping | RecordView),
    "sequence": lambda value: isinstance(value, list | tuple | str | range | Mapping),  # as in Jinja
    "iterable": lambda value: isinstance(value, list | tuple | str | range | Mapping),
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "odd": lambda value: value % 2 == 1,
    "even": lambda value: value % 2 == 0,
    "divisibleby": lambda value, number: value % number == 0,
    "lower": lambda value: isinstance(value, str) and value.islower(),
    "upper": lambda value: isinstance(value, str) and value.isupper(),
}
_COMPARISONS = {
    "eq": ("equalto", "=="),
    "ne": ("!=",),
    "lt": ("lessthan", "<"),
    "lteq": ("le", "<="),
    "gt": ("greaterthan", ">"),
    "gteq": ("ge", ">="),
    "in": (),
}

TESTS.update(_KINDS)
for _name, _others in _COMPARISONS.items():
    TESTS.update(dict.fromkeys((_name, *_others), COMPARISON[_name]))
