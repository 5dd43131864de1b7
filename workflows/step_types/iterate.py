"""The step `iterate`: its body is walked for each record, or for each element of a list."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from workflows.definition.plan import OnError
from workflows.step_types.base import BlockSpec, IterateBody, StepCall, StepType

STATUSES = ("discovered", "processing", "waiting", "complete", "failed", "skipped")
MAX_CONCURRENCY = 1000


class Iterate(StepType):
    """Its output, when the last record is done, is `{processed, failed, skipped, total, errors}`."""

    name = "iterate"
    label = "Iterate"
    description = "Walks its steps for each record, each on its own."
    icon = "repeat"
    category = "loop"
    suspends = True
    times_out = False
    blocks = BlockSpec("body")
    raw_config = frozenset({"where", "status", "order", "limit", "concurrency", "on_error", "max_retries"})
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "over_records": {
                "title": "Records",
                "description": "A pattern such as email_*, a type, a record's id, a list of ids, or * for all.",
                "type": ["string", "array"],
                "minLength": 1,
                "items": {"type": "string"},
            },
            "over": {"title": "List", "description": "A list from any expression.", "type": "array"},
            "status": {
                "title": "Status",
                "description": "Only records of this status, or of one of these; discovered unless said.",
                "anyOf": [
                    {"enum": list(STATUSES)},
                    {"type": "array", "minItems": 1, "items": {"enum": list(STATUSES)}},
                ],
            },
            "where": {
                "title": "Where",
                "description": "Only records for which this holds; `current` is the record that is asked about.",
                "type": ["string", "boolean"],
                "format": "expression",
            },
            "order": {
                "title": "Order",
                "description": "A field to go by, with a leading - for the largest first.",
                "type": "string",
                "pattern": "^-?[A-Za-z_][A-Za-z0-9_.\\[\\]]*$",
                "maxLength": 200,
            },
            "limit": {"title": "At most", "type": "integer", "minimum": 1},
            "concurrency": {"title": "At a time", "type": "integer", "minimum": 1, "maximum": MAX_CONCURRENCY},
            "on_error": {"title": "When one fails", "enum": [str(choice) for choice in OnError]},
            "max_retries": {"title": "Retries", "type": "integer", "minimum": 0, "maximum": 100},
        },
    }

    def run(self, call: StepCall) -> IterateBody:
        return IterateBody()

    def problems(self, config: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        given = [key for key in ("over_records", "over") if key in config]
        if len(given) != 1:
            yield "", "needs either `over_records` (records of the workflow) or `over` (a list)"
        if "over" in config:
            for key in ("status", "where", "order"):
                if key in config:
                    yield key, f"`{key}` chooses among records; with `over` choose in the expression itself"
        if "max_retries" in config and config.get("on_error") != OnError.RETRY:
            yield "max_retries", "`max_retries` needs `on_error: retry`"

    def summary(self, config: Mapping[str, Any]) -> str:
        over = str(config.get("over_records", config.get("over", "")))
        at_once = f", {config['concurrency']} at a time" if "concurrency" in config else ""
        return f"{over}{at_once}"
