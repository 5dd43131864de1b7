"""What a step is given when its templates are filled in: checked once more, for only then is it known."""

from __future__ import annotations

from typing import Any

from workflows.definition.schema import check
from workflows.errors import StepFailed
from workflows.step_types.base import StepCall, StepType


def checked_config(step_type: StepType, call: StepCall) -> Any:
    """Return the rendered config; raises StepFailed with the first thing in it that breaks the type's schema."""
    for problem in check(step_type.schema, call.config, "config"):
        raise StepFailed(f"{problem}")
    return call.config
