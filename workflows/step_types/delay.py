"""The step `delay`: the record waits, and nothing else does."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from workflows.durations import parse_duration, parse_moment
from workflows.errors import StepFailed
from workflows.step_types.base import StepCall, StepType, WaitUntil


class Delay(StepType):
    """Its output is `{until}`: the moment at which the record went on."""

    name = "delay"
    label = "Delay"
    description = "Waits for a while, or until a moment."
    icon = "clock-pause"
    category = "time"
    suspends = True
    times_out = False
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "duration": {
                "title": "For",
                "description": "90s, 15m, 2h, 7d, PT2H, or a number of seconds.",
                "type": ["string", "number"],
                "format": "duration",
            },
            "until": {
                "title": "Until",
                "description": "A moment such as 2026-01-31T14:00:00+01:00; without a zone it is UTC.",
                "type": ["string", "number"],
            },
        },
    }

    def run(self, call: StepCall) -> WaitUntil:
        at = moment_of(call.config, call.scope["now"]())
        return WaitUntil(at, {"until": at.isoformat()})

    def problems(self, config: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        if len(config.keys() & {"duration", "until"}) != 1:
            yield "", "needs either `duration` or `until`"
        until = config.get("until")
        if isinstance(until, str) and "{{" not in until:
            try:
                parse_moment(until)
            except ValueError as error:
                yield "until", str(error)

    def summary(self, config: Mapping[str, Any]) -> str:
        return f"For {config['duration']}" if "duration" in config else f"Until {config.get('until', '')}"


def moment_of(config: Mapping[str, Any], now: datetime) -> datetime:
    """Return when the delay ends; raises StepFailed when what the templates gave is no time."""
    try:
        if "duration" in config:
            return now + parse_duration(config["duration"])
        return parse_moment(config["until"])
    except (ValueError, OverflowError) as error:
        raise StepFailed(f"The delay has no end: {error}.") from error
