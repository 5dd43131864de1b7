"""Text with statements in it: `{% if %}`, `{% for %}`, `{% set %}` between pieces of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import nodes

from workflows.expressions.closures import Closure, Scope
from workflows.expressions.compiler import ExpressionCompiler, Refused
from workflows.expressions.failures import Failure, kind_of
from workflows.expressions.limits import MAX_OUTPUT, Budget
from workflows.expressions.values import to_text

LOOP = "loop"


class Text:
    """The text that is being made, with its length."""

    __slots__ = ("length", "parts")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0

    def add(self, part: str) -> None:
        self.parts.append(part)
        self.length += len(part)
        if self.length > MAX_OUTPUT:
            raise Failure(f"the text grows beyond {MAX_OUTPUT:,} characters")


# Writes its part of the text. The scope is a plain dict here, because `set` puts names into it.
Writer = Callable[[dict[str, Any], Budget, Text], None]


class Local(dict[str, Any]):
    """The scope within a loop: its own names before those around it."""

    def __init__(self, around: Scope) -> None:
        super().__init__()
        self.around = around

    def __missing__(self, name: str) -> Any:
        return self.around[name]

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def __iter__(self) -> Any:
        yield from dict.fromkeys([*self.keys(), *self.around])


class StatementCompiler(ExpressionCompiler):
    """Makes the closure of a whole template."""

    def template(self, body: list[nodes.Node]) -> Closure:
        """Return the closure that gives the template's text; raises Refused."""
        self.locals.append(set())
        write = self._block(body)

        def render(scope: Scope, budget: Budget) -> str:
            text = Text()
            write(Local(scope), budget, text)
            return "".join(text.parts)

        return render

    def _block(self, body: Iterable[nodes.Node]) -> Writer:
        writers = [self._statement(node) for node in body]

        def write(scope: dict[str, Any], budget: Budget, text: Text) -> None:
            for writer in writers:
                writer(scope, budget, text)

        return write

    def _statement(self, node: nodes.Node) -> Writer:
        kinds: dict[type, Any] = {
            nodes.Output: self._output,
            nodes.If: self._if,
            nodes.For: self._for,
            nodes.Assign: self._set,
        }
        handler = kinds.get(type(node))
        if handler is None:
            raise Refused(f"`{{% {type(node).__name__.lower()} %}}` cannot be used in templates; if, for and set can")
        writer: Writer = handler(node)
        return writer

    def _output(self, node: nodes.Output) -> Writer:
        return self._block_of([self._piece(part) for part in node.nodes])

    def _block_of(self, writers: list[Writer]) -> Writer:
        if len(writers) == 1:
            return writers[0]

        def write(scope: dict[str, Any], budget: Budget, text: Text) -> None:
            for writer in writers:
                writer(scope, budget, text)

        return write

    def _piece(self, node: nodes.Expr) -> Writer:
        if isinstance(node, nodes.TemplateData):
            data = node.data
            return lambda scope, budget, text: text.add(data)
        value = self.expression(node)
        return lambda scope, budget, text: text.add(to_text(value(scope, budget)))

    def _if(self, node: nodes.If) -> Writer:
        branches = [(self.expression(part.test), self._block(part.body)) for part in (node, *node.elif_)]
        otherwise = self._block(node.else_)

        def write(scope: dict[str, Any], budget: Budget, text: Text) -> None:
            for test, block in branches:
                if test(scope, budget):
                    return block(scope, budget, text)
            return otherwise(scope, budget, text)

        return write

    def _set(self, node: nodes.Assign) -> Writer:
        value = self.expression(node.node)
        assign = self._target(node.target)

        def write(scope: dict[str, Any], budget: Budget, text: Text) -> None:
            assign(scope, value(scope, budget))

        return write

    def _target(self, node: nodes.Node) -> Callable[[dict[str, Any], Any], None]:
        if isinstance(node, nodes.Name):
            name = node.name
            self.locals[-1].add(name)
            return lambda scope, value: scope.__setitem__(name, value)
        if isinstance(node, nodes.Tuple):
            return _spread([self._target(item) for item in node.items])
        raise Refused("a value can only be given to a name")

    def _for(self, node: nodes.For) -> Writer:
        if node.recursive:
            raise Refused("a loop cannot be recursive")
        values, otherwise = self.expression(node.iter), self._block(node.else_)
        self.locals.append({LOOP})
        assign = self._target(node.target)
        test = self.expression(node.test) if node.test else None
        body = self._block(node.body)
        self.locals.pop()
        return _loop(values, assign, test, body, otherwise)


def _spread(targets: list[Callable[[dict[str, Any], Any], None]]) -> Callable[[dict[str, Any], Any], None]:
    def assign(scope: dict[str, Any], value: Any) -> None:
        if not isinstance(value, list | tuple) or len(value) != len(targets):
            raise Failure(f"{kind_of(value)} cannot be taken apart into {len(targets)} names")
        for target, item in zip(targets, value, strict=True):
            target(scope, item)

    return assign


def _loop(
    values: Closure,
    assign: Callable[[dict[str, Any], Any], None],
    test: Closure | None,
    body: Writer,
    otherwise: Writer,
) -> Writer:
    def chosen(scope: dict[str, Any], budget: Budget) -> list[Any]:
        turns = budget.turns(values(scope, budget))
        if test is None:
            return list(turns)
        inner, kept = Local(scope), []
        for value in turns:
            assign(inner, value)
            if test(inner, budget):
                kept.append(value)
        return kept

    def write(scope: dict[str, Any], budget: Budget, text: Text) -> None:
        items = chosen(scope, budget)
        for number, value in enumerate(budget.turns(items)):
            inner = Local(scope)
            inner[LOOP] = _place(number, len(items))
            assign(inner, value)
            body(inner, budget, text)
        if not items:
            otherwise(scope, budget, text)

    return write


def _place(number: int, length: int) -> dict[str, Any]:
    """What `loop` is in the turn of this number (from 0)."""
    return {
        "index": number + 1,
        "index0": number,
        "first": number == 0,
        "last": number == length - 1,
        "length": length,
        "revindex": length - number,
        "revindex0": length - number - 1,
    }
