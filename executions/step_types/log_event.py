"""The step `log_event`: a line in the log of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import connection

from connectors.effects import Effect
from executions.notices import LogEvent, LogLevel
from executions.prompts.secrets import secrets_for
from records.masking import mask_values
from workflows.step_types.base import StepCall, StepType

MAX_MESSAGE = 10_000  # characters


class LogAnEvent(StepType):
    """Its output is `{level, message}`."""

    name = "log_event"
    label = "Log an event"
    description = "Writes a line into the log of the run, where its people see it."
    icon = "notes"
    category = "action"
    effect = Effect.KEYED  # the table takes one line for a step of a frame
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["message"],
        "properties": {
            "message": {"title": "Message", "type": "string", "minLength": 1, "maxLength": MAX_MESSAGE},
            "level": {"title": "Level", "description": "`info` when not said.", "enum": LogLevel.values},
            "data": {"title": "Data", "description": "Anything that is worth keeping beside it."},
        },
    }

    def run(self, call: StepCall) -> dict[str, Any]:
        config = call.config
        level = config.get("level", LogLevel.INFO)
        try:
            secrets = secrets_for(call.workflow_id, call.scope, call.step.names)
            message, data = mask_values([config["message"], config.get("data")], secrets.texts)
            event = LogEvent(
                execution_id=call.execution_id,
                frame_id=call.frame_id,
                alias=call.step.alias,
                level=level,
                message=message,
                data=data,
            )
            LogEvent.objects.bulk_create([event], ignore_conflicts=True)
        finally:
            connection.close()  # of this thread, which the engine may not use again
        return {"level": level, "message": message}

    def summary(self, config: Mapping[str, Any]) -> str:
        return str(config.get("message", ""))
