"""What makes an item of a source the same record when it is met again, and what a new record is called.

A pattern without `index` names the record by what the item says (`email_{{ item.message_id }}`): the rendered id is
the identity. Any other record is known by its source key, and its number goes on after the highest one there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any
from uuid import UUID

from django.db import connection

from director import jsontools
from director.errors import DirectorError
from records.errors import RecordIdInvalid
from records.patterns import literal
from records.states import RecordStatus
from workflows.definition.plan import CreateRecords
from workflows.errors import ExpressionFailed
from workflows.expressions import Template
from workflows.readers.items import Item, Position

MAX_ID_CHARACTERS = 255
TEMPORARY_PREFIX = "temp:"  # ids of an array iterate's records; no other record may have one
SOURCE_KEYS = ("message_id", "id")  # what a source itself calls an item, the first that is there
DIGITS = "0123456789"
NOT_COUNTING = (
    "does not count up by one with index, as the id pattern must; write index plainly, such as lead_{{ index }}, or name "
    "the records by what the items say, such as lead_{{ item.id }}"
)

# What follows the highest number of each (prefix, suffix): given out, and kept by the row's lock until the commit.
TAKE_NUMBERS = """
UPDATE record_counters c SET last = greatest(c.last, u.least - 1) + u.wanted
FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::int[]) AS u (prefix, suffix, least, wanted)
WHERE c.workflow_id = %s AND c.prefix = u.prefix AND c.suffix = u.suffix
RETURNING c.prefix, c.suffix, c.last
"""
# The first use of a pattern looks the highest number up. Index record_id_prefix.
BEGIN_COUNTING = """
INSERT INTO record_counters (workflow_id, prefix, suffix, last)
SELECT %(workflow)s, %(prefix)s, %(suffix)s, coalesce(max(director_number_in(record_id, %(prefix)s, %(suffix)s)), 0)
FROM workflow_records WHERE workflow_id = %(workflow)s AND record_id LIKE %(begins)s
ON CONFLICT DO NOTHING
"""


@dataclass(slots=True)
class NewRecord:
    """What is to become a record. Without record_id it is named by the pattern.

    item: what an id pattern sees, where that is not the fields.
    """

    position: Position | str
    fields: dict[str, Any]
    vars: dict[str, Any] = field(default_factory=dict)
    targets: dict[str, Any] = field(default_factory=dict)
    record_id: str | None = None
    source_key: str | None = None
    status: str = RecordStatus.DISCOVERED
    error: str = ""
    invalid: bool = False  # its fields break a schema
    refused: DirectorError | None = None  # why no new record is made of it; one that is there may still be met
    words: str = ""  # that its fields are found by
    item: Mapping[str, Any] = field(default_factory=dict)
    form: Numbered | None = None  # of its id, where that is a number

    def data(self) -> dict[str, Any]:
        return {"fields": self.fields, "vars": self.vars, "targets": self.targets}


@dataclass(frozen=True, slots=True)
class Numbered:
    """Ids of one form: prefix, a number padded with zeros to `width`, suffix. least: the number of the first."""

    prefix: str
    suffix: str = ""
    width: int = 3
    least: int = 1

    def __call__(self, number: int) -> str:
        return f"{self.prefix}{number:0{self.width}d}{self.suffix}"


class Naming:
    """How the items of one `create_records` become records with ids."""

    def __init__(self, spec: CreateRecords) -> None:
        self.pattern, self.unique = spec.id_pattern, spec.unique_ids
        self.by_number = not self.unique and (self.pattern is None or "index" in self.pattern.names)
        self._constant = Numbered(f"{spec.type}_") if self.pattern is None else None
        if self.by_number and self.pattern is not None and "item" not in self.pattern.names:
            self._constant = _numbered(self.pattern, {})

    def identify(self, record: NewRecord) -> NewRecord:
        """Give a record that has no id what it is known and named by, and return it.

        Raises RecordIdInvalid, ExpressionFailed.
        """
        if record.record_id is not None:
            record.record_id = checked_id(record.record_id)
        elif self.unique or self.by_number:
            record.source_key = record.source_key or source_key(record.item or record.fields, record.fields)
            record.form = self.numbered(record) if self.by_number else None
        else:
            assert self.pattern is not None
            record.record_id = checked_id(self.pattern.render({"item": record.item or record.fields}))
        return record

    def numbered(self, record: NewRecord) -> Numbered:
        """Return the form of the record's id; raises RecordIdInvalid, ExpressionFailed."""
        if self._constant is not None:
            return self._constant
        assert self.pattern is not None
        return _numbered(self.pattern, record.item or record.fields)


def checked_id(value: Any) -> str:
    """Return the value as a record id, or raise RecordIdInvalid."""
    text = str(value)
    if not text.strip():
        raise RecordIdInvalid(text, "is empty")
    if len(text) > MAX_ID_CHARACTERS:
        raise RecordIdInvalid(text, f"has {len(text)} characters, at most {MAX_ID_CHARACTERS} are kept")
    if text.startswith(TEMPORARY_PREFIX):
        raise RecordIdInvalid(text, f"begins with {TEMPORARY_PREFIX}, which is kept for records of an array iterate")
    jsontools.dumps(text)
    return text


def source_key(data: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """Return what the source calls the item (its message id or id), or else a digest of all it says."""
    for name in SOURCE_KEYS:
        key = fields.get(name)
        if isinstance(key, str | int) and not isinstance(key, bool) and str(key).strip():
            text = str(key)
            return text if len(text) <= MAX_ID_CHARACTERS else sha256(text.encode()).hexdigest()
    return sha256(jsontools.canonical(data)).hexdigest()


def name_records(workflow_id: UUID, forms: Iterable[Numbered]) -> list[str]:
    """Return an id for each form, in order, each number after the highest of its form. At most 3 queries per form."""
    wanted = list(forms)
    sizes = Counter(wanted)
    first = _take_numbers(workflow_id, sizes)
    numbers = {form: count(first[form]) for form in sizes}
    return [form(next(numbers[form])) for form in wanted]


def record_of(item: Item) -> NewRecord:
    """Return the item as a record: `fields`, `vars` and `targets` as they are, everything else among the fields."""
    given: dict[str, dict[str, Any]] = {"fields": {}, "vars": {}, "targets": {}}
    loose = {}
    for key, value in item.data.items():
        if key in given and isinstance(value, dict):
            given[key] = value
        else:
            loose[key] = value
    fields = {**given["fields"], **loose} if loose else given["fields"]
    return NewRecord(item.position, fields, given["vars"], given["targets"], item=item.data)


def _numbered(pattern: Template, item: Mapping[str, Any]) -> Numbered:
    """Return the form of the ids that the pattern gives for an item: what changes with `index` must be a number."""
    first, second = _first_two(pattern, item)
    alike = next(
        (place for place, pair in enumerate(zip(first, second, strict=False)) if len(set(pair)) > 1), len(first)
    )
    prefix = first[:alike].rstrip(DIGITS)
    number = first[len(prefix) :]
    suffix = number.lstrip(DIGITS)
    digits = number.removesuffix(suffix)
    if not digits or second != f"{prefix}{int(digits) + 1:0{len(digits)}d}{suffix}":
        raise RecordIdInvalid(first, NOT_COUNTING)
    checked_id(first)
    return Numbered(prefix, suffix, len(digits) if digits.startswith("0") else 1, int(digits))


def _first_two(pattern: Template, item: Mapping[str, Any]) -> tuple[str, str]:
    """Return the pattern with index 1 and 2: padded to three digits, unless the pattern calculates with it."""
    try:
        first, second = (pattern.render({"item": item, "index": index}) for index in ("001", "002"))
    except ExpressionFailed:
        first, second = (pattern.render({"item": item, "index": index}) for index in (1, 2))
    return str(first), str(second)


def _take_numbers(workflow_id: UUID, sizes: Mapping[Numbered, int]) -> dict[Numbered, int]:
    """Return the first of the numbers reserved for each form."""
    taken = _taken(workflow_id, sizes)
    for form in sizes:
        if form not in taken:
            _begin_counting(workflow_id, form)
    missing = {form: size for form, size in sizes.items() if form not in taken}
    return {**taken, **_taken(workflow_id, missing)} if missing else taken


def _taken(workflow_id: UUID, sizes: Mapping[Numbered, int]) -> dict[Numbered, int]:
    columns = [(form.prefix, form.suffix, form.least, size) for form, size in sizes.items()]
    with connection.cursor() as cursor:
        cursor.execute(TAKE_NUMBERS, [*map(list, zip(*columns, strict=True)), workflow_id])
        last = {(prefix, suffix): number for prefix, suffix, number in cursor.fetchall()}
    places = {form: (form.prefix, form.suffix) for form in sizes}
    return {form: last[place] - sizes[form] + 1 for form, place in places.items() if place in last}


def _begin_counting(workflow_id: UUID, form: Numbered) -> None:
    begins = f"{literal(form.prefix)}%"
    values: dict[str, Any] = {"workflow": workflow_id, "prefix": form.prefix, "suffix": form.suffix, "begins": begins}
    with connection.cursor() as cursor:
        cursor.execute(BEGIN_COUNTING, values)
