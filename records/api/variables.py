"""Variables by REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from director.api.paging import PageQuery, page_of
from director.api.reading import etag, if_match, is_current, read_body, read_query
from director.api.renderers import TextRenderer
from director.api.schema import page_shape
from records.api.base import AnyField, DataView, ReasonQuery
from records.api.records import IF_MATCH
from records.errors import VariableChanged, VariableDiffers
from records.models import WorkflowVariable
from records.revealing import may_reveal
from records.services import WorkflowData
from records.variables import ABSENT, Variables, formatted

VERBS = ("increment", "append", "compare_and_set")


class VariableSerializer(serializers.Serializer[Any]):
    """A variable; a sensitive value is masked."""

    key = serializers.CharField()
    value = AnyField(source="shown")
    schema = AnyField()
    sensitive = serializers.BooleanField(source="is_sensitive")
    reason = serializers.CharField(allow_blank=True)
    revision = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class VariableSetSerializer(serializers.Serializer[Any]):
    """What a variable is to be; what is not said stays as it is."""

    value = AnyField()
    schema = AnyField(required=False, help_text="JSON Schema 2020-12 that values must fit; null for none.")
    sensitive = serializers.BooleanField(required=False, allow_null=True, help_text="Null: judged by the key.")
    reason = serializers.CharField(required=False, max_length=1000)


class SwapSerializer(serializers.Serializer[Any]):
    """A value for the one that is expected; without `expected` there must be no such variable yet."""

    expected = AnyField(required=False)
    value = AnyField()


class VariableChangeSerializer(VariableSetSerializer):
    """A change of a part of a variable; or one of the atomic verbs, in which writers side by side lose nothing."""

    value = AnyField(required=False)
    increment = AnyField(required=False, help_text="A number to add; a variable that is not there begins at 0.")
    append = AnyField(required=False, help_text="What to add to the end of a list, which may be new.")
    compare_and_set = SwapSerializer(required=False, help_text="Refused with 409 where the value is another.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        verbs = [name for name in VERBS if name in attrs]
        if not attrs:
            raise serializers.ValidationError(f"Say value, schema, sensitive, reason, or one of {', '.join(VERBS)}.")
        if verbs and set(attrs) - {verbs[0], "reason"}:
            raise serializers.ValidationError(f"{verbs[0]} stands alone, but for a reason.")
        return attrs


class VariablesQuery(PageQuery):
    """Which variables are meant."""

    pattern = serializers.CharField(default="*", help_text="Of keys: `min_*`.")
    step = serializers.CharField(default="", allow_blank=True, help_text="Alias of the step that they belong to.")
    q = serializers.CharField(default="", allow_blank=True, help_text="Part of the key.")


class VariableList(DataView):
    """The variables of a workflow."""

    renderer_classes = [JSONRenderer, TextRenderer]

    @extend_schema(
        operation_id="list_variables",
        parameters=[VariablesQuery],
        responses={
            (200, "application/json"): page_shape(VariableSerializer),
            (200, "text/plain"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request, workflow: str) -> Response:
        """List variables in the order of their keys; as text, all of them with a line for each."""
        variables = self.open_data(request, workflow).variables
        query = read_query(request, VariablesQuery)
        rows = variables.query(query["pattern"], step=query["step"], text=query["q"])
        if isinstance(request.accepted_renderer, TextRenderer):
            return Response(formatted(rows))
        return page_of(request, rows, query, VariableSerializer, key=("key",))


class VariableDetail(DataView):
    """One variable."""

    @extend_schema(
        operation_id="get_variable",
        responses={200: VariableSerializer, 304: OpenApiResponse(description="As If-None-Match knows it.")},
    )
    def get(self, request: Request, workflow: str, key: str) -> Response:
        """Return the variable, its revision in `ETag`."""
        row = self.open_data(request, workflow).variables.row(key)
        if is_current(request, row.revision):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag(row.revision)})
        return _answer(row)

    @extend_schema(
        operation_id="set_variable",
        parameters=[IF_MATCH],
        request=VariableSetSerializer,
        responses={
            200: VariableSerializer,
            201: OpenApiResponse(VariableSerializer, description="It is new."),
        },
    )
    def put(self, request: Request, workflow: str, key: str) -> Response:
        """Set the variable, new or not."""
        asked = read_body(request, VariableSetSerializer)
        data = self.open_data(request, workflow)
        with if_match(request) as expected:
            may = _may_reveal(request, data, asked)
            row = data.variables.set(key, **asked, expected_revision=expected, may_reveal=may)
        return _answer(row, status.HTTP_201_CREATED if row.revision == 1 else status.HTTP_200_OK)

    @extend_schema(
        operation_id="change_variable",
        parameters=[IF_MATCH],
        request=VariableChangeSerializer,
        responses=VariableSerializer,
    )
    def patch(self, request: Request, workflow: str, key: str) -> Response:
        """Change parts of a variable that is there; or increment, append or compare and set it, atomically."""
        asked = read_body(request, VariableChangeSerializer)
        verb = next((name for name in VERBS if name in asked), None)
        data = self.open_data(request, workflow, reason=asked["reason"] if verb and "reason" in asked else "")
        with if_match(request) as expected:
            if verb is not None:
                return _answer(_do(data.variables, key, verb, asked[verb], expected))
            before = data.variables.row(key)
            if "value" not in asked:  # which must not undo what another sets meanwhile
                asked["value"], expected = before.value, before.revision if expected is None else expected
            may = _may_reveal(request, data, asked)
            return _answer(data.variables.set(key, **asked, expected_revision=expected, may_reveal=may))

    @extend_schema(operation_id="delete_variable", parameters=[IF_MATCH, ReasonQuery], responses={204: None})
    def delete(self, request: Request, workflow: str, key: str) -> Response:
        """Delete the variable."""
        reason = read_query(request, ReasonQuery)["reason"]
        with if_match(request) as expected:
            self.open_data(request, workflow).variables.delete(key, reason=reason, expected_revision=expected)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _may_reveal(request: Request, data: WorkflowData, asked: Mapping[str, Any]) -> bool:
    """Whether the caller may see secrets; found out only where what is asked for could show one."""
    return bool({"sensitive", "schema"} & asked.keys()) and may_reveal(request.user, data.workflow)


@transaction.atomic
def _do(variables: Variables, key: str, verb: str, by: Any, expected: int | None) -> WorkflowVariable:
    """Do one of the VERBS and return the variable; raises VariableChanged, VariableDiffers, VariableInvalid."""
    if verb == "compare_and_set":
        row = variables.swap(key, by.get("expected", ABSENT), by["value"])
        if row is None:
            raise VariableDiffers(key)
    else:
        row = variables.grow(key, verb, by)
    if expected is not None and row.revision != expected + 1:
        raise VariableChanged(key, expected, row.revision - 1)
    return row


def _answer(row: WorkflowVariable, code: int = status.HTTP_200_OK) -> Response:
    return Response(VariableSerializer(row).data, code, headers={"ETag": etag(row.revision)})
