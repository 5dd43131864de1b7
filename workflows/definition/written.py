"""Every template of a step, as it is written and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.definition.parse import StepDefinition
from workflows.expressions import Template, compile_expression, compile_template
from workflows.expressions.templates import OPENING
from workflows.step_types.base import StepType

UNIQUE_IDS = "uuid"  # as an id_pattern: not a template but a wish


@dataclass(frozen=True, slots=True)
class Written:
    """One template. sees: names that are known there besides those of the step's place."""

    where: str
    source: Any
    is_expression: bool = False
    sees: tuple[str, ...] = ()

    def compile(self) -> Template:
        """Return it compiled; raises ExpressionInvalid."""
        compile_one = compile_expression if self.is_expression else compile_template
        return compile_one(self.source, self.where)


def written(step: StepDefinition, kind: StepType) -> Iterator[Written]:
    """Yield the templates of a step: in its config, its options and the heads of its blocks."""
    for key, value in step.config.items():
        if key not in kind.raw_config:
            yield from _texts(value, f"{step.path}.config.{key}")
    for key in raw_expressions(step.config, kind):
        sees = ("current", "outer") if step.type == "iterate" else ()  # the candidate, and the record around it
        yield Written(f"{step.path}.config.{key}", step.config[key], True, sees)
    yield from _heads(step, kind)
    yield from _options(step)


def raw_expressions(config: Mapping[str, Any], kind: StepType) -> list[str]:
    """Return the raw keys of the config that hold one expression each."""
    properties = kind.schema.get("properties", {})
    keys = (key for key in config if key in kind.raw_config)
    return [key for key in keys if properties.get(key, {}).get("format") == "expression"]


def _heads(step: StepDefinition, kind: StepType) -> Iterator[Written]:
    spec = kind.blocks
    for block in step.blocks if spec and spec.many else ():
        if spec and not block.closes:
            yield Written(f"{block.path}.{spec.head}", block.head, spec.head == "if")


def _options(step: StepDefinition) -> Iterator[Written]:
    for key in ("when", "pause_when"):
        if key in step.options:
            yield Written(f"{step.path}.{key}", step.options[key], True)
    create = step.options.get("create_records")
    pattern = create.get("id_pattern") if isinstance(create, Mapping) else None
    if isinstance(pattern, str) and pattern != UNIQUE_IDS:
        yield Written(f"{step.path}.create_records.id_pattern", pattern, False, ("item", "index"))


def _texts(value: Any, path: str) -> Iterator[Written]:
    if isinstance(value, str):
        if OPENING.search(value):
            yield Written(path, value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")
