"""The fields of a prompt: a JSON Schema (2020-12) of an object, as a form and as what an answer is checked by.

A conditional field stands under `then`, `else`, `dependentSchemas` or `allOf`; which fields apply depends
on what is answered so far, and one that does not apply is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jsonschema_rs

from director import jsontools
from director.errors import did_you_mean
from director.jsontools import pointer
from executions import uploads
from executions.errors import AnswerInvalid
from records.masking import is_sensitive

Problem = dict[str, str]  # {"pointer", "detail", "code"}; pointers lead into {"action", "data", "comment"}

MAX_CHOICES = 4  # shown beside each other; more become a list to choose from
LONG_CHARACTERS = 200  # a text that may be longer gets more than one line
CONFIDENCE = "x-confidence"
ORDER = "x-order"
LOW_CONFIDENCE = 0.8
FILE: dict[str, Any] = {
    "type": "object",
    "required": ["path", "name", "size"],
    "additionalProperties": False,
    "properties": {"path": {"type": "string"}, "name": {"type": "string"}, "size": {"type": "integer", "minimum": 0}},
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form. kind: text, textarea, number, switch, choice, select, many, date, email, url, file."""

    name: str
    kind: str
    label: str
    hint: str
    required: bool
    value: Any
    choices: tuple[tuple[str, str], ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    confidence: float | None = None
    applies: bool = True
    error: str = ""

    @property
    def confidence_percent(self) -> int:
        return round((self.confidence or 0) * 100)

    @property
    def is_doubtful(self) -> bool:
        return self.confidence is not None and self.confidence < LOW_CONFIDENCE

    @property
    def is_short(self) -> bool:
        """Whether it may share a line with another."""
        return self.kind in ("text", "number", "date", "email")

    @property
    def text(self) -> str:
        """The value as it stands in an input."""
        return "" if self.value is None else str(self.value)

    @property
    def kept(self) -> str:
        """The file that is stored already, as the form sends it again."""
        return jsontools.dumps(self.value).decode() if isinstance(self.value, Mapping) else ""

    @property
    def chosen(self) -> list[str]:
        """The choices that are taken, as they stand in the form."""
        values = self.value if isinstance(self.value, list) else [self.value]
        return [_key(value) for value in values if value is not None]


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


# --- the form ---------------------------------------------------------------------------------------------------------


def defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the step proposes."""
    found = {name: one["default"] for name, one in every_field(schema).items() if one.get("default") is not None}
    shown, _ = applicable(schema, found)
    return {name: value for name, value in found.items() if name in shown}


def form(
    schema: Mapping[str, Any], data: Mapping[str, Any] | None = None, errors: Iterable[Problem] = ()
) -> list[Field]:
    """Return the form's fields with `data` (None: what the step proposes) in them and each problem at its field."""
    data = defaults(schema) if data is None else data
    shown, required = applicable(schema, data)
    said = {problem["pointer"].split("/")[2]: problem["detail"] for problem in errors if _is_of_field(problem)}
    fields = []
    for name, one in every_field(schema).items():
        value = data.get(name, None if name in shown else one.get("default"))
        merged = {**one, **shown.get(name, {})}
        fields.append(
            _field(name, merged, value, required=name in required, applies=name in shown, error=said.get(name, ""))
        )
    return fields


def _is_of_field(problem: Problem) -> bool:
    return problem["pointer"].startswith("/data/")


def _field(name: str, one: Mapping[str, Any], value: Any, *, required: bool, applies: bool, error: str) -> Field:
    kind, choices = _kind(name, one)
    confidence = one.get(CONFIDENCE)
    return Field(
        name=name,
        kind=kind,
        label=label_of(name, one),
        hint=str(one.get("description") or ""),
        required=required,
        value=None if kind == "password" else value,
        choices=choices,
        attributes=_attributes(kind, one),
        confidence=confidence if isinstance(confidence, int | float) else None,
        applies=applies,
        error=error,
    )


def label_of(name: str, one: Mapping[str, Any]) -> str:
    """Return what the field is called on the page."""
    return str(one.get("title") or name.replace("_", " ").capitalize())


Choices = tuple[tuple[str, str], ...]


def _kind(name: str, one: Mapping[str, Any]) -> tuple[str, Choices]:
    types, form = _types(one), str(one.get("format", ""))
    if form == "file":
        return "file", ()
    if "array" in types:
        return "many", _choices(one.get("items", {}))
    if "enum" in one or "oneOf" in one:
        choices = _choices(one)
        return ("choice" if len(choices) <= MAX_CHOICES else "select"), choices
    if "boolean" in types:
        return "switch", ()
    if types & {"number", "integer"}:
        return "number", ()
    if is_sensitive(name):
        return "password", ()
    if form in ("date", "email", "textarea"):
        return form, ()
    if form == "uri":
        return "url", ()
    return ("textarea" if one.get("maxLength", 0) > LONG_CHARACTERS else "text"), ()


def _types(one: Mapping[str, Any]) -> set[str]:
    said = one.get("type", [])
    return {said} if isinstance(said, str) else set(said)


def _choices(one: Any) -> Choices:
    """Values as the form sends them, with their labels: of `enum`, or of `oneOf` with `const` and `title`."""
    if not isinstance(one, Mapping):
        return ()
    named = [option for option in one.get("oneOf", ()) if isinstance(option, Mapping) and "const" in option]
    if named:
        return tuple((_key(option["const"]), str(option.get("title", option["const"]))) for option in named)
    return tuple((_key(value), "None" if value is None else str(value)) for value in one.get("enum", ()))


def _values(one: Any) -> dict[str, Any]:
    """The value behind each choice."""
    named = [option["const"] for option in one.get("oneOf", ()) if isinstance(option, Mapping) and "const" in option]
    return {_key(value): value for value in named or one.get("enum", ())}


def _key(value: Any) -> str:
    return value if isinstance(value, str) else jsontools.dumps(value).decode()


def _attributes(kind: str, one: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "number":
        whole = _types(one) == {"integer"}
        step = one.get("multipleOf", 1 if whole else "any")
        found = {"min": one.get("minimum"), "max": one.get("maximum"), "step": step}
    elif kind == "file":
        found = {"accept": ",".join(one.get(uploads.ACCEPT, ()))}
    elif kind in ("text", "textarea", "email", "url"):
        found = {"minlength": one.get("minLength"), "maxlength": one.get("maxLength")}
    else:
        found = {}
    return {name: value for name, value in found.items() if value not in (None, "")}


def read(schema: Mapping[str, Any], sent: Any, files: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer that a form sent (a QueryDict of `field.<name>`), only of the fields that apply.

    files: stored files by field. What is left empty is not in the answer; what is no number stays text, so that the
    check says so at its field.
    """
    data: dict[str, Any] = {}
    for name, one in every_field(schema).items():
        value = files.get(name) if _kind(name, one)[0] == "file" else _sent(name, one, sent)
        if value is not None:
            data[name] = value
    shown, _ = applicable(schema, data)
    return {name: value for name, value in data.items() if name in shown}


def _sent(name: str, one: Mapping[str, Any], sent: Any) -> Any:
    kind, key = _kind(name, one)[0], f"field.{name}"
    if kind == "many":
        values = _values(one.get("items", {}))
        return [values.get(text, text) for text in sent.getlist(key)] if key in sent else None
    if kind == "switch":
        return sent.get(key) == "on" if f"{key}.shown" in sent else None
    text = sent.get(key, "").replace("\r\n", "\n")
    if not text.strip():
        return None
    if kind in ("choice", "select"):
        return _values(one).get(text, text)
    return _number(text) if kind == "number" else text


def _number(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and "." not in text else number
