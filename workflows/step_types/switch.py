"""The step `switch`: the case that equals a value is walked, else the one of `default`."""

from typing import Any, ClassVar

from workflows.expressions.values import to_text
from workflows.step_types.base import BlockSpec, StepCall, StepType, TakeBranch
from workflows.step_types.condition import NO_BRANCH, take_branch


class Switch(StepType):
    """Its output is `{branch, index}`: label and number of the case taken, null when none was."""

    name = "switch"
    label = "Switch"
    description = "Walks the case that equals a value."
    icon = "route"
    category = "logic"
    times_out = False
    blocks = BlockSpec("cases", many=True, head="case", last="default")
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["on"],
        "properties": {"on": {"title": "On", "description": "The value that is compared with each case."}},
    }

    def run(self, call: StepCall) -> TakeBranch:
        value = call.config["on"]
        for index, head in enumerate(call.step.heads):
            if head is None or is_same(value, head.render(call.scope)):
                return take_branch(call, index)
        return NO_BRANCH

    def summary(self, config: Any) -> str:
        return f"On {to_text(config.get('on'))}".replace("{{", "").replace("}}", "").strip()


def is_same(value: Any, case: Any) -> bool:
    """Whether a case is meant: the same value, or the same as text (a CSV file's "1" is the case 1)."""
    if isinstance(value, dict | list) or isinstance(case, dict | list) or value is None or case is None:
        return bool(value == case)
    return to_text(value) == to_text(case)
