"""The keys of a document and of a step, in one place, and how what stands in them is checked against a JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError

from director.errors import nearest
from workflows.definition.problems import DefinitionProblem
from workflows.durations import parse_duration
from workflows.expressions.failures import kind_of
from workflows.expressions.templates import OPENING

DOCUMENT_VERSION = 1
MAX_STEPS = 1000
MAX_ITERATE_DEPTH = 8
MAX_NESTING = 30  # blocks within blocks of any kind

NAME = "[A-Za-z_][A-Za-z0-9_]*"
TEXT = {"type": "string", "maxLength": 200}
DURATION = {"type": ["string", "number"], "format": "duration"}
EXPRESSION = {"type": ["string", "boolean"], "format": "expression"}

# Names that templates give a meaning of their own; a step or variable of that name could not be reached.
RESERVED_NAMES = frozenset(
    "current outer item index records trigger execution now range dict loop true false none True False None and or not"
    " in is if else".split()
)

DOCUMENT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["director", "name", "steps"],
    "properties": {
        "director": {"const": DOCUMENT_VERSION},
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "slug": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 200},
        "description": {"type": "string", "maxLength": 10_000},
        "labels": {"type": "object", "additionalProperties": TEXT, "maxProperties": 50},
        "variables": {"type": "object", "propertyNames": {"pattern": f"^{NAME}$", "maxLength": 255}},
        "steps": {"type": "array", "minItems": 1},
    },
}

RETRY: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["maximum_attempts"],
    "properties": {
        "maximum_attempts": {"type": "integer", "minimum": 1, "maximum": 100},
        "initial_interval": DURATION,
        "backoff_coefficient": {"type": "number", "minimum": 1, "maximum": 100},
        "maximum_interval": DURATION,
        "non_retryable": {"type": "array", "items": TEXT},
    },
}
RECORD_TYPE = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]*$", "maxLength": 50}
CREATE_RECORDS: dict[str, Any] = {
    "type": ["string", "object"],
    "additionalProperties": False,
    "required": ["type"],
    "properties": {
        "type": RECORD_TYPE,
        "id_pattern": {"type": "string", "minLength": 1, "maxLength": 1000},
        "initial_schema": {"type": "object"},
        "on_existing": {"enum": ["merge", "skip", "fail"]},
        "on_invalid": {"enum": ["mark_failed", "refuse"]},
    },
}

# What every step may say beside `config` and its blocks. A new key is one line here (and its meaning in `compile`).
OPTIONS: dict[str, Any] = {
    "description": {"type": "string", "maxLength": 10_000},
    "when": EXPRESSION,
    "pause_when": EXPRESSION,
    "retry": RETRY,
    "timeout": {**DURATION, "format": "time-out"},
    "store_to_record": {"type": "boolean"},
    "as": {"type": "string", "minLength": 1, "maxLength": 500},
    "create_records": CREATE_RECORDS,
}
STEP: dict[str, Any] = {
    "type": "object",
    "required": ["alias", "type"],
    "properties": {
        "alias": {"type": "string", "pattern": f"^{NAME}$", "maxLength": 100},
        "type": {"type": "string"},
        "name": TEXT,
        "config": {"type": "object"},
        **OPTIONS,
    },
}

FORMATS = FormatChecker(formats=())


@FORMATS.checks("duration", raises=ValueError)
def _is_duration(value: object) -> bool:
    if isinstance(value, str | int | float):
        parse_duration(value)
    return True


@FORMATS.checks("time-out", raises=ValueError)
def _is_time_out(value: object) -> bool:
    if isinstance(value, str | int | float) and not parse_duration(value):
        raise ValueError("nothing is done in no time; write how long it may take, such as 30s")
    return True


def check(
    schema: Mapping[str, Any], value: Any, path: str, *, raw: frozenset[str] | None = None
) -> Iterator[DefinitionProblem]:
    """Yield what in the value breaks the schema, each with its path below `path`.

    raw: the top-level keys in which a template is taken as it is written; anywhere else it stands for whatever the
    schema wants. None: there are no templates in this value.
    """
    for error in Draft202012Validator(schema, format_checker=FORMATS).iter_errors(value):
        if raw is None or not _is_templated(error, raw):
            yield from problems_of(error, path)


def check_schema(schema: Any) -> str | None:
    """Return what is wrong with a JSON Schema (2020-12), None when it is one."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"{place('', error.absolute_path) or 'it'}: {error.message[:200]}"
    return None


def unknown_keys(given: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Iterator[DefinitionProblem]:
    """Yield a problem for each key that is not among the known ones."""
    for key in given:
        if key not in known:
            yield DefinitionProblem(
                join(path, key), f"`{key}` is not known here; the keys are {', '.join(known)}", nearest(key, known)
            )


def place(path: str, parts: Any) -> str:
    """Return the path with keys and indexes added: "config.lines[2].amount"."""
    for part in parts:
        path = f"{path}[{part}]" if isinstance(part, int) else join(path, part)
    return path


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _is_templated(error: ValidationError, raw: frozenset[str]) -> bool:
    if error.absolute_path and error.absolute_path[0] in raw:
        return False
    return isinstance(error.instance, str) and OPENING.search(error.instance) is not None


def problems_of(error: ValidationError, path: str) -> Iterator[DefinitionProblem]:
    """Yield in our words what the validator found, each with its place below `path`."""
    where, rule = place(path, error.absolute_path), str(error.validator)
    wanted: Any = error.validator_value
    given: Any = error.instance
    if rule == "additionalProperties" and isinstance(error.schema, Mapping):
        yield from unknown_keys(given, error.schema.get("properties", {}), where)
    elif rule == "required":
        missing = next(key for key in wanted if f"{key!r} is a required" in error.message)
        yield DefinitionProblem(where, f"`{missing}` is missing")
    elif rule == "anyOf" and error.context:
        yield from problems_of(min(error.context, key=_distance), path)
    elif rule == "enum":
        choices = [str(choice) for choice in wanted]
        yield DefinitionProblem(where, f"{given!r} is not one of {', '.join(choices)}", nearest(str(given), choices))
    else:
        yield DefinitionProblem(where, _sentence(rule, wanted, given, error))


def _distance(error: ValidationError) -> tuple[bool, int]:
    """How far an alternative is from what was given: one of another kind is farther than any of the same kind."""
    return error.validator == "type", -len(error.absolute_path)


def _sentence(rule: str, wanted: Any, given: Any, error: ValidationError) -> str:
    if rule == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        return f"must be {' or '.join(KINDS.get(kind, kind) for kind in kinds)}, not {kind_of(given)}"
    if rule == "format" and error.cause is not None:
        return str(error.cause)
    if rule in SENTENCES:
        return SENTENCES[rule].format(wanted=wanted, given=repr(given)[:80])
    return error.message[:300]


KINDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
SENTENCES = {
    "const": "must be {wanted}, not {given}",
    "minimum": "must be at least {wanted}, not {given}",
    "maximum": "must be at most {wanted}, not {given}",
    "minLength": "must not be empty",
    "maxLength": "must have at most {wanted} characters",
    "minItems": "must have at least {wanted} element",
    "pattern": "{given} must match {wanted}",
    "minProperties": "must have at least {wanted} key",
    "maxProperties": "must have at most {wanted} keys",
}
