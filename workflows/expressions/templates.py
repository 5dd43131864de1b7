"""Templates as the rest of Director has them: a JSON value with `{{ }}` in it, compiled once, rendered often."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from copy import copy
from itertools import chain
from typing import Any

from jinja2 import TemplateSyntaxError, nodes

from workflows.errors import ExpressionFailed, ExpressionInvalid
from workflows.expressions.closures import Closure, Scope
from workflows.expressions.compiler import Refused
from workflows.expressions.failures import Failure
from workflows.expressions.filters.registry import ENVIRONMENT
from workflows.expressions.limits import MAX_NESTING, MAX_OUTPUT, MAX_SOURCE, Budget
from workflows.expressions.statements import StatementCompiler
from workflows.expressions.values import to_json, to_text

OPENING = re.compile(r"\{\{|\{%|\{#")
NO_NAMES: frozenset[str] = frozenset()
_PLAIN = frozenset({str, int, bool, type(None)})


class Template:
    """A value with templates in it.

    names: the names of the scope it uses. record_ids: from `records.<id>`. constant: there is no template in it, so
    `render` gives the same value each time. What is rendered may share parts with the definition and with the scope:
    treat it as read-only.
    """

    __slots__ = ("constant", "names", "record_ids")

    def __init__(self, names: frozenset[str] = NO_NAMES, record_ids: frozenset[str] = NO_NAMES) -> None:
        self.names, self.record_ids, self.constant = names, record_ids, False

    def render(self, scope: Scope) -> Any:
        """Return the value for this scope; raises ExpressionFailed."""
        raise NotImplementedError

    def leaves(self) -> Iterator[Leaf]:
        """Yield the single templates within, each with its own place and names."""
        return iter(())


class Constant(Template):
    """A value without templates."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value, self.constant = value, True

    def render(self, scope: Scope) -> Any:
        return self.value


class Leaf(Template):
    """One template, written as one piece of text."""

    __slots__ = ("closure", "source", "where")

    def __init__(self, source: str, where: str, closure: Closure, compiler: StatementCompiler) -> None:
        super().__init__(frozenset(compiler.names), frozenset(compiler.record_ids))
        self.source, self.where, self.closure = source, where, closure

    def leaves(self) -> Iterator[Leaf]:
        return iter((self,))


class Expression(Leaf):
    """One whole `{{ }}`: keeps the type of its value."""

    __slots__ = ("is_path",)

    def __init__(self, source: str, where: str, closure: Closure, compiler: StatementCompiler, is_path: bool) -> None:
        super().__init__(source, where, closure, compiler)
        self.is_path = is_path

    def render(self, scope: Scope) -> Any:
        try:
            value = self.closure(scope, Budget())
            if type(value) in _PLAIN or (self.is_path and type(value) in (dict, list)):
                return value
            return to_json(value)
        except Failure as failure:
            raise failed(self.where, self.source, failure) from None
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ExpressionFailed(self.where, self.source, f"it cannot be worked out ({error})") from error

    def test(self, scope: Scope) -> bool:
        """Return whether it holds: whether its value is neither empty, nor zero, false or null."""
        return bool(self.render(scope))


class TextTemplate(Leaf):
    """Text with `{{ }}` or statements between."""

    __slots__ = ()

    def render(self, scope: Scope) -> str:
        try:
            text: str = self.closure(scope, Budget())
        except Failure as failure:
            raise failed(self.where, self.source, failure) from None
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ExpressionFailed(self.where, self.source, f"it cannot be worked out ({error})") from error
        return text


class ListTemplate(Template):
    """A list of which some elements are templates; the others are taken over as they are."""

    __slots__ = ("moving", "still")

    def __init__(self, items: list[Template]) -> None:
        super().__init__(*_united(items))
        self.still = [item.render({}) if item.constant else None for item in items]
        self.moving = [(index, item) for index, item in enumerate(items) if not item.constant]

    def leaves(self) -> Iterator[Leaf]:
        return chain.from_iterable(item.leaves() for _, item in self.moving)

    def render(self, scope: Scope) -> list[Any]:
        values = self.still.copy()
        for index, item in self.moving:
            values[index] = item.render(scope)
        return values


class ObjectTemplate(Template):
    """An object of which some values are templates; the others are taken over as they are."""

    __slots__ = ("moving", "still")

    def __init__(self, items: dict[str, Template]) -> None:
        super().__init__(*_united(list(items.values())))
        self.still = {key: item.render({}) if item.constant else None for key, item in items.items()}
        self.moving = [(key, item) for key, item in items.items() if not item.constant]

    def leaves(self) -> Iterator[Leaf]:
        return chain.from_iterable(item.leaves() for _, item in self.moving)

    def render(self, scope: Scope) -> dict[str, Any]:
        values = self.still.copy()
        for key, item in self.moving:
            values[key] = item.render(scope)
        return values

    def without(self, keys: Container[str]) -> ObjectTemplate:
        """Return the template with null in place of the keys."""
        rest = copy(self)
        rest.moving = [(key, item) for key, item in self.moving if key not in keys]
        return rest


def compile_template(source: Any, where: str, *, raw: frozenset[str] = NO_NAMES) -> Template:
    """Return the template of any JSON value; text without `{{`, `{%` and `{#` stays as it is.

    where: the value's place in the document, which messages begin with. raw: keys of the object that are left as they
    are written. Raises ExpressionInvalid.
    """
    if isinstance(source, str):
        return _compile_text(source, where) if OPENING.search(source) else Constant(source)
    if isinstance(source, Mapping):
        parts = {
            key: Constant(value) if key in raw else compile_template(value, f"{where}.{key}")
            for key, value in source.items()
        }
        return Constant(source) if all(part.constant for part in parts.values()) else ObjectTemplate(parts)
    if isinstance(source, list):
        items = [compile_template(value, f"{where}[{index}]") for index, value in enumerate(source)]
        return Constant(source) if all(item.constant for item in items) else ListTemplate(items)
    return Constant(source)


def compile_expression(source: Any, where: str) -> Expression:
    """Return one expression, written with or without `{{ }}`; true, false and numbers stand for themselves.

    Raises ExpressionInvalid, also when there is text around the braces.
    """
    text = source if isinstance(source, str) else to_text(source)
    braced = text if OPENING.search(text) else "{{ " + text + " }}"
    template = _compile_text(braced, where) if text.strip() else None
    if isinstance(template, Expression):
        template.source = text
        return template
    raise ExpressionInvalid(where, text, "a condition is one expression, such as `{{ current.amount > 100 }}`")


def failed(where: str, source: str, failure: Failure) -> ExpressionFailed:
    """Return the error that people read for a failure within a template."""
    return ExpressionFailed(where, source, failure.reason, failure.available, failure.suggestion)


def _united(items: list[Template]) -> tuple[frozenset[str], frozenset[str]]:
    return NO_NAMES.union(*(item.names for item in items)), NO_NAMES.union(*(item.record_ids for item in items))


def _compile_text(source: str, where: str) -> Template:
    if len(source) > MAX_SOURCE:
        raise ExpressionInvalid(where, source, f"a template has at most {MAX_SOURCE:,} characters, not {len(source):,}")
    compiler = StatementCompiler()
    try:
        body = ENVIRONMENT.parse(source).body
        whole = _whole(body)
        if whole is not None:
            return Expression(source, where, compiler.expression(whole), compiler, _is_path(whole))
        return TextTemplate(source, where, _text(compiler, body), compiler)
    except TemplateSyntaxError as error:
        raise ExpressionInvalid(where, source, _syntax(error)) from None
    except Refused as refused:
        raise ExpressionInvalid(where, source, refused.reason, refused.suggestion) from None
    except RecursionError:
        raise ExpressionInvalid(where, source, f"it is nested more than {MAX_NESTING} deep") from None


def _syntax(error: TemplateSyntaxError) -> str:
    reason = (error.message or "it cannot be read").rstrip(".")
    return f"line {error.lineno}: {reason}" if error.lineno > 1 else f"{reason[:1].lower()}{reason[1:]}"


def _whole(body: list[nodes.Node]) -> nodes.Expr | None:
    """Return the expression when it is all there is, but for white space around it."""
    if len(body) != 1 or not isinstance(body[0], nodes.Output):
        return None
    parts = [part for part in body[0].nodes if not (isinstance(part, nodes.TemplateData) and not part.data.strip())]
    return parts[0] if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData) else None


def _is_path(node: nodes.Node) -> bool:
    """Whether it only leads to a value that is there already, so that nothing in it needs to be made JSON."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        node = node.node
    return isinstance(node, nodes.Name)


def _text(compiler: StatementCompiler, body: list[nodes.Node]) -> Closure:
    """Return the closure of a text; without statements its pieces are simply joined."""
    if all(isinstance(node, nodes.Output) for node in body):
        return _joined(compiler, [part for node in body for part in node.nodes])  # type: ignore[attr-defined]
    return compiler.template(body)


def _joined(compiler: StatementCompiler, parts: list[nodes.Expr]) -> Closure:
    still = [part.data if isinstance(part, nodes.TemplateData) else "" for part in parts]
    moving = [
        (i, compiler.expression(part)) for i, part in enumerate(parts) if not isinstance(part, nodes.TemplateData)
    ]

    def render(scope: Scope, budget: Budget) -> str:
        texts = still.copy()
        for index, closure in moving:
            value = closure(scope, budget)
            texts[index] = value if type(value) is str else to_text(value)
        text = "".join(texts)
        if len(text) > MAX_OUTPUT:
            raise Failure(f"the text would have {len(text):,} characters; at most {MAX_OUTPUT:,} are allowed")
        return text

    return render
