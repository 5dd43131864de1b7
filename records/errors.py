"""What the records app refuses.

RecordError     RecordNotFound 404 · RecordChanged, RecordHeld, MoveRefused 409
                RecordInvalid, RecordIdInvalid, RecordTooLarge, SchemaInvalid, PatchRefused, PathInvalid,
                FilterInvalid, CursorInvalid 422
VariableError   VariableNotFound 404 · VariableChanged 409 · VariableInvalid, VariableKeyInvalid 422
                RevealRefused 403
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from director.errors import DirectorError


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean "..."?` with the nearest known word, or nothing when none is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""


class RecordError(DirectorError):
    code = "record"


class PathInvalid(RecordError):
    """A path that does not lead into a record's data."""

    code = "path_invalid"
    http_status = 422

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(path, rule)
        self.path, self.rule = path, rule

    @property
    def message(self) -> str:
        example = 'vars.category, fields.lines[2].amount or fields["first name"]'
        return f'The path "{self.path}" {self.rule}. Write it like {example}.'

    @property
    def data(self) -> dict[str, Any]:
        return {"path": self.path, "rule": self.rule}


class SchemaInvalid(RecordError):
    """What was given as a JSON Schema is none."""

    code = "schema_invalid"
    http_status = 422

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(path, rule)
        self.path, self.rule = path, rule

    @property
    def message(self) -> str:
        where = f" at {self.path}" if self.path else ""
        return f"This is not a JSON Schema (2020-12){where}: {self.rule}"

    @property
    def data(self) -> dict[str, Any]:
        return {"path": self.path}


class RecordIdInvalid(RecordError):
    """A text that cannot be the id of a record."""

    code = "record_id_invalid"
    http_status = 422

    def __init__(self, record_id: str, rule: str) -> None:
        super().__init__(record_id, rule)
        self.record_id, self.rule = record_id, rule

    @property
    def message(self) -> str:
        return f'The record id "{self.record_id[:100]}" {self.rule}.'

    @property
    def data(self) -> dict[str, Any]:
        return {"record_id": self.record_id[:1000], "rule": self.rule}


class RecordInvalid(RecordError):
    """Fields break the schema of their type. problems: each with path, rule and message."""

    code = "record_invalid"
    http_status = 422

    def __init__(self, record_id: str, problems: Sequence[Mapping[str, object]]) -> None:
        super().__init__(record_id, problems)
        self.record_id, self.problems = record_id, problems

    @property
    def message(self) -> str:
        told = "; ".join(f"{problem['path']}: {problem['message']}" for problem in self.problems)
        return f"{self.record_id} does not fit its schema: {told}"

    @property
    def data(self) -> dict[str, Any]:
        return {"record_id": self.record_id, "problems": list(self.problems)}


class RecordTooLarge(RecordError):
    """A field is larger than a record may hold."""

    code = "record_too_large"
    http_status = 422

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def message(self) -> str:
        return f"{self.reason}. Put large content into a file and keep its path."


class FilterInvalid(RecordError):
    """A filter that says something about records that nobody can answer."""

    code = "filter_invalid"
    http_status = 422

    def __init__(self, part: str, rule: str, known: Sequence[str] = ()) -> None:
        super().__init__(part, rule, known)
        self.part, self.rule, self.known = part, rule, known

    @property
    def message(self) -> str:
        return f'In the filter, "{self.part}" {self.rule}.{did_you_mean(self.part.split(" ")[-1], self.known)}'

    @property
    def data(self) -> dict[str, Any]:
        return {"part": self.part, "known": list(self.known)}


class CursorInvalid(RecordError):
    """A cursor that belongs to another list, or was cut."""

    code = "cursor_invalid"
    http_status = 422

    @property
    def message(self) -> str:
        return "This cursor does not belong to this list. Begin again without one."


class RecordNotFound(RecordError):
    code = "record_not_found"
    http_status = 404

    def __init__(self, workflow: str, record_id: str, known: Sequence[str] = ()) -> None:
        super().__init__(workflow, record_id, known)
        self.workflow, self.record_id, self.known = workflow, record_id, known

    @property
    def message(self) -> str:
        return f'Workflow "{self.workflow}" has no record "{self.record_id}".{did_you_mean(self.record_id, self.known)}'

    @property
    def data(self) -> dict[str, Any]:
        return {"record_id": self.record_id}


class RecordChanged(RecordError):
    """Someone or something else wrote the record since it was read."""

    code = "record_changed"
    http_status = 409

    def __init__(self, record_id: str, expected: int, revision: int) -> None:
        super().__init__(record_id, expected, revision)
        self.record_id, self.expected, self.revision = record_id, expected, revision

    @property
    def message(self) -> str:
        return (
            f"{self.record_id} is at revision {self.revision}, you meant revision {self.expected}: it was changed "
            "meanwhile. Read it again, then change it."
        )

    @property
    def data(self) -> dict[str, Any]:
        return {"record_id": self.record_id, "expected_revision": self.expected, "revision": self.revision}


class RecordHeld(RecordError):
    """A run works on the record right now."""

    code = "record_held"
    http_status = 409

    def __init__(self, record_id: str, status: str) -> None:
        super().__init__(record_id, status)
        self.record_id, self.status = record_id, status

    @property
    def message(self) -> str:
        return f"{self.record_id} is {self.status}: a run holds it. Wait until it is done, or cancel the run first."

    @property
    def data(self) -> dict[str, Any]:
        return {"record_id": self.record_id, "status": self.status}


class MoveRefused(RecordError):
    """A status that cannot follow the one the record has."""

    code = "move_refused"
    http_status = 409

    def __init__(self, record_id: str, status: str, wanted: str, allowed: Sequence[str]) -> None:
        super().__init__(record_id, status, wanted, allowed)
        self.record_id, self.status, self.wanted, self.allowed = record_id, status, wanted, allowed

    @property
    def message(self) -> str:
        return (
            f'{self.record_id} is {self.status} and cannot become "{self.wanted}", only {", ".join(self.allowed)}.'
            f"{did_you_mean(self.wanted, self.allowed)}"
        )

    @property
    def data(self) -> dict[str, Any]:
        return {"record_id": self.record_id, "status": self.status, "allowed": list(self.allowed)}


class PatchRefused(RecordError):
    """A set whose path leads through a value that has no keys."""

    code = "patch_refused"
    http_status = 422

    def __init__(self, path: str, obstacle: str, kind: str) -> None:
        super().__init__(path, obstacle, kind)
        self.path, self.obstacle, self.kind = path, obstacle, kind

    @property
    def message(self) -> str:
        way_out = f"Set {self.obstacle} itself, or delete it first."
        return f"{self.path} cannot be set: {self.obstacle} is {self.kind}. {way_out}"

    @property
    def data(self) -> dict[str, Any]:
        return {"path": self.path}


class RecordRefused(RecordError):
    """A record that cannot be made: it is there already, or its id belongs to another."""

    code = "record_refused"
    http_status = 409

    def __init__(self, record_id: str, reason: str) -> None:
        super().__init__(record_id, reason)
        self.record_id, self.reason = record_id, reason

    @property
    def message(self) -> str:
        return f"{self.record_id} was not created: {self.reason}. Patch the record that is there, or give another id."

    @property
    def data(self) -> dict[str, Any]:
        return {"record_id": self.record_id}


class BucketInvalid(RecordError):
    code = "bucket_invalid"
    http_status = 404

    def __init__(self, bucket: str, known: Sequence[str]) -> None:
        super().__init__(bucket, known)
        self.bucket, self.known = bucket, known

    @property
    def message(self) -> str:
        named = ", ".join(self.known[:3])
        return f'"{self.bucket}" is neither {named} nor the id of a record.{did_you_mean(self.bucket, self.known)}'


class BulkInvalid(RecordError):
    """A bulk operation that cannot be done as it was asked for."""

    code = "bulk_invalid"
    http_status = 422

    def __init__(self, part: str, rule: str, known: Sequence[str] = ()) -> None:
        super().__init__(part, rule, known)
        self.part, self.rule, self.known = part, rule, known

    @property
    def message(self) -> str:
        choices = f": {', '.join(self.known)}" if self.known else ""
        return f'The bulk operation\'s "{self.part}": {self.rule}{choices}.'

    @property
    def data(self) -> dict[str, Any]:
        return {"part": self.part, "known": list(self.known)}


class BulkGrown(RecordError):
    """Many more records match than the person was told."""

    code = "bulk_grown"
    http_status = 409

    def __init__(self, shown: int, total: int) -> None:
        super().__init__(shown, total)
        self.shown, self.total = shown, total

    @property
    def message(self) -> str:
        return (
            f"{self.total:,} records match by now, not {self.shown:,}. Look at them again, then confirm the new number."
        )

    @property
    def data(self) -> dict[str, Any]:
        return {"shown": self.shown, "total": self.total}


class BulkNotFound(RecordError):
    code = "bulk_not_found"
    http_status = 404

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation

    @property
    def message(self) -> str:
        return f"There is no bulk operation {self.operation} in this workflow."


class BulkOver(RecordError):
    code = "bulk_over"
    http_status = 409

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status

    @property
    def message(self) -> str:
        return f"The bulk operation is {self.status} already; there is nothing to cancel."


class ExportTooWide(RecordError):
    code = "export_too_wide"
    http_status = 422

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    @property
    def message(self) -> str:
        return (
            f"The records have more than {self.limit:,} different fields, too many for the columns of a CSV file. "
            "Choose columns, or export as JSON Lines."
        )


class ImportInvalid(RecordError):
    """A file or its mapping that cannot be imported as it is."""

    code = "import_invalid"
    http_status = 422

    def __init__(self, part: str, rule: str, known: Sequence[str] = ()) -> None:
        super().__init__(part, rule, known)
        self.part, self.rule, self.known = part, rule, known

    @property
    def message(self) -> str:
        return f'The import\'s "{self.part}" {self.rule}.{did_you_mean(self.part.split(" ")[-1], self.known)}'

    @property
    def data(self) -> dict[str, Any]:
        return {"part": self.part, "known": list(self.known)}


class ImportNotFound(RecordError):
    code = "import_not_found"
    http_status = 404

    def __init__(self, upload: str) -> None:
        super().__init__(upload)
        self.upload = upload

    @property
    def message(self) -> str:
        return f"There is no import {self.upload} in this workflow. An upload that is not confirmed is kept for a day."


class ImportOver(RecordError):
    """An import that was confirmed or has ended already."""

    code = "import_over"
    http_status = 409

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status

    @property
    def message(self) -> str:
        return f"The import is {self.status} already. Upload the file again to import it once more."


class VariableError(DirectorError):
    code = "variable"


class VariableNotFound(VariableError):
    code = "variable_not_found"
    http_status = 404

    def __init__(self, workflow: str, key: str, known: Sequence[str] = ()) -> None:
        super().__init__(workflow, key, known)
        self.workflow, self.key, self.known = workflow, key, known

    @property
    def message(self) -> str:
        return f'Workflow "{self.workflow}" has no variable "{self.key}".{did_you_mean(self.key, self.known)}'

    @property
    def data(self) -> dict[str, Any]:
        return {"key": self.key}


class VariableInvalid(VariableError):
    """A value that breaks the variable's schema, or that the operation cannot work with."""

    code = "variable_invalid"
    http_status = 422

    def __init__(self, key: str, problems: Sequence[Mapping[str, object]]) -> None:
        super().__init__(key, problems)
        self.key, self.problems = key, problems

    @property
    def message(self) -> str:
        told = "; ".join(f"{problem['path'] or 'the value'}: {problem['message']}" for problem in self.problems)
        return f'Variable "{self.key}" cannot be set: {told}'

    @property
    def data(self) -> dict[str, Any]:
        return {"key": self.key, "problems": list(self.problems)}


class VariableKeyInvalid(VariableError):
    code = "variable_key_invalid"
    http_status = 422

    def __init__(self, key: str, rule: str) -> None:
        super().__init__(key, rule)
        self.key, self.rule = key, rule

    @property
    def message(self) -> str:
        return f'The variable key "{self.key[:100]}" {self.rule}.'


class VariableChanged(VariableError):
    """Someone else set the variable since it was read."""

    code = "variable_changed"
    http_status = 409

    def __init__(self, key: str, expected: int, revision: int) -> None:
        super().__init__(key, expected, revision)
        self.key, self.expected, self.revision = key, expected, revision

    @property
    def message(self) -> str:
        return (
            f'Variable "{self.key}" is at revision {self.revision}, you meant revision {self.expected}: it was set '
            "meanwhile. Read it again, then set it."
        )

    @property
    def data(self) -> dict[str, Any]:
        return {"key": self.key, "expected_revision": self.expected, "revision": self.revision}


class RevealRefused(VariableError):
    code = "reveal_refused"
    http_status = 403

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    @property
    def message(self) -> str:
        return f'The value of "{self.key}" is sensitive. Only the owner of its workflow may have it shown.'
