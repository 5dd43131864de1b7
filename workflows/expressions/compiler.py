"""From Jinja's syntax tree to closures.

Jinja reads the template (its grammar, its precedence, its errors); what the tree means is decided here. A closure takes
the scope and the budget and gives a value. Only what is listed exists: data is looked into by `values.look_up`, and the
functions, methods, filters and tests are ours, so there is no Python object to climb out by, and everything that makes
a value pays for it.

A name that leads nowhere is a Failure at once, so a condition can never mistake it for false. Only directly before
`default`, `is defined` and `is undefined` it is MISSING instead ("lenient").
"""

from __future__ import annotations

from typing import Any

from jinja2 import nodes

from director.errors import nearest
from workflows.expressions import closures
from workflows.expressions.closures import Arguments, Closure, Scope
from workflows.expressions.filters import FILTERS, TESTS, apply_test, misuse
from workflows.expressions.limits import MAX_NESTING, Budget
from workflows.expressions.methods import FUNCTIONS, METHOD_NAMES
from workflows.expressions.operators import BINARY, COMPARISON, negative, positive
from workflows.expressions.values import joined, to_text

MAY_LEAD_NOWHERE = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Filter)
LENIENT_FILTERS = ("default", "d")
LENIENT_TESTS = ("defined", "undefined")


class Refused(Exception):
    """The template says something that templates may not say; `suggestion` is the nearest thing that they may."""

    def __init__(self, reason: str, suggestion: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.suggestion = reason, suggestion


class ExpressionCompiler:
    """Makes closures of the expressions of one template and notes which names of the scope they use."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.record_ids: set[str] = set()
        self.locals: list[set[str]] = []
        self._depth = 0

    def expression(self, node: nodes.Node, *, lenient: bool = False) -> Closure:
        """Return the closure of an expression node; raises Refused."""
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        if handler is None:
            raise Refused(f"`{type(node).__name__.lower()}` cannot be used in templates")
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise Refused(f"it is nested more than {MAX_NESTING} deep")
        closure: Closure = handler(node, lenient) if isinstance(node, MAY_LEAD_NOWHERE) else handler(node)
        self._depth -= 1
        return closure

    # --- names and paths ---------------------------------------------------------------------------------------------
    def is_local(self, name: str) -> bool:
        """Whether a loop or `set` of the template itself gives the name."""
        return any(name in names for names in self.locals)

    def _name(self, node: nodes.Name, lenient: bool) -> Closure:
        if not self.is_local(node.name):
            if node.name == "records":
                raise Refused("write which record is meant: `records.email_001` or `records['order-17']`")
            self.names.add(node.name)
        return closures.root(node.name, lenient)

    def _getattr(self, node: nodes.Getattr, lenient: bool) -> Closure:
        return self._step_into(node.node, node.attr, lenient)

    def _getitem(self, node: nodes.Getitem, lenient: bool) -> Closure:
        if isinstance(node.arg, nodes.Slice):
            return self._sliced(node.node, node.arg)
        if isinstance(node.arg, nodes.Const):
            return self._step_into(node.node, node.arg.value, lenient)
        base = self.expression(node.node, lenient=lenient)
        return closures.keyed(base, self.expression(node.arg), source_of(node.node), lenient)

    def _step_into(self, base: nodes.Expr, key: Any, lenient: bool) -> Closure:
        if isinstance(base, nodes.Name) and base.name == "records" and not self.is_local("records"):
            return self._record(key, lenient)
        text = source_of(base)
        return closures.attribute(self.expression(base, lenient=lenient), key, _path(text, key), text, lenient)

    def _record(self, key: Any, lenient: bool) -> Closure:
        if not isinstance(key, str):
            raise Refused("a record's id is text: `records.email_001` or `records['order-17']`")
        self.names.add("records")
        self.record_ids.add(key)
        return closures.record(key, joined("records", key), lenient)

    def _sliced(self, base: nodes.Expr, place: nodes.Slice) -> Closure:
        bounds = [self.expression(bound) if bound else None for bound in (place.start, place.stop, place.step)]
        return closures.sliced(self.expression(base), bounds)

    # --- literals ----------------------------------------------------------------------------------------------------
    def _const(self, node: nodes.Const) -> Closure:
        value = node.value
        return lambda scope, budget: value

    def _list(self, node: nodes.List | nodes.Tuple) -> Closure:
        items = [self.expression(item) for item in node.items]

        def make(scope: Scope, budget: Budget) -> list[Any]:
            values = [item(scope, budget) for item in items]
            budget.charge_value(values)
            return values

        return make

    _tuple = _list

    def _dict(self, node: nodes.Dict) -> Closure:
        pairs = [(self.expression(pair.key), self.expression(pair.value)) for pair in node.items]

        def make(scope: Scope, budget: Budget) -> dict[str, Any]:
            values = {to_text(key(scope, budget)): value(scope, budget) for key, value in pairs}
            budget.charge_value(values)
            return values

        return make

    # --- operators ---------------------------------------------------------------------------------------------------
    def _binary(self, node: nodes.BinExpr) -> Closure:
        operate = BINARY[type(node).__name__]
        left, right = self.expression(node.left), self.expression(node.right)
        return lambda scope, budget: operate(left(scope, budget), right(scope, budget), budget)

    _add = _sub = _mul = _div = _floordiv = _mod = _pow = _binary

    def _neg(self, node: nodes.Neg) -> Closure:
        value = self.expression(node.node)
        return lambda scope, budget: negative(value(scope, budget))

    def _pos(self, node: nodes.Pos) -> Closure:
        value = self.expression(node.node)
        return lambda scope, budget: positive(value(scope, budget))

    def _not(self, node: nodes.Not) -> Closure:
        value = self.expression(node.node)
        return lambda scope, budget: not value(scope, budget)

    def _and(self, node: nodes.And) -> Closure:
        left, right = self.expression(node.left), self.expression(node.right)
        return lambda scope, budget: left(scope, budget) and right(scope, budget)

    def _or(self, node: nodes.Or) -> Closure:
        left, right = self.expression(node.left), self.expression(node.right)
        return lambda scope, budget: left(scope, budget) or right(scope, budget)

    def _condexpr(self, node: nodes.CondExpr) -> Closure:
        test, yes = self.expression(node.test), self.expression(node.expr1)
        no = self.expression(node.expr2) if node.expr2 else lambda scope, budget: None
        return lambda scope, budget: yes(scope, budget) if test(scope, budget) else no(scope, budget)

    def _compare(self, node: nodes.Compare) -> Closure:
        first = self.expression(node.expr)
        rest = [(COMPARISON[operand.op], self.expression(operand.expr)) for operand in node.ops]
        if len(rest) > 1:
            return closures.chain(first, rest)
        holds, second = rest[0]
        return lambda scope, budget: holds(first(scope, budget), second(scope, budget))

    def _concat(self, node: nodes.Concat) -> Closure:
        parts = [self.expression(part) for part in node.nodes]

        def concatenate(scope: Scope, budget: Budget) -> str:
            texts = [to_text(part(scope, budget)) for part in parts]
            budget.charge_text(sum(map(len, texts)))
            return "".join(texts)

        return concatenate

    # --- filters, tests, calls ---------------------------------------------------------------------------------------
    def _filter(self, node: nodes.Filter, lenient: bool) -> Closure:
        name = node.name
        if name not in FILTERS:
            raise Refused(f"there is no filter `{name}`", nearest(name, FILTERS))
        if node.node is None:
            raise Refused(f"the filter `{name}` is given no value")
        base = self.expression(node.node, lenient=name in LENIENT_FILTERS)
        return closures.filtered(base, name, self._arguments(node, f"the filter `{name}`", FILTERS[name], 2), lenient)

    def _test(self, node: nodes.Test) -> Closure:
        name = node.name
        if name not in TESTS:
            raise Refused(f"there is no test `is {name}`", nearest(name, TESTS))
        value = self.expression(node.node, lenient=name in LENIENT_TESTS)
        args, _ = self._arguments(node, f"`is {name}`", TESTS[name], 1)
        return lambda scope, budget: apply_test(name, value(scope, budget), [arg(scope, budget) for arg in args])

    def _call(self, node: nodes.Call) -> Closure:
        if isinstance(node.node, nodes.Getattr):
            return self._method(node, node.node)
        if isinstance(node.node, nodes.Name):
            return self._function(node, node.node.name)
        raise Refused("only functions and methods can be called")

    def _method(self, node: nodes.Call, target: nodes.Getattr) -> Closure:
        if target.attr not in METHOD_NAMES:
            raise Refused(f"there is no method `{target.attr}()`", nearest(target.attr, METHOD_NAMES))
        return closures.method(self.expression(target.node), target.attr, self._arguments(node))

    def _function(self, node: nodes.Call, name: str) -> Closure:
        if name == "now" and self._arguments(node) == ([], {}):
            self.names.add("now")
            return closures.now
        if name not in FUNCTIONS:
            like = nearest(name, FILTERS)
            raise Refused(
                f"`{name}(...)` cannot be called; the functions are now(), range and dict", like and f"| {like}"
            )
        return closures.function(FUNCTIONS[name], self._arguments(node))

    def _arguments(
        self, node: nodes.Call | nodes.Filter | nodes.Test, what: str = "", target: Any = None, hidden: int = 0
    ) -> Arguments:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise Refused("`*` and `**` cannot be used in a call")
        if target is not None:
            wrong = misuse(target, hidden, len(node.args), [str(pair.key) for pair in node.kwargs])
            if wrong:
                raise Refused(f"{what} is used wrongly: {wrong}")
        return [self.expression(arg) for arg in node.args], {
            str(pair.key): self.expression(pair.value) for pair in node.kwargs
        }


def source_of(node: nodes.Node) -> str:
    """Return how a path is written, as messages name it; "the value" for what is not a path."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{source_of(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return _path(source_of(node.node), node.arg.value)
    return "(…)"


def _path(base: str, key: Any) -> str:
    return joined(base, key) if isinstance(key, str) else f"{base}[{key}]"
