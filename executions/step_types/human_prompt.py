"""The step `human_prompt`: a person is asked, and what they answer is the step's output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import connection

from connectors.effects import Effect
from director.errors import did_you_mean
from executions import uploads
from executions.prompts import fields as prompt_fields
from executions.prompts.people import members
from executions.prompts.secrets import secrets_for, without_secrets
from executions.step_types.people import People, names_in, people_named
from records.errors import SchemaInvalid
from records.schemas import check_schema
from workflows.definition.plan import StepPlan
from workflows.durations import parse_duration
from workflows.errors import StepFailed
from workflows.step_types.base import AskPerson, BlockSpec, StepCall, StepType
from workflows.step_types.switch import is_same

DEFAULT_TIMEOUT = "1h"
DEFAULT_ACTIONS = (
    {"key": "approve", "label": "Approve", "style": "primary"},
    {"key": "reject", "label": "Reject", "style": "danger"},
)
MAX_TITLE = 300

NAMES = {"type": ["string", "array"], "items": {"type": "string"}}
DURATION = {"type": ["string", "number"], "format": "duration"}


class HumanPrompt(StepType):
    """Its output is `{action, fields, by, at, comment, timed_out, key}`; with a quorum above one also `answers`."""

    name = "human_prompt"
    label = "Ask a person"
    description = "Asks people and waits for their answer; the action they choose may be a branch."
    icon = "user-question"
    category = "human"
    effect = Effect.READ  # it looks up who is called what
    suspends = True
    times_out = False  # but its prompt does, as `config.timeout` says
    asks = True
    blocks = BlockSpec("branches", many=True, head="on", last="else", optional=True)
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["title"],
        "properties": {
            "title": {"title": "Title", "type": "string", "minLength": 1},
            "message": {"title": "Message", "description": "Markdown.", "type": "string"},
            "fields": {
                "title": "Fields",
                "description": "A JSON Schema (2020-12) of an object; `format: file` is an upload.",
                "type": "object",
            },
            "order": {
                "title": "Order of the fields",
                "description": "Names of fields; those not named come after, needed ones first.",
                "type": "array",
                "items": {"type": "string"},
            },
            "confidence": {
                "title": "Confidence",
                "description": "How sure the proposed values are, 0 to 1, by field.",
                "type": "object",
            },
            "context": {
                "title": "To show beside it",
                "type": "array",
                "maxItems": 50,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["label"],
                    "properties": {"label": {"type": "string"}, "value": {}, "url": {"type": "string"}},
                },
            },
            "assignees": {
                "title": "Who is asked",
                "description": "Names of users or groups; nobody named: everyone who may see the workflow.",
                "type": ["string", "array", "object"],
                "items": {"type": "string"},
                "additionalProperties": False,
                "properties": {"users": NAMES, "groups": NAMES},
            },
            "quorum": {
                "title": "How many must agree",
                "anyOf": [{"enum": ["any", "all"]}, {"type": "integer", "minimum": 1, "maximum": 1000}],
            },
            "no_self_approval": {"title": "Not by who started the run", "type": "boolean"},
            "timeout": {"title": "Time-out", "description": "One hour when not said.", **DURATION},
            "on_timeout": {
                "title": "When nobody answers",
                "anyOf": [
                    {"enum": ["fail"]},
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "default": {"type": "object"},
                            "branch": {"type": "string"},
                            "action": {"type": "string"},
                        },
                    },
                ],
            },
            "reminders": {"title": "Remind after", "type": "array", "maxItems": 20, "items": DURATION},
            "escalation": {
                "title": "Then also ask",
                "type": "array",
                "maxItems": 20,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["after"],
                    "properties": {"after": DURATION, "users": NAMES, "groups": NAMES},
                },
            },
            "actions": {
                "title": "Actions",
                "type": "array",
                "minItems": 1,
                "maxItems": 12,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["key"],
                    "properties": {
                        "key": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]*$", "maxLength": 100},
                        "label": {"type": "string", "maxLength": 100},
                        "style": {"enum": ["primary", "success", "danger", "secondary"]},
                    },
                },
            },
        },
    }

    def run(self, call: StepCall) -> AskPerson:
        try:
            asked = question(call.step, call.config, call.scope, call.scope["now"]())
            secrets = secrets_for(call.workflow_id, call.scope, call.step.names)
            return AskPerson(without_secrets(asked, secrets))
        finally:
            connection.close()  # of this thread, which the engine may not use again

    def problems(self, config: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        yield from _schema_problems(config)
        yield from _action_problems(config)
        yield from _timeout_problems(config)
        if config.get("quorum") == "all" and not config.get("assignees"):
            yield "quorum", "`all` needs `assignees`: without them nobody knows who all are"
        timeout = config.get("timeout", DEFAULT_TIMEOUT)
        for key, after in _later_moments(config):
            if _seconds(after) >= _seconds(timeout) > 0:
                yield key, f"{after} is not before the time-out ({timeout})"

    def head_problems(self, config: Mapping[str, Any], heads: Sequence[Any]) -> Iterable[tuple[int, str]]:
        known = [action["key"] for action in _actions(config)]
        for index, head in enumerate(heads):
            if isinstance(head, str) and "{{" not in head and head not in known:
                yield (
                    index,
                    f"`{head}` is no action of this step; they are {', '.join(known)}{did_you_mean(head, known)}",
                )

    def summary(self, config: Mapping[str, Any]) -> str:
        named = config.get("assignees")
        parts = [named.get("users"), named.get("groups")] if isinstance(named, dict) else [named]
        said = [name for part in parts for name in names_in(part)]
        return f"Asks {', '.join(said)}" if said else "Asks whoever sees the workflow"


# --- asking -----------------------------------------------------------------------------------------------------------


def question(step: StepPlan, config: Mapping[str, Any], scope: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the prompt's columns; raises StepFailed for what templates gave that cannot be asked."""
    schema = _schema(config, step.alias)
    people = people_named(config.get("assignees"))
    timeout = _duration(config.get("timeout", DEFAULT_TIMEOUT), "timeout")
    actions = [_with_block(action, step, scope) for action in _actions(config)]
    return {
        "title": str(config["title"]).strip()[:MAX_TITLE] or "Your answer is needed",
        "message": str(config.get("message") or ""),
        "schema": schema,
        "context": config.get("context", []),
        "actions": actions,
        "users": people.users,
        "groups": people.groups,
        "quorum": _quorum(config.get("quorum", "any"), people),
        "no_self_approval": bool(config.get("no_self_approval", False)),
        "on_timeout": _on_timeout(config.get("on_timeout", "fail"), schema, actions),
        "ladder": _ladder(config, now, timeout),
        "due_at": now + timeout,
        "next_at": now,
    }


def _schema(config: Mapping[str, Any], alias: str) -> dict[str, Any]:
    """The fields' schema with how sure the proposed values are put into it."""
    schema: dict[str, Any] = {"type": "object", **config.get("fields", {})}
    try:
        check_schema(schema)
    except SchemaInvalid as error:
        raise StepFailed(f"The fields of step {alias} are not a JSON Schema: {error.message}") from error
    for place, problem in _file_problems(schema):
        raise StepFailed(f"{place} {problem}.")
    sure = config.get("confidence") or {}
    properties = schema.get("properties", {})
    told = {
        name: {**one, prompt_fields.CONFIDENCE: sure[name]} if name in sure else one for name, one in properties.items()
    }
    return {**schema, "properties": told, **({prompt_fields.ORDER: config["order"]} if config.get("order") else {})}


def _with_block(action: Mapping[str, Any], step: StepPlan, scope: Mapping[str, Any]) -> dict[str, Any]:
    """The action with the key of the block that is walked when it is chosen."""
    for block, head in zip(step.blocks, step.heads, strict=True):
        if head is None or is_same(action["key"], head.render(scope)):
            return {**action, "block": block.key}
    return {**action, "block": None}


def _quorum(said: Any, people: People) -> int:
    if said == "any":
        return 1
    asked = len(members(people.users, people.groups)) if people else None
    wanted = asked if said == "all" else int(said)
    if asked is not None and (asked == 0 or wanted is None or wanted > asked):
        raise StepFailed(f"{said} must agree, but only {asked} people are asked.")
    return wanted or 1


def _on_timeout(said: Any, schema: Mapping[str, Any], actions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if said == "fail":
        return {"do": "fail"}
    keys = [action["key"] for action in actions]
    action = said.get("branch") or said.get("action") or keys[0]
    if action not in keys:
        raise StepFailed(f"on_timeout names the action {action}, but there are only {', '.join(keys)}.")
    if "branch" in said:
        return {"do": "branch", "action": action}
    for problem in prompt_fields.problems(schema, said["default"], root="on_timeout.default"):
        raise StepFailed(f"The default answer does not fit the fields: {problem['pointer']}: {problem['detail']}")
    return {"do": "default", "action": action, "answer": said["default"]}


def _ladder(config: Mapping[str, Any], now: datetime, timeout: timedelta) -> list[dict[str, Any]]:
    """What is told when: the prompt itself at once, then the reminders and escalations before the time-out."""
    steps: list[dict[str, Any]] = [{"at": now, "do": "announce"}]
    for after in config.get("reminders", ()):
        steps.append({"at": now + _duration(after, "reminders"), "do": "remind"})
    for more in config.get("escalation", ()):
        people = people_named({"users": more.get("users"), "groups": more.get("groups")})
        at = now + _duration(more["after"], "escalation")
        steps.append({"at": at, "do": "escalate", "users": people.users, "groups": people.groups})
    return sorted((step for step in steps if step["at"] < now + timeout), key=lambda step: step["at"])


def _duration(value: Any, key: str) -> timedelta:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise StepFailed(f"{key}: {error}.") from error


# --- checking a definition --------------------------------------------------------------------------------------------


def _actions(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The actions with label and style; those of approval where none are said."""
    said = [
        action for action in config.get("actions") or DEFAULT_ACTIONS if isinstance(action, Mapping) and "key" in action
    ]
    return [
        {"key": one["key"], "label": one.get("label") or _label(one["key"]), "style": one.get("style", "secondary")}
        for one in said
    ]


def _label(key: str) -> str:
    return str(key).replace("_", " ").replace("-", " ").capitalize()


def _has_template(value: Any) -> bool:
    return "{{" in repr(value)


def _schema_problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    fields = config.get("fields")
    if not isinstance(fields, Mapping):
        return
    if fields.get("type", "object") != "object" or not isinstance(fields.get("properties", {}), Mapping):
        yield "fields", "must be the schema of an object: `type: object` with `properties`"
        return
    known = prompt_fields.every_field(fields)
    if not _has_template(fields):
        yield from _file_problems(fields)
    for name in config.get("order") or ():
        if name not in known:
            yield "order", f"there is no field `{name}`{did_you_mean(name, known)}"
    try:
        check_schema(dict(fields))
    except SchemaInvalid as error:
        if not _has_template(fields):
            yield "fields", f"is not a JSON Schema (2020-12): {error.path or 'it'}: {error.rule}"


def _file_problems(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, one in prompt_fields.every_field(fields).items():
        if one.get("format") == "file":
            yield from ((f"fields.properties.{name}", problem) for problem in uploads.rule_problems(one))


def _action_problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    keys = [action["key"] for action in _actions(config)]
    for key in {key for key in keys if keys.count(key) > 1}:
        yield "actions", f"the action `{key}` is there more than once"


def _timeout_problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    said = config.get("on_timeout", "fail")
    if not isinstance(said, Mapping):
        return
    if ("default" in said) == ("branch" in said):
        yield "on_timeout", "needs either `default` (the answer to take) or `branch` (the action to take)"
    keys = [action["key"] for action in _actions(config)]
    for name in ("branch", "action"):
        if name in said and not _has_template(said[name]) and said[name] not in keys:
            yield f"on_timeout.{name}", f"`{said[name]}` is no action of this step; they are {', '.join(keys)}"
    fields, default = config.get("fields", {}), said.get("default")
    if isinstance(default, Mapping) and not _has_template([fields, default]) and not list(_schema_problems(config)):
        for problem in prompt_fields.problems({"type": "object", **fields}, default, root=""):
            yield "on_timeout.default", f"does not fit the fields: {problem['pointer'] or 'it'}: {problem['detail']}"


def _later_moments(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    reminders, escalation = config.get("reminders"), config.get("escalation")
    for index, after in enumerate(reminders if isinstance(reminders, list) else ()):
        yield f"reminders[{index}]", after
    for index, more in enumerate(escalation if isinstance(escalation, list) else ()):
        if isinstance(more, Mapping):
            yield f"escalation[{index}].after", more.get("after")


def _seconds(value: Any) -> float:
    """The span in seconds; 0 for what is none (said elsewhere) or not known yet."""
    try:
        return parse_duration(value).total_seconds()
    except ValueError:
        return 0.0
