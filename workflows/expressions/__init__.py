"""Templates and conditions: what stands between `{{` and `}}` in a definition.

    compile_template(source, where) -> Template      any JSON value; `.render(scope)` gives the value
    compile_expression(source, where) -> Expression  with or without braces; `.test(scope)` gives a bool
    RecordView                                       what `current`, `outer` and `records.<id>` are in a template
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Template(Protocol):
    """A value with templates in it. `constant` means there are none: render gives the same value each time."""

    names: frozenset[str]
    record_ids: frozenset[str]
    constant: bool

    def render(self, scope: Mapping[str, Any]) -> Any: ...


class Expression(Protocol):
    """One expression, evaluated to its value (`render`) or to its truth (`test`)."""

    source: str
    names: frozenset[str]
    record_ids: frozenset[str]

    def render(self, scope: Mapping[str, Any]) -> Any: ...

    def test(self, scope: Mapping[str, Any]) -> bool: ...


def compile_template(source: Any, where: str) -> Template:
    raise NotImplementedError


def compile_expression(source: str, where: str) -> Expression:
    raise NotImplementedError
