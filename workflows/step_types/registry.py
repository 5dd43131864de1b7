"""The step types there are, by name."""

from __future__ import annotations

from workflows.step_types.base import StepType

_types: dict[str, StepType] = {}


def register(step_type: StepType) -> None:
    """Make a step type known; a later one of the same name takes its place."""
    _types[step_type.name] = step_type


def get(name: str) -> StepType:
    """Return the type called `name`; raises StepTypeUnknown with the nearest match."""
    return _types[name]


def all() -> list[StepType]:  # noqa: A001 - read as registry.all()
    """Return every type, by category and label."""
    return sorted(_types.values(), key=lambda step_type: (step_type.category, step_type.label))
