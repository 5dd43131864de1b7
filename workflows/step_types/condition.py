"""The step `condition`: the first branch whose `if` holds is walked, else the one of `else`."""

from typing import Any, ClassVar

from workflows.expressions import Expression
from workflows.step_types.base import BlockSpec, StepCall, StepType, TakeBranch


class Condition(StepType):
    """Its output is `{branch, index}`: label and number of the branch taken, null when none was."""

    name = "condition"
    label = "Condition"
    description = "Walks the first branch whose condition holds."
    icon = "git-branch"
    category = "logic"
    times_out = False
    blocks = BlockSpec("branches", many=True, head="if", last="else")
    schema: ClassVar[dict[str, Any]] = {"type": "object", "additionalProperties": False, "properties": {}}

    def run(self, call: StepCall) -> TakeBranch:
        for index, head in enumerate(call.step.heads):
            if head is None or (isinstance(head, Expression) and head.test(call.scope)):
                return take_branch(call, index)
        return NO_BRANCH


def take_branch(call: StepCall, index: int) -> TakeBranch:
    """Return the outcome of walking the step's block of this number."""
    block = call.step.blocks[index]
    return TakeBranch(block.key, {"branch": block.label, "index": index})


NO_BRANCH = TakeBranch(None, {"branch": None, "index": None})
