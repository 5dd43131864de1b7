"""Forms over JSON that is shown masked: what is not touched stays as it is, a mask is never written back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput

from director import jsontools
from director.errors import DirectorError
from records import schemas
from records.masking import masked_paths
from records.models import RecordType, WorkflowRecord, WorkflowVariable
from records.patches import BUCKETS, Key, Operation, apply, delete_at, format_path, set_at
from records.secrets import secrets_of
from records.states import HELD, MOVES, RecordStatus


class JsonArea(forms.JSONField):
    """A JSON value in an area of its own, laid out for reading."""

    def __init__(self, **options: Any) -> None:
        attrs = {"rows": 18, "cols": 100, "spellcheck": "false", "style": "font-family: monospace"}
        super().__init__(widget=forms.Textarea(attrs), **options)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, InvalidJSONInput) else json.dumps(value, ensure_ascii=False, indent=2)

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value)
        try:
            jsontools.dumps(cleaned)
        except DirectorError as error:
            raise forms.ValidationError(error.message) from error
        return cleaned


class SeenForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that knows which revision the person saw, and asks why."""

    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    why = forms.CharField(required=False, max_length=1000, label="reason", help_text="Kept in the history.")

    class Meta:
        fields: tuple[str, ...] = ()


class RecordForm(SeenForm):
    """A record's data as one JSON document, and its status."""

    document = JsonArea(
        label="data", help_text="Objects `fields`, `vars` and `targets`. Masked values stay as they are."
    )
    move_to = forms.ChoiceField(label="status")
    message = forms.CharField(required=False, label="error message", widget=forms.Textarea({"rows": 3, "cols": 100}))

    class Meta(SeenForm.Meta):
        model = WorkflowRecord

    operations: list[Operation]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        record = self.instance
        now = RecordStatus(record.status)
        allowed = [now, *sorted(MOVES[now] - HELD)] if now not in HELD else [now]
        self.fields["move_to"].choices = [(each, RecordStatus(each).label) for each in allowed]  # type: ignore[attr-defined]
        self.shown = secrets_of(record.workflow_id).shown(record.data)
        self.initial.update(document=self.shown, move_to=now, message=record.error_message, seen=record.revision)

    def clean_document(self) -> Any:
        """Work out what was changed, and check the fields against the schema of their type."""
        given = self.cleaned_data["document"]
        if (
            not isinstance(given, dict)
            or set(given) - set(BUCKETS)
            or not all(isinstance(v, dict) for v in given.values())
        ):
            raise forms.ValidationError("Give an object with the objects fields, vars and targets.")
        self.operations = changes_between(self.shown, given)
        fields = apply(self.instance.data, self.operations).get("fields")
        found = schemas.problems(self._schema(), fields, "fields")
        if found:
            raise forms.ValidationError([f"{problem['path']}: {problem['message']}" for problem in found])
        return given

    def _schema(self) -> Any:
        kind = RecordType.objects.filter(workflow=self.instance.workflow_id, name=self.instance.record_type)
        return kind.values_list("schema", flat=True).first()

    @property
    def moves(self) -> bool:
        return bool({"move_to", "message"} & set(self.changed_data))


class VariableForm(SeenForm):
    """A variable; its value is shown masked where it is sensitive."""

    content = JsonArea(label="value", required=False)
    shape = JsonArea(label="schema", required=False, help_text="JSON Schema 2020-12; empty for none.")

    class Meta:
        model = WorkflowVariable
        fields = ("workflow", "key", "sensitive")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        row = self.instance
        if row.pk:
            self.initial.update(content=row.shown, shape=row.schema, seen=row.revision, why=row.reason)

    def clean_content(self) -> Any:
        """Return the value; the stored one where the shown one was not touched."""
        given = self.cleaned_data["content"]
        if self.instance.pk and given == self.instance.shown:
            return self.instance.value
        refuse_masks(given)
        return given

    def clean_shape(self) -> Any:
        try:
            schemas.check_schema(self.cleaned_data["shape"])
        except DirectorError as error:
            raise forms.ValidationError(error.message) from error
        return self.cleaned_data["shape"]

    def clean(self) -> dict[str, Any]:
        """Check the value against the schema that it will have."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not {"content", "shape"} <= set(cleaned):
            return cleaned
        for problem in schemas.problems(cleaned["shape"], cleaned["content"], secret=self.instance.is_sensitive):
            self.add_error("content", f"{problem['path'] or 'The value'}: {problem['message']}")
        return cleaned


def changes_between(before: Any, after: Any) -> list[Operation]:
    """Return what makes one JSON object the other: by path, so that what stays is left to other writers."""
    operations = list(_differences(before, after, ()))
    for operation in operations:
        refuse_masks(operation.get("value"), format_path(operation["path"]))
    return operations


def refuse_masks(value: Any, path: str = "The value") -> None:
    """Raise ValidationError where a mask would be written in place of what it stands for."""
    if next(masked_paths(value), None) is not None:
        raise forms.ValidationError(f"{path} holds a masked value. Leave it untouched, or write the real one.")


def _differences(before: Any, after: Any, path: Sequence[Key]) -> Iterator[Operation]:
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if before != after or type(before) is not type(after):
            yield set_at(path, after)
        return
    for key in before:
        if key not in after:
            yield delete_at((*path, key))
    for key, value in after.items():
        if key in before:
            yield from _differences(before[key], value, (*path, key))
        else:
            yield set_at((*path, key), value)
