"""Doing one thing to all records that match a filter by REST: in the background, with progress and outcomes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from director.api.paging import PageQuery, page_of
from director.api.reading import read_body, read_query
from director.api.schema import page_shape
from records import bulk
from records.api.base import DataView
from records.api.records import PathsSerializer, operations_of
from records.filters import read_filter
from records.models import BulkKind, BulkOperation, BulkOutcome, BulkOutcomeKind, BulkStatus
from records.states import RecordStatus
from workflows.services import get_workflow_for

# Parts of a body that mean something to one action only.
ONLY_WITH = {"set": "patch", "delete": "patch", "status": "move", "error_message": "move"}


class BulkSerializer(PathsSerializer):
    """What to do to which records."""

    action = serializers.ChoiceField(BulkKind.choices)
    filter = serializers.DictField(
        help_text='Which records: `{"type": "email", "status": ["failed"], "fields": [{"path": "vars.kind", '
        '"is": "eq", "value": "lead"}]}`; {} means all of them.'
    )
    status = serializers.ChoiceField(RecordStatus.choices, required=False, help_text="With `move`.")
    error_message = serializers.CharField(required=False, allow_blank=True, help_text="With `move`.")
    dry_run = serializers.BooleanField(default=False, help_text="Only tell how many records it would be about.")
    shown = serializers.IntegerField(
        required=False, min_value=0, help_text="How many a dry run told: refused when there are many more by now."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        stray = [name for name, action in ONLY_WITH.items() if name in attrs and attrs["action"] != action]
        if stray:
            raise serializers.ValidationError({name: f"Goes with the action {ONLY_WITH[name]} only." for name in stray})
        return attrs


class BulkPreviewSerializer(serializers.Serializer[Any]):
    """How many match, by status; `refused` of them would be left as they are."""

    total = serializers.IntegerField()
    by_status = serializers.DictField(child=serializers.IntegerField())
    refused = serializers.IntegerField()


class BulkOperationSerializer(serializers.Serializer[Any]):
    """A bulk operation. Once it is completed, total = changed + unchanged + refused + missing."""

    id = serializers.UUIDField()
    action = serializers.ChoiceField(BulkKind.choices, source="kind")
    filter = serializers.DictField()
    status = serializers.ChoiceField(BulkStatus.choices)
    started_by = serializers.CharField(source="actor.username", allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    total = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    refused = serializers.IntegerField()
    missing = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    url = serializers.SerializerMethodField()

    def get_url(self, operation: BulkOperation) -> str:
        names = {"workflow": operation.workflow_id, "operation": operation.pk}
        return reverse("api-bulk", kwargs=names, request=self.context["request"])


class BulkOutcomeSerializer(serializers.Serializer[Any]):
    """What became of one record."""

    record_id = serializers.CharField(source="name")
    outcome = serializers.ChoiceField(BulkOutcomeKind.choices)
    reason = serializers.CharField(allow_blank=True)


class OutcomesQuery(PageQuery):
    """Which outcomes are meant."""

    outcome = serializers.ChoiceField(BulkOutcomeKind.choices, required=False)


class BulkList(DataView):
    """The bulk operations on a workflow's records."""

    @extend_schema(
        operation_id="list_bulk_operations", parameters=[PageQuery], responses=page_shape(BulkOperationSerializer)
    )
    def get(self, request: Request, workflow: str) -> Response:
        """List bulk operations, newest first."""
        found = get_workflow_for(request.user, workflow)
        rows = BulkOperation.objects.filter(workflow=found).select_related("actor")
        return page_of(request, rows, read_query(request, PageQuery), BulkOperationSerializer, newest_first=True)

    @extend_schema(
        operation_id="start_bulk_operation",
        request=BulkSerializer,
        responses={
            200: OpenApiResponse(BulkPreviewSerializer, description="Of a dry run."),
            202: OpenApiResponse(BulkOperationSerializer, description="Begun."),
        },
    )
    def post(self, request: Request, workflow: str) -> Response:
        """Begin to retry, skip, move, patch or delete the records that match."""
        found = get_workflow_for(request.user, workflow)
        asked = read_body(request, BulkSerializer)
        what = (found, asked["action"], read_filter(asked["filter"]), _parameters(asked))
        if asked["dry_run"]:
            return Response(BulkPreviewSerializer(bulk.preview(*what)).data)
        operation = bulk.start(*what, actor=request.user, reason=asked.get("reason", ""), shown=asked.get("shown"))
        answer = BulkOperationSerializer(operation, context={"request": request}).data
        return Response(answer, status.HTTP_202_ACCEPTED, headers={"Location": answer["url"]})


class BulkDetail(DataView):
    """One bulk operation."""

    @extend_schema(operation_id="get_bulk_operation", responses=BulkOperationSerializer)
    def get(self, request: Request, workflow: str, operation: UUID) -> Response:
        """Return the operation and how far it is."""
        found = bulk.get_operation(get_workflow_for(request.user, workflow), operation)
        return Response(BulkOperationSerializer(found, context={"request": request}).data)


class BulkOutcomes(DataView):
    """What became of each record of a bulk operation."""

    @extend_schema(
        operation_id="list_bulk_outcomes", parameters=[OutcomesQuery], responses=page_shape(BulkOutcomeSerializer)
    )
    def get(self, request: Request, workflow: str, operation: UUID) -> Response:
        """List what became of each record, in the order in which the records were made."""
        found = bulk.get_operation(get_workflow_for(request.user, workflow), operation)
        query = read_query(request, OutcomesQuery)
        rows = BulkOutcome.objects.filter(operation=found)
        if "outcome" in query:
            rows = rows.filter(outcome=query["outcome"])
        return page_of(request, rows, query, BulkOutcomeSerializer, key=("record_id",))


class BulkCancel(DataView):
    """Ending a bulk operation."""

    @extend_schema(operation_id="cancel_bulk_operation", request=None, responses=BulkOperationSerializer)
    def post(self, request: Request, workflow: str, operation: UUID) -> Response:
        """End the operation after the batch being worked on; what is done stays done."""
        found = bulk.get_operation(get_workflow_for(request.user, workflow), operation)
        bulk.cancel(found.pk)
        found.refresh_from_db()
        return Response(BulkOperationSerializer(found, context={"request": request}).data)


def _parameters(asked: dict[str, Any]) -> dict[str, Any]:
    given = {"operations": operations_of(asked), "status": asked.get("status"), "error": asked.get("error_message")}
    return {name: value for name, value in given.items() if value}
