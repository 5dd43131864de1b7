"""What is refused of a single record, a path, a filter, a schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from director.errors import DirectorError, did_you_mean


class RecordError(DirectorError):
    code = "record"


class PathInvalid(RecordError):
    """A path that does not lead into a record's data."""

    code = "path_invalid"
    http_status = 422
    retryable = False

    path: str
    rule: str

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
    retryable = False

    path: str
    rule: str

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
    retryable = False

    record_id: str
    rule: str

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
    retryable = False

    record_id: str
    problems: Sequence[Mapping[str, object]]

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
    retryable = False

    reason: str

    @property
    def message(self) -> str:
        return f"{self.reason}. Put large content into a file and keep its path."


class FilterInvalid(RecordError):
    """A filter that says something about records that nobody can answer."""

    code = "filter_invalid"
    http_status = 422

    part: str
    rule: str
    known: Sequence[str] = ()

    @property
    def message(self) -> str:
        return f'In the filter, "{self.part}" {self.rule}.{did_you_mean(self.part.split(" ")[-1], self.known)}'

    @property
    def data(self) -> dict[str, Any]:
        return {"part": self.part, "known": list(self.known)}


class CursorInvalid(RecordError):
    """A cursor that belongs to another list, or was cut."""

    code = "cursor_invalid"
    http_status = 400

    @property
    def message(self) -> str:
        return "This cursor does not belong to this list. Begin again without one."


class RecordNotFound(RecordError):
    code = "record_not_found"
    http_status = 404

    workflow: str
    record_id: str
    known: Sequence[str] = ()

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

    record_id: str
    expected: int
    revision: int

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

    record_id: str
    status: str

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

    record_id: str
    status: str
    wanted: str
    allowed: Sequence[str]

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

    path: str
    obstacle: str
    kind: str

    @property
    def message(self) -> str:
        within = f"Give an object, or set and delete what is in {self.obstacle}."
        way_out = within if self.path == self.obstacle else f"Set {self.obstacle} itself, or delete it first."
        return f"{self.path} cannot be set: {self.obstacle} is {self.kind}. {way_out}"

    @property
    def data(self) -> dict[str, Any]:
        return {"path": self.path}


class RecordRefused(RecordError):
    """A record that cannot be made: it is there already, or its id belongs to another."""

    code = "record_refused"
    http_status = 409

    record_id: str
    reason: str

    @property
    def message(self) -> str:
        return f"{self.record_id} was not created: {self.reason}. Patch the record that is there, or give another id."

    @property
    def data(self) -> dict[str, Any]:
        return {"record_id": self.record_id}


class BucketInvalid(RecordError):
    code = "bucket_invalid"
    http_status = 404

    bucket: str
    known: Sequence[str]

    @property
    def message(self) -> str:
        named = ", ".join(self.known[:3])
        return f'"{self.bucket}" is neither {named} nor the id of a record.{did_you_mean(self.bucket, self.known)}'
