"""The fields of a prompt as a form: what is shown of each, and what the form sent, as the answer's data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from director import jsontools
from executions import uploads
from executions.prompts.fields import CONFIDENCE, Problem, applicable, defaults, every_field
from records.masking import is_sensitive

MAX_CHOICES = 4  # shown beside each other; more become a list to choose from
LONG_CHARACTERS = 200  # a text that may be longer gets more than one line
LOW_CONFIDENCE = 0.8


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


def form(
    schema: Mapping[str, Any], data: Mapping[str, Any] | None = None, errors: Iterable[Problem] = ()
) -> list[Field]:
    """Return the form's fields with `data` (None: what the step proposes) in them and each problem at its field."""
    data = defaults(schema) if data is None else data
    shown, required = applicable(schema, data)
    said = {_field_of(problem): problem["detail"] for problem in errors}
    fields = []
    for name, one in every_field(schema).items():
        value = data.get(name, None if name in shown else one.get("default"))
        merged = {**one, **shown.get(name, {})}
        fields.append(
            _field(name, merged, value, required=name in required, applies=name in shown, error=said.get(name, ""))
        )
    return fields


def errors_beside(fields: Iterable[Field], errors: Iterable[Problem]) -> dict[str, str]:
    """Return what is said at the decision, at the note, and above the form of what is wrong at none of its fields."""
    at = {problem["pointer"]: problem["detail"] for problem in errors if problem["pointer"] in ("/action", "/comment")}
    names = {one.name for one in fields}
    rest = [one for one in errors if one["pointer"] not in at and _field_of(one) not in names]
    above = [f"{_field_of(one)}: {one['detail']}" if _field_of(one) else one["detail"] for one in rest[:1]]
    return {
        "error_action": at.get("/action", ""),
        "error_comment": at.get("/comment", ""),
        "error_rest": "".join(above),
    }


def _field_of(problem: Problem) -> str:
    """The field that the problem is at, empty for none."""
    return problem["pointer"].split("/")[2] if problem["pointer"].startswith("/data/") else ""


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
