"""The fields of a prompt: a JSON Schema (2020-12) of an object, which an answer is checked by.

A conditional field stands under `then`, `else`, `dependentSchemas` or `allOf`; which fields apply depends
on what is answered so far, and one that does not apply is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from director import jsontools
from director.errors import did_you_mean
from director.jsontools import pointer
from executions import uploads
from executions.prompts.errors import AnswerInvalid

Problem = dict[str, str]  # {"pointer", "detail", "code"}; pointers lead into {"action", "data", "comment"}

CONFIDENCE = "x-confidence"
ORDER = "x-order"
FILE: dict[str, Any] = {
    "type": "object",
    "required": ["path", "name", "size"],
    "additionalProperties": False,
    "properties": {"path": {"type": "string"}, "name": {"type": "string"}, "size": {"type": "integer", "minimum": 0}},
}


# --- checking ---------------------------------------------------------------------------------------------------------


def problems(schema: Mapping[str, Any], data: Mapping[str, Any], *, root: str = "/data") -> list[Problem]:
    """Return where an answer does not fit, each place once; nothing when it does."""
    known, _ = applicable(schema, data)
    found: dict[str, Problem] = {}
    for problem in (*_unknown(schema, data, known, root), *_invalid(schema, data, root)):
        found.setdefault(problem["pointer"], problem)
    return list(found.values())


def file_problems(schema: Mapping[str, Any], data: Mapping[str, Any], prompt: str) -> list[Problem]:
    """Return where an answer names a file that was not uploaded for this prompt, or is none that the field takes."""
    found: list[Problem] = []
    for name, one in applicable(schema, data)[0].items():
        if one.get("format") == "file" and isinstance(data.get(name), Mapping):
            found += uploads.stored_problems(prompt, name, one, data[name])
    return found


def file_field(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the schema of the field that takes a file; raises AnswerInvalid, naming those that there are."""
    files = {key: one for key, one in every_field(schema).items() if one.get("format") == "file"}
    if name not in files:
        detail = f"There is no field {name} that takes a file.{did_you_mean(name, files)}"
        raise AnswerInvalid([{"pointer": f"/data{pointer([name])}", "detail": detail, "code": "unknown"}])
    return files[name]


def _unknown(
    schema: Mapping[str, Any], data: Mapping[str, Any], known: Mapping[str, Any], root: str
) -> Iterator[Problem]:
    """A name that no field has: a slip, unless the schema says that it takes others."""
    if schema.get("additionalProperties", False) is not False or schema.get("patternProperties"):
        return
    for name in data:
        if name not in known:
            detail = f"There is no such field here.{did_you_mean(name, known)}"
            yield {"pointer": root + pointer([name]), "detail": detail, "code": "unknown"}


def _invalid(schema: Mapping[str, Any], data: Mapping[str, Any], root: str) -> Iterator[Problem]:
    for error in _validator(jsontools.canonical(_with_files(schema))).iter_errors(data):
        path, rule = list(error.instance_path), str(error.schema_path[-1])
        if rule in ("additionalProperties", "unevaluatedProperties") and not path:
            continue  # told better by `_unknown`
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
            path = [*path, error.kind.property]
        yield {"pointer": root + pointer(path), "detail": _sentence(rule, error), "code": rule}


def _sentence(rule: str, error: jsonschema_rs.ValidationError) -> str:
    limit = getattr(error.kind, "limit", None)
    if rule == "required":
        return "An answer is needed here."
    if rule == "enum":
        return "Choose one of what is offered."
    if rule in SENTENCES and limit is not None:
        return SENTENCES[rule].format(limit)
    if rule == "format":
        wanted = str(getattr(error.kind, "format", ""))
        return f"This is not {FORMATS.get(wanted, 'of the format ' + wanted)}."
    return error.message[:300]


SENTENCES = {
    "minimum": "Must be at least {}.",
    "maximum": "Must be at most {}.",
    "exclusiveMinimum": "Must be more than {}.",
    "exclusiveMaximum": "Must be less than {}.",
    "minLength": "Must have at least {} characters.",
    "maxLength": "Must have at most {} characters.",
    "minItems": "Choose at least {}.",
    "maxItems": "Choose at most {}.",
}
FORMATS = {"date": "a date", "email": "an e-mail address", "uri": "an address", "date-time": "a moment with its zone"}


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(jsontools.loads(schema), retriever=_refuse, validate_formats=True)


def _refuse(uri: str) -> Any:
    raise ValueError("only references within the schema (#/$defs/...) are followed")


def _with_files(schema: Any) -> Any:
    """Return the schema with every `format: file` said as what a stored file is."""
    if isinstance(schema, list):
        return [_with_files(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get("format") == "file":
        return FILE
    return {key: value if key in ("default", "const", "enum") else _with_files(value) for key, value in schema.items()}


# --- which fields apply -----------------------------------------------------------------------------------------------

Properties = dict[str, dict[str, Any]]


def applicable(schema: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[Properties, set[str]]:
    """Return the fields that are asked for when `data` is answered so far, in order, and those that are needed."""
    properties, required = _applicable(schema, data, schema, 0)
    return _ordered(schema, properties), required


def every_field(schema: Mapping[str, Any]) -> Properties:
    """Return every field that may come to be asked for, in the order of the schema."""
    found: Properties = {}
    _collect(schema, schema, found, 0)
    return _ordered(schema, found)


def _ordered(schema: Mapping[str, Any], properties: Properties) -> Properties:
    """The fields as the step orders them; those that it does not name come after, needed ones first.

    The database does not keep the order of an object's keys, but that of a list.
    """
    named = [*schema.get(ORDER, ()), *schema.get("required", ())]
    place = {name: at for at, name in reversed(list(enumerate(named)))}
    return {name: properties[name] for name in sorted(properties, key=lambda name: place.get(name, len(named)))}


MAX_DEPTH = 20  # of conditions within conditions


def _applicable(
    schema: Any, data: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> tuple[Properties, set[str]]:
    schema = _resolved(schema, root)
    properties = {name: dict(_resolved(one, root)) for name, one in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    for name, needed in schema.get("dependentRequired", {}).items():
        required |= set(needed) if name in data else set()
    for part in _parts(schema, data, root) if depth < MAX_DEPTH else ():
        more, needed = _applicable(part, data, root, depth + 1)
        for name, one in more.items():
            properties[name] = {**properties.get(name, {}), **one}
        required |= needed
    return properties, required


def _parts(schema: Mapping[str, Any], data: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Any]:
    """The subschemas that hold for the data."""
    yield from schema.get("allOf", ())
    for name, part in schema.get("dependentSchemas", {}).items():
        if name in data:
            yield part
    if "if" in schema:
        yield schema.get("then", {}) if _holds(schema["if"], data, root) else schema.get("else", {})


def _holds(condition: Any, data: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    whole = {"$defs": root.get("$defs", {}), "allOf": [condition]}
    return _validator(jsontools.canonical(_with_files(whole))).is_valid(dict(data))


def _collect(schema: Any, root: Mapping[str, Any], found: Properties, depth: int) -> None:
    schema = _resolved(schema, root)
    for name, one in schema.get("properties", {}).items():
        found[name] = {**found.get(name, {}), **_resolved(one, root)}
    parts = [*schema.get("allOf", ()), *schema.get("dependentSchemas", {}).values()]
    parts += [schema[key] for key in ("then", "else") if key in schema]
    for part in parts if depth < MAX_DEPTH else ():
        _collect(part, root, found, depth + 1)


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a reference within the document leads to; anything else as it is."""
    if not isinstance(schema, Mapping):
        return {}
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/$defs/"):
        return schema
    return {**root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {}), **schema}


def is_conditional(schema: Mapping[str, Any]) -> bool:
    """Whether which fields are asked for depends on the answer."""
    return any(key in schema for key in ("if", "allOf", "dependentSchemas", "dependentRequired"))


def defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the step proposes."""
    found = {name: one["default"] for name, one in every_field(schema).items() if one.get("default") is not None}
    shown, _ = applicable(schema, found)
    return {name: value for name, value in found.items() if name in shown}
