"""The step `set`: a value worked out by templates."""

from typing import Any, ClassVar

from workflows.step_types.base import SetVariable, StepCall, StepType


class SetValue(StepType):
    """Its output is `value`; with `variable` the workflow's variable of that name becomes it too."""

    name = "set"
    label = "Set a value"
    description = "Works out a value for later steps, for the record, or for a variable of the workflow."
    icon = "variable"
    category = "data"
    raw_config = frozenset({"variable"})
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["value"],
        "properties": {
            "value": {"title": "Value", "description": "Text, a number, a list or an object; templates are filled in."},
            "variable": {
                "title": "Variable",
                "description": "Name of the workflow's variable that takes the value.",
                "type": "string",
                "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
                "maxLength": 255,
            },
        },
    }

    def run(self, call: StepCall) -> Any:
        value, variable = call.config["value"], call.config.get("variable")
        return value if variable is None else SetVariable(variable, value, value)

    def summary(self, config: Any) -> str:
        return f"Sets {config['variable']}" if config.get("variable") else ""
