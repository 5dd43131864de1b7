"""The step `fail`: the record fails, with a reason people can read."""

from typing import Any, ClassVar

from workflows.errors import StepFailed
from workflows.expressions.values import to_text
from workflows.step_types.base import StepCall, StepType


class Fail(StepType):
    name = "fail"
    label = "Fail"
    description = "Fails the record, with a message that says why."
    icon = "alert-triangle"
    category = "logic"
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["message"],
        "properties": {"message": {"title": "Message", "description": "Why it fails; people read it on the record."}},
    }

    def run(self, call: StepCall) -> Any:
        raise StepFailed(to_text(call.config["message"]) or "The workflow says that this fails.")

    def summary(self, config: Any) -> str:
        return str(config.get("message", ""))
