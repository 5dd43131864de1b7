"""The query of record lists: filters, tests of what stands at a path, and which parts of a record are wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from director import jsontools
from director.api.errors import ParameterInvalid
from director.api.paging import PageQuery
from director.api.reading import query_parameters, read_query
from director.errors import did_you_mean
from records.filters import COMPARISONS, RecordFilter, read_filter, value_of
from records.listing import ORDERS
from records.models import WorkflowRecord
from records.patches import BUCKETS, Path, apply, look_up, parse_path, set_at

# A parameter such as vars.category or fields.lines[0].amount[ge].
TEST = re.compile(rf"(?P<path>.+?)(?:\[(?P<comparison>{'|'.join(COMPARISONS)})\])?", re.DOTALL)
TESTS = tuple(f"{bucket}{mark}" for bucket in BUCKETS for mark in ".[")
SEVERAL = ("status", "ids")
PARTS = (
    "id",
    "record_id",
    "type",
    "status",
    "data",
    "error_message",
    "retry_count",
    "iteration_node_alias",
    "revision",
    "created_at",
    "updated_at",
    "processed_at",
)


class FieldsQuery(serializers.Serializer[Any]):
    """Which parts of a record are wanted."""

    fields = serializers.CharField(  # type: ignore[assignment]
        required=False, help_text="Parts of a record and paths into its data: `record_id,status,vars.category`."
    )


class FilterQuery(serializers.Serializer[Any]):
    """Which records are meant; beside these, a path with an optional comparison: `vars.budget[ge]=1000`."""

    type = serializers.CharField(required=False)
    status = serializers.CharField(required=False, help_text="One or several, with commas: `failed,skipped`.")
    q = serializers.CharField(required=False, help_text="Words in the id or the fields, each found by its beginning.")
    pattern = serializers.CharField(required=False, help_text="Of record ids: `email_*`.")
    ids = serializers.CharField(required=False, help_text="Record ids, with commas.")
    created_by = serializers.CharField(required=False, help_text="Alias of a step, or `api`, `page`, `import`.")
    created_in = serializers.UUIDField(required=False, help_text="Id of an execution.")
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)
    updated_after = serializers.DateTimeField(required=False)
    updated_before = serializers.DateTimeField(required=False)


class RecordsQuery(PageQuery, FilterQuery, FieldsQuery):
    """The parameters of a list of records."""

    order = serializers.ChoiceField(list(ORDERS), default="-id")


@dataclass(frozen=True, slots=True)
class Selection:
    """The parts of a record that an answer has. paths: into its data, instead of all of it."""

    parts: tuple[str, ...] = PARTS
    paths: tuple[Path, ...] = ()

    @property
    def whole(self) -> bool:
        return "data" in self.parts

    def data(self, record: WorkflowRecord) -> Any:
        """Return the record's data with only what stands at the paths; null where nothing does."""
        found = getattr(record, "picked", None)
        if found is None:
            values = [look_up(record.data, path) for path in self.paths]
        else:
            values = jsontools.loads(found) if isinstance(found, str) else found
        return apply({}, [set_at(path, value) for path, value in zip(self.paths, values, strict=True)])


def read_selection(text: str | None) -> Selection:
    """Return the parts that `fields=` names; raises ParameterInvalid with the nearest name, PathInvalid."""
    if text is None:
        return Selection()
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = next((name for name in names if name not in PARTS and not is_path(name)), None)
    if unknown is not None or not names:
        detail = f"{unknown or 'Nothing'} is not a part of a record.{did_you_mean(unknown or '', PARTS)}"
        raise ParameterInvalid([{"parameter": "fields", "detail": detail, "code": "invalid"}])
    return Selection(
        tuple(name for name in PARTS if name in names), tuple(parse_path(name) for name in names if is_path(name))
    )


def read_record_filter(request: Request, query: dict[str, Any]) -> RecordFilter:
    """Return the filter of a (validated) query and of the tests beside it; raises FilterInvalid, PathInvalid."""
    given: dict[str, Any] = {name: str(query[name]) for name in FilterQuery().get_fields() if name in query}
    for name in SEVERAL:
        if name in given:
            given[name] = [text.strip() for text in given[name].split(",") if text.strip()]
    given["text"] = given.pop("q", None)
    parameters = query_parameters(request).items()
    given["fields"] = [_test(name, value) for name, value in parameters if name.startswith(TESTS)]
    return read_filter(given)


def read_list_query(request: Request, shape: Any) -> dict[str, Any]:
    """Return the query parameters but for the tests; raises ParameterInvalid."""
    return read_query(request, shape, free=TESTS)


def is_path(name: str) -> bool:
    """Whether the name may be a path into a record's data."""
    return name in BUCKETS or name.startswith(TESTS)


def _test(name: str, value: str) -> dict[str, Any]:
    found = TEST.fullmatch(name)
    assert found is not None  # it has a bucket at least
    comparison = found["comparison"] or "eq"
    return {"path": found["path"], "is": comparison, "value": value_of(value, comparison)}
