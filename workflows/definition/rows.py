"""A definition as rows of `WorkflowStep` and as a document again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from workflows.definition.parse import BlockDefinition, Definition, StepDefinition
from workflows.definition.schema import DOCUMENT, OPTIONS
from workflows.models import WorkflowStep, WorkflowVersion
from workflows.step_types import registry
from workflows.step_types.base import BlockSpec

Children = Mapping[tuple[UUID | None, str], list[WorkflowStep]]


def rows_of(definition: Definition, version: WorkflowVersion) -> list[WorkflowStep]:
    """Return the unsaved rows of a definition's steps, parents before their children."""
    rows: list[WorkflowStep] = []
    _add_rows(rows, definition.steps, version, None, "")
    return rows


def definition_of(version: WorkflowVersion) -> Definition:
    """Return the definition that a version's rows hold. One query; raises StepTypeUnknown for a type not installed."""
    return definition_from(version.settings, WorkflowStep.objects.filter(version_id=version.pk))


def definition_from(settings: Mapping[str, Any], rows: Iterable[WorkflowStep]) -> Definition:
    """Return the definition made of a version's settings and its rows, in whatever order they come."""
    children: defaultdict[tuple[UUID | None, str], list[WorkflowStep]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.position):
        children[row.parent_id, row.branch].append(row)
    return Definition(settings, _steps(children, None, "", "steps"))


def document_of(definition: Definition) -> dict[str, Any]:
    """Return the document that `parse` would read as this definition."""
    settings = {key: definition.settings[key] for key in DOCUMENT["properties"] if key in definition.settings}
    return {**settings, "steps": [_document_step(step) for step in definition.steps]}


def _add_rows(
    rows: list[WorkflowStep],
    steps: tuple[StepDefinition, ...],
    version: WorkflowVersion,
    parent: WorkflowStep | None,
    branch: str,
) -> None:
    for position, step in enumerate(steps):
        row = WorkflowStep(
            version=version,
            alias=step.alias,
            type=step.type,
            name=step.name,
            parent=parent,
            branch=branch,
            position=position,
            config=step.config,
            options={**step.options, **_heads(step)},
        )
        rows.append(row)
        for block in step.blocks:
            _add_rows(rows, block.steps, version, row, block.key)


def _heads(step: StepDefinition) -> dict[str, Any]:
    spec = registry.get(step.type).blocks
    named = spec and spec.many and (step.blocks or not spec.optional)
    return {spec.key: [_head(block, spec) for block in step.blocks]} if spec and named else {}


def _head(block: BlockDefinition, spec: BlockSpec) -> dict[str, Any]:
    head = {spec.last: None} if block.closes else {spec.head: block.head}
    return head if block.label is None else {**head, "label": block.label}


def _steps(children: Children, parent: UUID | None, branch: str, path: str) -> tuple[StepDefinition, ...]:
    rows = children.get((parent, branch), [])
    return tuple(_step(children, row, f"{path}[{index}]") for index, row in enumerate(rows))


def _step(children: Children, row: WorkflowStep, path: str) -> StepDefinition:
    options = {key: row.options[key] for key in OPTIONS if key in row.options}
    blocks = tuple(_blocks(children, row, path))
    return StepDefinition(path, row.alias, row.type, row.name, row.config, options, blocks)


def _blocks(children: Children, row: WorkflowStep, path: str) -> list[BlockDefinition]:
    spec = registry.get(row.type).blocks
    if spec is None:
        return []
    if not spec.many:
        place = f"{path}.{spec.key}"
        return [BlockDefinition(spec.key, place, _steps(children, row.pk, spec.key, place))]
    blocks = []
    for index, head in enumerate(row.options.get(spec.key, [])):
        place = f"{path}.{spec.key}[{index}]"
        steps = _steps(children, row.pk, str(index), f"{place}.steps")
        closes, label = spec.last in head, head.get("label")
        blocks.append(BlockDefinition(str(index), place, steps, head.get(spec.head), label, closes))
    return blocks


def _document_step(step: StepDefinition) -> dict[str, Any]:
    document: dict[str, Any] = {"alias": step.alias, "type": step.type}
    if step.name:
        document["name"] = step.name
    if step.config:
        document["config"] = dict(step.config)
    return {**document, **step.options, **_document_blocks(step)}


def _document_blocks(step: StepDefinition) -> dict[str, Any]:
    spec = registry.get(step.type).blocks
    if spec is None or (spec.optional and not step.blocks):
        return {}
    if not spec.many:
        return {spec.key: [_document_step(inner) for block in step.blocks for inner in block.steps]}
    blocks = [
        {**_head(block, spec), "steps": [_document_step(inner) for inner in block.steps]} for block in step.blocks
    ]
    return {spec.key: blocks}
