"""The step `code`: a function in Starlark, a small dialect of Python without any access to the outside."""

import ast
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, ClassVar

from director.errors import nearest
from workflows.errors import ExpressionFailed, in_step
from workflows.expressions.values import to_json
from workflows.step_types.base import StepCall, StepType
from workflows.step_types.starlark import CodeFailed, compile_source, run

MAX_SOURCE = 100_000  # characters
LIST = "items"  # what `over` is called in the code
RECORDS = "records"  # those that are named in the code, by id


class Code(StepType):
    """Calls `main`; the names of its parameters say what it is given: `def main(current, extract):`.

    A parameter may be any name that templates know at that place: current, outer, item, index, trigger, execution, the
    alias of a step before, a variable; with `over`, `items` is that list, and main is called once with all of it. With
    `records` it gets the records that it names by their ids: `records["order-17"]`, `records.get("order-17")`. What it
    returns is the step's output. A parameter with a default keeps it where the name has no value, as that of a step in
    a branch that was not taken.
    """

    name = "code"
    label = "Code"
    description = "Works something out in Starlark, a small and safe dialect of Python."
    icon = "code"
    category = "data"
    raw_config = frozenset({"source"})
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["source"],
        "properties": {
            "source": {
                "title": "Source",
                "description": "def main(current): return current['fields']['subject'].upper()",
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_SOURCE,
            },
            "over": {
                "title": "Over",
                "description": "A list that main gets as a whole, as its parameter `items`.",
                "type": "array",
            },
        },
    }

    def run(self, call: StepCall) -> Any:
        return run(call.config["source"], _arguments(call))

    def problems(self, config: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        source = config.get("source")
        if not isinstance(source, str) or len(source) > MAX_SOURCE:
            return
        try:
            wanted = parameters(source)
            compile_source(source)
        except CodeFailed as error:
            yield "source", error.message.rstrip(".")
            return
        if LIST in wanted and "over" not in config:
            yield "source", f"main takes `{LIST}`, which is there only with `over`"
        if RECORDS in wanted and not records_named(source):
            yield "source", "main takes `records` but names none of them; write which one: `records['order-17']`"

    def names(self, config: Mapping[str, Any]) -> frozenset[str]:
        source = config.get("source")
        try:
            wanted = parameters(source) if isinstance(source, str) else ()
        except CodeFailed:  # said by `problems`
            return frozenset()
        return frozenset(wanted) - {LIST}

    def record_ids(self, config: Mapping[str, Any]) -> frozenset[str]:
        return records_named(config["source"]) if RECORDS in self.names(config) else frozenset()

    def summary(self, config: Mapping[str, Any]) -> str:
        return "Once over a list" if "over" in config else ""


def _parsed(source: str) -> ast.Module:
    """Return the code as a tree. Starlark's grammar is within Python's, so Python's parser reads it."""
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise CodeFailed((error.msg or "it cannot be read").rstrip("."), error.lineno) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise CodeFailed(f"it cannot be read ({error})") from None


@lru_cache(maxsize=512)
def _signature(source: str) -> ast.arguments:
    """Return the parameters of `main`."""
    for statement in _parsed(source).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "main":
            if statement.args.vararg or statement.args.kwarg:
                raise CodeFailed("main names what it takes; it cannot take * or **", statement.lineno)
            return statement.args
    raise CodeFailed("it defines no function `main`; write `def main(current): return ...`")


def parameters(source: str) -> tuple[str, ...]:
    """Return the names that `main` takes, in order; raises CodeFailed when there is no such function."""
    found = _signature(source)
    return tuple(parameter.arg for parameter in (*found.posonlyargs, *found.args, *found.kwonlyargs))


def _optional(source: str) -> frozenset[str]:
    """The names that `main` takes with a default."""
    found = _signature(source)
    placed = [*found.posonlyargs, *found.args]
    with_default = placed[len(placed) - len(found.defaults) :]
    named = [one for one, default in zip(found.kwonlyargs, found.kw_defaults, strict=True) if default is not None]
    return frozenset(parameter.arg for parameter in (*with_default, *named))


def records_named(source: str) -> frozenset[str]:
    """Return the ids that stand in the code as `records["..."]` or `records.get("...")`."""
    keys = []
    for node in ast.walk(_parsed(source)):
        match node:
            case ast.Subscript(value=ast.Name(id="records"), slice=key):
                keys.append(key)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="records"), attr="get"), args=[key, *_]):
                keys.append(key)
    return frozenset(key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _arguments(call: StepCall) -> dict[str, Any]:
    """Return what `main` is given; a name that is not there is left to its default, without one the step fails."""
    source, scope = call.config["source"], call.scope
    given: dict[str, Any] = {}
    for name in parameters(source):
        if name == LIST and "over" in call.config:
            given[name] = call.config["over"]
        elif name in scope and name != "now":
            given[name] = to_json(scope[name])
        elif name not in _optional(source):
            where, names = in_step(call.step.alias, "config.source"), sorted(known for known in scope if known != "now")
            reason = f"`{name}`, which main takes, is not known here"
            raise ExpressionFailed(where, f"main({name})", reason, names, nearest(name, names))
    return given
