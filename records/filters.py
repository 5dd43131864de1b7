"""Which records are meant: one description for lists, API, bulk operations and exports, written to and read from JSON.

{"pattern": "email_*", "type": "email", "status": ["failed"], "ids": [...], "text": "framework deal",
 "fields": [{"path": "vars.lead.budget", "is": "ge", "value": 10000}], "created_by": "search",
 "created_in": "<execution id>", "created_after": "2026-11-01T00:00:00Z", "updated_before": ..., "errors": [...]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from director.jsontools import ValueInvalid, dumps, loads
from records import search
from records.errors import FilterInvalid
from records.masking import is_sensitive
from records.patches import Path, format_path, parse_path
from records.patterns import ANY, beginning, like, literal
from records.states import RecordStatus

ERROR_CHARACTERS = 300  # of an error message that `errors` compares
MAX_VALUES = 10_000  # ids or errors in one filter
TIMES = ("created_after", "created_before", "updated_after", "updated_before")

# How a value at a path may be compared; {value} is the jsonb at the path, {text} the same as text where it has no parts:
# in the text of an object the secrets among its keys would be found.
COMPARISONS = {
    "eq": "{value} = {given}",
    "ne": "{value} IS DISTINCT FROM {given}",
    "gt": "{value} > {given} AND jsonb_typeof({value}) = jsonb_typeof({given})",
    "ge": "{value} >= {given} AND jsonb_typeof({value}) = jsonb_typeof({given})",
    "lt": "{value} < {given} AND jsonb_typeof({value}) = jsonb_typeof({given})",
    "le": "{value} <= {given} AND jsonb_typeof({value}) = jsonb_typeof({given})",
    "contains": "({value} @> {given} OR {text} ILIKE {liked})",
    "begins": "{text} ILIKE {liked}",
    "exists": "({value} IS NOT NULL) = ({given} = 'true')",
}
# The same as r.workflow_id. The planner would know it too well, and look all records of the workflow up in the primary key
# of the search to narrow down the few that a word has found already.
HIDDEN_WORKFLOW = "(r.workflow_id::text)::uuid"
SCALAR = "(CASE WHEN jsonb_typeof(r.data #> {path}) NOT IN ('object', 'array') THEN r.data #>> {path} END)"


@dataclass(frozen=True, slots=True)
class FieldTest:
    """A comparison of what stands at a path. comparison: a key of COMPARISONS; gt to le compare alike types only."""

    path: Path
    comparison: str
    value: Any


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Every part narrows; an empty one lets everything through.

    pattern: of record ids. text: words, each found by its beginning. created_by: alias of the step, or api, page,
    import. errors: the beginnings (300 characters) of error messages of failed records.
    """

    pattern: str = ANY
    type: str = ""
    status: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    text: str = ""
    fields: tuple[FieldTest, ...] = ()
    created_by: str = ""
    created_in: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    errors: tuple[str, ...] = ()

    @property
    def only_counted(self) -> bool:
        """Whether it asks for nothing but type and status, whose counts are kept."""
        return self == RecordFilter(type=self.type, status=self.status)


def read_filter(given: Mapping[str, Any]) -> RecordFilter:
    """Return the filter that the JSON object describes; raises FilterInvalid, PathInvalid, ValueInvalid."""
    dumps(given)  # refuses what a query could not take
    known = [part.name for part in fields(RecordFilter)]
    for name in given:
        if name not in known:
            raise FilterInvalid(name, "is not something records can be filtered by", known)
    values = {name: _read(name, value) for name, value in given.items() if value not in (None, "")}
    return RecordFilter(**values)


def value_of(text: str, comparison: str) -> Any:
    """Return what the text of a test stands for: a JSON value where it is one, else the text itself.

    `begins` is about texts: 007 and null begin a text. `exists` alone means that it does.
    """
    if comparison == "exists" and not text:
        return True
    try:
        value = loads(text)
    except ValueInvalid:
        return text
    return text if comparison == "begins" and not isinstance(value, str) else value


def written(narrow: RecordFilter) -> dict[str, Any]:
    """Return the JSON object that `read_filter` reads as this filter."""
    empty = RecordFilter()
    parts = {part.name: getattr(narrow, part.name) for part in fields(RecordFilter)}
    return {name: _written(value) for name, value in parts.items() if value != getattr(empty, name)}


def conditions(narrow: RecordFilter) -> tuple[list[str], list[str], dict[str, Any]]:
    """Return SQL conditions over `workflow_records r`: those an index helps with, the others, and their parameters."""
    values: dict[str, Any] = {}
    quick = ["r.execution_id IS NULL", *_quick(narrow, values)]
    slow = [_test(test, f"test{number}", values) for number, test in enumerate(narrow.fields)]
    if narrow.pattern != ANY:
        values["pattern"] = like(narrow.pattern)
        (quick if beginning(narrow.pattern) else slow).append("r.record_id LIKE %(pattern)s")
    return quick, slow, values


def _quick(narrow: RecordFilter, values: dict[str, Any]) -> list[str]:
    parts = {
        "type": "r.record_type = %(type)s",
        "status": "r.status = ANY (%(status)s)",
        "ids": "r.record_id = ANY (%(ids)s)",
        "created_after": "r.created_at >= %(created_after)s",
        "created_before": "r.created_at < %(created_before)s",
        "updated_after": "r.updated_at >= %(updated_after)s",
        "updated_before": "r.updated_at < %(updated_before)s",
        "errors": f"r.status = 'failed' AND left(r.error_message, {ERROR_CHARACTERS}) = ANY (%(errors)s)",
    }
    found = []
    for name, condition in parts.items():
        value = getattr(narrow, name)
        if value:
            values[name] = list(value) if isinstance(value, tuple) else value
            found.append(condition)
    return [*found, *_beside(narrow, values)]


def _beside(narrow: RecordFilter, values: dict[str, Any]) -> list[str]:
    """Return the condition on what is kept beside the records, if any."""
    parts = searched(narrow, values)
    workflow = "r.workflow_id" if narrow.created_by or narrow.created_in else HIDDEN_WORKFLOW
    where = " AND ".join((f"s.workflow_id = {workflow}", "s.record_id = r.id", *parts))
    return [f"EXISTS (SELECT 1 FROM record_search s WHERE {where})"] if parts else []  # noqa: S608 - made of constants


def searched(narrow: RecordFilter, values: dict[str, Any]) -> list[str]:
    """Return the conditions over `record_search s` and put their parameters into the values."""
    parts: list[str] = []
    if narrow.text:
        values["words"] = search.query_of(narrow.text)
        parts.append("s.document @@ %(words)s::tsquery" if values["words"] else "false")
    for number, test in enumerate(narrow.fields):
        if words := _words_of(test):
            values[f"test{number}_words"] = words
            parts.append(f"s.document @@ %(test{number}_words)s::tsquery")
    if narrow.created_by:
        values["created_by"] = narrow.created_by
        parts.append("s.created_by = %(created_by)s")
    if narrow.created_in:
        values["created_in"] = narrow.created_in
        parts.append("s.created_in = %(created_in)s")
    return parts


def _words_of(test: FieldTest) -> str:
    """Return the words by which the search finds all records that can pass the test; empty when it cannot."""
    if test.path[0] != "fields" or test.comparison not in ("eq", "begins"):
        return ""
    return search.query_for(test.value, begins=test.comparison == "begins")


def _test(test: FieldTest, name: str, values: dict[str, Any]) -> str:
    values[f"{name}_path"] = [str(key) for key in test.path]
    values[f"{name}_given"] = dumps(test.value).decode()
    if test.comparison in ("contains", "begins"):
        before = "%" if test.comparison == "contains" else ""
        text = test.value if isinstance(test.value, str) else dumps(test.value).decode()
        values[f"{name}_liked"] = f"{before}{literal(text)}%"
    return (
        "("
        + COMPARISONS[test.comparison].format(
            value=f"r.data #> %({name}_path)s::text[]",
            text=SCALAR.format(path=f"%({name}_path)s::text[]"),
            given=f"%({name}_given)s::jsonb",
            liked=f"%({name}_liked)s",
        )
        + ")"
    )


def _read(name: str, value: Any) -> Any:
    if name == "fields":
        return tuple(_read_test(test) for test in _several(name, value))
    if name in ("status", "ids", "errors"):
        return _texts(name, value)
    if name in TIMES:
        return _time(name, value)
    if name == "created_in":
        return _uuid(name, value)
    if not isinstance(value, str):
        raise FilterInvalid(name, "must be a text")
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = tuple([value] if isinstance(value, str) else _several(name, value))
    if not texts:  # none are meant, and to take that for all would be a bad surprise
        raise FilterInvalid(name, "is an empty list; say at least one, or leave it out to mean all")
    if not all(isinstance(text, str) for text in texts) or len(texts) > MAX_VALUES:
        raise FilterInvalid(name, f"must be texts, at most {MAX_VALUES:,}")
    for text in texts:
        if name == "status" and text not in RecordStatus.values:
            raise FilterInvalid(f"{name} {text}", "is not a status of records", RecordStatus.values)
    return tuple(text[:ERROR_CHARACTERS] for text in texts) if name == "errors" else texts


def _several(name: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise FilterInvalid(name, "must be a list")
    return value


def _read_test(test: Any) -> FieldTest:
    if not isinstance(test, Mapping) or set(test) - {"path", "is", "value"} or "path" not in test:
        raise FilterInvalid("fields", 'must be a list of {"path": ..., "is": ..., "value": ...}')
    comparison = test.get("is", "eq")
    if comparison not in COMPARISONS:
        raise FilterInvalid(f"fields is {comparison}", "is not a comparison", list(COMPARISONS))
    value = test.get("value", True if comparison == "exists" else None)
    path = parse_path(str(test["path"]))
    if comparison == "exists" and not isinstance(value, bool):
        raise FilterInvalid(format_path(path), "exists or not: say true or false")
    if comparison == "begins" and not isinstance(value, str):
        value = dumps(value).decode()
    if comparison != "exists" and (any(is_sensitive(str(key)) for key in path) or _names_secret(value)):
        raise FilterInvalid(format_path(path), "cannot be tested: it is a secret, which could be guessed by its tests")
    return FieldTest(path, comparison, value)


def _names_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(is_sensitive(str(key)) or _names_secret(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_names_secret, value))


def _time(name: str, value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else None
    if isinstance(value, str):
        try:
            moment = parse_datetime(value)
        except ValueError:
            moment = None
    if moment is None or moment.tzinfo is None:
        raise FilterInvalid(name, "must be a time with its zone, such as 2026-11-20T09:00:00Z")
    return moment


def _uuid(name: str, value: Any) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        raise FilterInvalid(name, "must be the id of an execution") from None


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_written(part) for part in value]
    if isinstance(value, FieldTest):
        return {"path": format_path(value.path), "is": value.comparison, "value": value.value}
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
