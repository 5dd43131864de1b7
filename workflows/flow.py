"""The steps of a version as nested lists, for drawing; made of rows alone, so a draft with problems is drawn too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from workflows.definition.schema import OPTIONS
from workflows.errors import StepTypeUnknown
from workflows.models import WorkflowStep, WorkflowVersion
from workflows.step_types import registry
from workflows.step_types.base import BlockSpec, StepType

LOOP = "loop"  # the family of steps that walk records


@dataclass(slots=True)
class FlowBlock:
    """A list of steps inside a step. label and head: what stands at its beginning ("If", "current.amount > 100")."""

    key: str
    label: str
    head: str
    rail: str
    steps: list[FlowStep]


@dataclass(slots=True)
class FlowStep:
    """One card. iterate: alias of the innermost iterate around it, empty at the top level. depth: 0 at the top."""

    alias: str
    name: str
    type: str
    label: str
    icon: str
    family: str
    summary: str
    config: Mapping[str, Any]
    options: Mapping[str, Any]
    iterate: str
    depth: int
    blocks: list[FlowBlock] = field(default_factory=list)

    @property
    def is_iterate(self) -> bool:
        return self.family == LOOP

    @property
    def waits(self) -> bool:
        """Whether it waits for a person or a moment, so that the time it took itself tells nothing."""
        return self.family in ("human", "time")

    @property
    def texts(self) -> dict[str, str]:
        """What its config says in several lines, such as source code: shown as it was written, not as JSON."""
        return {key: value for key, value in self.config.items() if isinstance(value, str) and "\n" in value}

    @property
    def settings(self) -> dict[str, Any]:
        """The rest of its config."""
        return {key: value for key, value in self.config.items() if key not in self.texts}

    @property
    def extras(self) -> dict[str, Any]:
        """What it says beside its config and the heads of its own blocks: when, retry, create_records, ..."""
        return {key: value for key, value in self.options.items() if key in OPTIONS}

    @property
    def store_path(self) -> str:
        return store_path(self.alias, self.options)

    def below(self) -> Iterator[FlowStep]:
        """Every step inside it, in document order."""
        for block in self.blocks:
            for step in block.steps:
                yield step
                yield from step.below()


@dataclass(frozen=True, slots=True)
class Flow:
    """A version drawn: the top level, and every step by alias in document order."""

    top: list[FlowStep]
    steps: Mapping[str, FlowStep]

    @property
    def iterates(self) -> list[str]:
        return [step.alias for step in self.steps.values() if step.is_iterate]

    def step(self, alias: str) -> FlowStep | None:
        return self.steps.get(alias)


def store_path(alias: str, options: Mapping[str, Any]) -> str:
    """Where on the record a step's output goes, such as "vars.category"; empty when it is not stored."""
    if not options.get("store_to_record"):
        return ""
    path = str(options.get("as") or alias)
    return path if path.split(".", 1)[0] in ("fields", "vars", "targets") else f"vars.{path}"


def flow_of(version: WorkflowVersion | None) -> Flow:
    """Return the version's steps, nested; an empty flow for no version. One query."""
    if version is None:
        return Flow([], {})
    children: Children = defaultdict(list)
    for row in WorkflowStep.objects.filter(version=version).order_by("position"):
        children[row.parent_id, row.branch].append(row)
    top = [_step(row, children, "", 0) for row in children[None, ""]]
    ordered = [step for one in top for step in (one, *one.below())]
    return Flow(top, {step.alias: step for step in ordered})


Children = defaultdict[tuple[UUID | None, str], list[WorkflowStep]]


def _step(row: WorkflowStep, children: Children, iterate: str, depth: int) -> FlowStep:
    kind = _type(row.type)
    step = FlowStep(
        alias=row.alias,
        name=row.name or _named(row, kind),
        type=row.type,
        label=kind.label if kind else row.type,
        icon=kind.icon if kind else "puzzle",
        family=kind.category if kind else "action",
        summary=_summary(row, kind),
        config=row.config,
        options=row.options,
        iterate=iterate,
        depth=depth,
    )
    inner = row.alias if step.is_iterate else iterate
    spec = kind.blocks if kind else None
    for key, label, head, rail in _heads(spec, row, children):
        steps = [_step(child, children, inner, depth + 1) for child in children[row.pk, key]]
        step.blocks.append(FlowBlock(key, label, head, rail, steps))
    return step


def _type(name: str) -> StepType | None:
    try:
        return registry.get(name)
    except StepTypeUnknown:  # its package is not installed any more; the card says which type it was
        return None


def _named(row: WorkflowStep, kind: StepType | None) -> str:
    """A step without a name is called by its alias, in words."""
    return row.alias.replace("_", " ").capitalize() if row.alias else (kind.label if kind else row.type)


def _summary(row: WorkflowStep, kind: StepType | None) -> str:
    own = kind.summary(row.config) if kind else "This step type is not installed"
    return own or (kind.label if kind else row.type)


Head = tuple[str, str, str, str]  # key, label, head, rail


def _heads(spec: BlockSpec | None, row: WorkflowStep, children: Children) -> Iterator[Head]:
    """The step's blocks in order, with what is said at the beginning of each."""
    if spec is None:
        for parent, key in list(children):
            if parent == row.pk:
                yield key, key, "", "logic"
        return
    if not spec.many:
        yield spec.key, "Each record", "", "loop"
        return
    for index, head in enumerate(row.options.get(spec.key) or []):
        yield _branch(spec, str(index), index, head)


def _branch(spec: BlockSpec, key: str, index: int, head: Mapping[str, Any]) -> Head:
    if spec.head in head:
        words = {"if": "If" if index == 0 else "Or if", "case": "Case"}.get(spec.head, spec.head.capitalize())
        return key, str(head.get("label") or words), _expression(head[spec.head]), "logic"
    return key, str(head.get("label") or "Otherwise"), "", "else"


def _expression(value: Any) -> str:
    """An expression without its braces, as it reads best."""
    text = value.strip() if isinstance(value, str) else str(value)
    if text.startswith("{{") and text.endswith("}}") and text.count("{{") == 1:
        return text[2:-2].strip()
    return text
