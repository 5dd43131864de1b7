"""From a document to frozen dataclasses: the shape of it, whatever its steps may mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from director.errors import nearest
from workflows.definition.documents import Positions, checked_value, read_document
from workflows.definition.problems import DefinitionProblem
from workflows.definition.schema import DOCUMENT, MAX_NESTING, MAX_STEPS, OPTIONS, STEP, check, unknown_keys
from workflows.errors import DefinitionInvalid, DefinitionUnreadable, StepTypeUnknown
from workflows.expressions.failures import kind_of
from workflows.step_types import registry
from workflows.step_types.base import BlockSpec, StepType

COMMON_KEYS = ("alias", "type", "name", "config")


@dataclass(frozen=True, slots=True)
class BlockDefinition:
    """A block as it is written. head: what stands behind `if` or `case`; None for the closing block and for a body."""

    key: str
    path: str
    steps: tuple[StepDefinition, ...]
    head: Any = None
    label: str | None = None
    closes: bool = False


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """A step as it is written. options: the keys of `schema.OPTIONS` that it has."""

    path: str
    alias: str
    type: str
    name: str
    config: Mapping[str, Any]
    options: Mapping[str, Any]
    blocks: tuple[BlockDefinition, ...] = ()

    @property
    def step_type(self) -> StepType | None:
        """The type, None when there is none of that name."""
        try:
            return registry.get(self.type)
        except StepTypeUnknown:
            return None


@dataclass(frozen=True, slots=True)
class Definition:
    """A document taken apart. settings: all that it says beside the steps. problems: what is wrong with its shape."""

    settings: Mapping[str, Any]
    steps: tuple[StepDefinition, ...]
    problems: tuple[DefinitionProblem, ...] = ()
    positions: Positions = field(default_factory=dict)

    def walk(self) -> Iterator[StepDefinition]:
        """Yield every step in document order."""
        pending = list(reversed(self.steps))
        while pending:
            step = pending.pop()
            yield step
            pending += [inner for block in reversed(step.blocks) for inner in reversed(block.steps)]


def parse(source: str | Mapping[str, Any], format: str | None = None) -> Definition:
    """Return the definition that a text (YAML or JSON) or a document's value holds.

    Raises DefinitionUnreadable with line and column when the text cannot be read, DefinitionInvalid when it is no
    object. What is wrong within it is in `problems`, so that everything can be said at once.
    """
    value, positions = read_document(source, format) if isinstance(source, str) else (checked_value(source), {})
    if not isinstance(value, Mapping):
        words = "empty" if value is None else kind_of(value)
        raise DefinitionInvalid(
            [DefinitionProblem("", f"A definition is an object with name and steps, this one is {words}")]
        )
    return _Parser(positions).definition(value)


class _Parser:
    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        self.problems: list[DefinitionProblem] = []
        self.count = 0

    def definition(self, document: Mapping[str, Any]) -> Definition:
        self.problems += check(DOCUMENT, document, "")
        steps = self._steps(document.get("steps"), "steps", 0)
        settings = {key: value for key, value in document.items() if key != "steps"}
        return Definition(settings, steps, tuple(self.problems), self.positions)

    def _steps(self, value: Any, path: str, depth: int) -> tuple[StepDefinition, ...]:
        if value is None or not isinstance(value, list):
            if depth:
                self._problem(path, "must be a list of steps")
            return ()
        if depth > MAX_NESTING:
            self._problem(path, f"blocks are nested more than {MAX_NESTING} deep")
            return ()
        steps = [self._step(item, f"{path}[{index}]", depth) for index, item in enumerate(value)]
        return tuple(step for step in steps if step is not None)

    def _step(self, value: Any, path: str, depth: int) -> StepDefinition | None:
        self.count += 1
        if self.count > MAX_STEPS:
            if self.count == MAX_STEPS + 1:
                self._problem(path, f"a definition has at most {MAX_STEPS} steps")
            return None
        self.problems += check(STEP, value, path)
        if not isinstance(value, Mapping):
            return None
        step_type = self._type(value.get("type"), path)
        spec = step_type.blocks if step_type else None
        self._check_keys(value, step_type, path)
        blocks = tuple(self._blocks(value.get(spec.key), spec, f"{path}.{spec.key}", depth)) if spec else ()
        return _step_definition(value, path, blocks)

    def _type(self, name: Any, path: str) -> StepType | None:
        if not isinstance(name, str):
            return None
        try:
            return registry.get(name)
        except StepTypeUnknown as error:
            known = ", ".join(error.known)
            message = f"there is no step type `{name}`; known are {known}"
            self._problem(f"{path}.type", message, error.suggestion)
            return None

    def _check_keys(self, value: Mapping[str, Any], step_type: StepType | None, path: str) -> None:
        if step_type is None:  # which blocks it owns is not known either
            return
        own = [step_type.blocks.key] if step_type.blocks else []
        known = dict.fromkeys([*COMMON_KEYS, *own, *OPTIONS])
        for problem in unknown_keys(value, known, path):
            key = problem.path.removeprefix(f"{path}.")
            like = nearest(key, step_type.schema.get("properties", {}))
            if like and (like == key or problem.suggestion is None):
                problem = DefinitionProblem(problem.path, f"`{key}` belongs into `config`", f"config.{like}")
            self.problems.append(problem)

    def _blocks(self, value: Any, spec: BlockSpec, path: str, depth: int) -> Iterator[BlockDefinition]:
        if not spec.many:
            if value is None:
                self._problem(path, f"`{spec.key}` is missing: the list of steps to walk")
            else:
                yield BlockDefinition(spec.key, path, self._steps(value, path, depth + 1))
            return
        if value is None and spec.optional:
            return
        if not isinstance(value, list) or not value:
            self._problem(
                path, f"`{spec.key}` is missing: a list of `{spec.head}` ... `steps`, closed by `{spec.last}`"
            )
            return
        for index, item in enumerate(value):
            block = self._block(item, spec, index, f"{path}[{index}]", depth, is_last=index == len(value) - 1)
            if block is not None:
                yield block

    def _block(
        self, value: Any, spec: BlockSpec, index: int, path: str, depth: int, *, is_last: bool
    ) -> BlockDefinition | None:
        if not isinstance(value, Mapping):
            self._problem(path, f"must be an object with `{spec.head}` (or `{spec.last}`) and `steps`")
            return None
        closes = spec.last in value
        self._check_head(value, spec, path, closes=closes, is_last=is_last, is_first=index == 0)
        steps = self._steps(value.get("steps", []), f"{path}.steps", depth + 1)
        closes = closes or spec.head not in value  # a block without either was noted; nothing more is said of its head
        return BlockDefinition(str(index), path, steps, value.get(spec.head), value.get("label"), closes)

    def _check_head(
        self, value: Mapping[str, Any], spec: BlockSpec, path: str, *, closes: bool, is_last: bool, is_first: bool
    ) -> None:
        known = {spec.head: None, spec.last: None, "label": None, "steps": None}
        self.problems += unknown_keys(value, known, path)
        if closes == (spec.head in value):
            self._problem(path, f"needs either `{spec.head}` or, to close, `{spec.last}`")
        if closes and value[spec.last] not in (None, True):
            self._problem(f"{path}.{spec.last}", f"`{spec.last}` has no condition; leave its value empty")
        if closes and (not is_last or is_first):
            self._problem(path, f"`{spec.last}` must come last, after at least one `{spec.head}`")
        if not isinstance(value.get("label"), str | None):
            self._problem(f"{path}.label", "must be text")
        if "steps" not in value:
            self._problem(path, "`steps` is missing; write `steps: []` for doing nothing")

    def _problem(self, path: str, message: str, suggestion: str | None = None) -> None:
        self.problems.append(DefinitionProblem(path, message, suggestion))


def _step_definition(value: Mapping[str, Any], path: str, blocks: tuple[BlockDefinition, ...]) -> StepDefinition:
    """Return the step; where a value has the wrong kind, which is a problem noted before, an empty one stands in."""
    config = value.get("config", {})
    is_whole = isinstance(config, Mapping)
    return StepDefinition(
        path,
        _text(value.get("alias")),
        _text(value.get("type")) if is_whole else "",  # what the type says of a config is said of none
        _text(value.get("name")),
        config if is_whole else {},
        {key: value[key] for key in OPTIONS if key in value},
        blocks,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


__all__ = ["BlockDefinition", "Definition", "DefinitionUnreadable", "StepDefinition", "parse"]
