"""Records by REST: list, look, create, change, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from director.api.errors import BodyInvalid
from director.api.paging import page_response, position
from director.api.reading import etag, if_match, is_current, read_body, read_query
from director.api.schema import free_parameters, page_shape
from records.api.base import AnyField, DataView, ReasonQuery
from records.api.selection import (
    FieldsQuery,
    RecordsQuery,
    Selection,
    read_list_query,
    read_record_filter,
    read_selection,
)
from records.models import WorkflowRecord
from records.patches import Operation, delete_at, parse_path, set_at
from records.records import Records
from records.secrets import Secrets, own_secrets
from records.states import RecordStatus
from workflows.definition.plan import OnExisting

IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description='The ETag last seen, such as `"3"`.')
TEST_PARAMETER = free_parameters(
    "tests",
    "Tests of what stands at a path: `fields.city=Bern`, `vars.lines[0].amount[ge]=100`. Comparisons: eq (when none is "
    "said), ne, gt, ge, lt, le, contains, begins, exists. A value is read as JSON where it is JSON.",
)


class RecordSerializer(serializers.Serializer[Any]):
    """A record."""

    id = serializers.UUIDField()
    record_id = serializers.CharField()
    type = serializers.CharField(source="record_type")
    status = serializers.ChoiceField(RecordStatus.choices)
    data = AnyField()  # type: ignore[assignment]  # masked by `shown`
    error_message = serializers.CharField(allow_blank=True)
    retry_count = serializers.IntegerField()
    iteration_node_alias = serializers.CharField(allow_blank=True)
    revision = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    processed_at = serializers.DateTimeField(allow_null=True)


class SelectedRecordSerializer(RecordSerializer):
    """A record, or the parts of it that `fields=` asked for."""

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        for field in fields.values():
            field.required = False
        return fields


class RecordCreateSerializer(serializers.Serializer[Any]):
    """A new record."""

    type = serializers.CharField(max_length=50)
    record_id = serializers.CharField(required=False, help_text="Numbered by its type when not given.")
    fields = serializers.DictField()  # type: ignore[assignment]
    vars = serializers.DictField(required=False)
    targets = serializers.DictField(required=False)
    on_existing = serializers.ChoiceField(
        [each.value for each in OnExisting], default="fail", help_text="When there is such a record already."
    )
    reason = serializers.CharField(required=False, max_length=1000)


class RecordCreatedSerializer(serializers.Serializer[Any]):
    """The record that was made or met."""

    outcome = serializers.ChoiceField(["created", "merged", "unchanged", "skipped"])
    record = RecordSerializer()


class PathsSerializer(serializers.Serializer[Any]):
    """Changes of what stands at paths."""

    set = serializers.DictField(
        child=AnyField(), required=False, help_text='Values by path: `{"vars.category": "lead"}`.'
    )
    delete = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Paths to take away: `fields.lines[2]`."
    )
    reason = serializers.CharField(required=False, max_length=1000, help_text="Kept in the history.")


class RecordPatchSerializer(PathsSerializer):
    """Changes of one record, all or none of them."""

    status = serializers.ChoiceField(RecordStatus.choices, required=False)
    error_message = serializers.CharField(required=False, allow_blank=True, help_text="With a status.")
    expected_revision = serializers.IntegerField(
        required=False, min_value=0, help_text="Refused with 409 at any other revision; instead of If-Match."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "error_message" in attrs and "status" not in attrs:
            raise serializers.ValidationError({"error_message": "Goes with a status only."})
        return attrs


class RecordList(DataView):
    """The records of a workflow."""

    @extend_schema(
        operation_id="list_records",
        parameters=[RecordsQuery, TEST_PARAMETER],
        responses=page_shape(SelectedRecordSerializer),
    )
    def get(self, request: Request, workflow: str) -> Response:
        """List the records that match, newest first unless `order` says otherwise."""
        data = self.open_data(request, workflow)
        query = read_list_query(request, RecordsQuery)
        selection = read_selection(query.get("fields"))
        page = data.records.query(
            read_record_filter(request, query),
            order=query["order"],
            cursor=position(request, query.get("cursor")) or "",
            size=query["limit"],
            whole=selection.whole,
            picked=selection.paths,
        )
        return page_response(request, shown(page.rows, data.secrets, selection), page.next or None)

    @extend_schema(
        operation_id="create_record",
        request=RecordCreateSerializer,
        responses={
            201: OpenApiResponse(RecordCreatedSerializer, description="Created."),
            200: OpenApiResponse(RecordCreatedSerializer, description="It was there: merged, unchanged or skipped."),
        },
    )
    def post(self, request: Request, workflow: str) -> Response:
        """Create a record, or meet the one that is known by the same id."""
        asked = read_body(request, RecordCreateSerializer)
        data = self.open_data(request, workflow, reason=asked.pop("reason", ""))
        made = data.records.create(**{**asked, "on_existing": OnExisting(asked["on_existing"])})
        answer = {"outcome": made.outcome, "record": shown([made.record], data.secrets)[0]}
        code = status.HTTP_201_CREATED if made.outcome == "created" else status.HTTP_200_OK
        return Response(answer, code, headers={"ETag": etag(made.record.revision)})


class RecordDetail(DataView):
    """One record."""

    @extend_schema(
        operation_id="get_record",
        parameters=[FieldsQuery],
        responses={200: SelectedRecordSerializer, 304: OpenApiResponse(description="As If-None-Match knows it.")},
    )
    def get(self, request: Request, workflow: str, record_id: str) -> Response:
        """Return the record, its revision in `ETag`."""
        data = self.open_data(request, workflow)
        selection = read_selection(read_query(request, FieldsQuery).get("fields"))
        return _answer(request, data.records.get(record_id), data.secrets, selection)

    @extend_schema(
        operation_id="patch_record", parameters=[IF_MATCH], request=RecordPatchSerializer, responses=RecordSerializer
    )
    def patch(self, request: Request, workflow: str, record_id: str) -> Response:
        """Change what stands at some paths, or the status; other paths stay as others write them at the same time."""
        asked = read_body(request, RecordPatchSerializer)
        data = self.open_data(request, workflow, reason=asked.get("reason", ""))
        with if_match(request) as expected:
            said = asked.get("expected_revision", expected)
            if expected is not None and said != expected:
                detail = "If-Match demands another revision. Say it once."
                raise BodyInvalid([{"pointer": "/expected_revision", "detail": detail, "code": "invalid"}])
            record = change(data.records, record_id, asked, said)
        return _answer(request, record, data.secrets, Selection())

    @extend_schema(operation_id="delete_record", parameters=[IF_MATCH, ReasonQuery], responses={204: None})
    def delete(self, request: Request, workflow: str, record_id: str) -> Response:
        """Delete the record; its history stays."""
        data = self.open_data(request, workflow, reason=read_query(request, ReasonQuery)["reason"])
        with if_match(request) as expected:
            data.records.delete(record_id, expected_revision=expected)
        return Response(status=status.HTTP_204_NO_CONTENT)


def change(records: Records, record_id: str, asked: dict[str, Any], expected: int | None) -> WorkflowRecord:
    """Do what a (validated) RecordPatchSerializer asks, all or nothing, and return the record."""
    operations = operations_of(asked)
    if "status" not in asked:
        return records.patch(record_id, operations, expected_revision=expected)
    with transaction.atomic():
        if operations:
            records.patch(record_id, operations, expected_revision=expected)
            expected = None
        error = asked.get("error_message", "")
        return records.move(record_id, asked["status"], error=error, expected_revision=expected)


def operations_of(asked: dict[str, Any]) -> list[Operation]:
    """Return the operations that a (validated) PathsSerializer asks for; raises PathInvalid."""
    sets = [set_at(parse_path(path), value) for path, value in asked.get("set", {}).items()]
    return sets + [delete_at(parse_path(path)) for path in asked.get("delete", [])]


def shown(
    records: Sequence[WorkflowRecord], secrets: Secrets, selection: Selection | None = None
) -> list[dict[str, Any]]:
    """Return the parts of the records that an answer has, the workflow's secrets and their own masked."""
    selection = selection or Selection()
    shape = RecordSerializer()
    for name in set(shape.fields) - set(selection.parts):
        shape.fields.pop(name)
    answers: list[dict[str, Any]] = [dict(shape.to_representation(record)) for record in records]
    if selection.paths or selection.whole:
        for answer, record in zip(answers, records, strict=True):
            data = record.data if selection.whole else selection.data(record)
            answer["data"] = secrets.among(own_secrets(record)).hide(data)
    return answers


def _answer(request: Request, record: WorkflowRecord, secrets: Secrets, selection: Selection) -> Response:
    headers = {"ETag": etag(record.revision)}
    if request.method == "GET" and is_current(request, record.revision):
        return Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(shown([record], secrets, selection)[0], headers=headers)
