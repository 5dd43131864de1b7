"""The step `stop`: the walk of this record ends here, or that of the run at its top level."""

from typing import Any, ClassVar

from workflows.step_types.base import EndBlock, StepCall, StepType


class Stop(StepType):
    """Its output is `message`. With `skip` the record ends as skipped instead of complete."""

    name = "stop"
    label = "Stop"
    description = "Ends the walk of this record; the steps after it are not taken."
    icon = "player-stop"
    category = "logic"
    ends_block = True
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "message": {"title": "Message", "type": "string", "maxLength": 10_000},
            "skip": {"title": "As skipped", "type": "boolean"},
        },
    }

    def run(self, call: StepCall) -> EndBlock:
        return EndBlock(call.config.get("message"), skip=bool(call.config.get("skip", False)))

    def summary(self, config: Any) -> str:
        return "As skipped" if config.get("skip") is True else ""
