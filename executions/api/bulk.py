"""The REST interface of doing one thing to many executions: cancel or replay what a filter finds, with an outcome each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from director.api.paging import PageQuery, page_of
from director.api.reading import read_body, read_query
from director.api.schema import page_shape
from executions import bulk
from executions.api.executions import ReasonSerializer
from executions.models import ExecutionBulk, ExecutionBulkItem, ExecutionBulkKind
from executions.states import FrameStatus
from records.api.bulk import BulkPreviewSerializer


class BulkReplaySerializer(serializers.Serializer[Any]):
    """What is replayed of each execution."""

    step = serializers.CharField(required=False, max_length=100, help_text="From this step on.")
    statuses = serializers.ListField(
        child=serializers.ChoiceField(FrameStatus.choices), required=False, help_text="Records that ended like this."
    )
    pattern = serializers.CharField(required=False, max_length=255, help_text="Of record ids, such as `email_*`.")
    skip_completed = serializers.BooleanField(required=False)
    dry = serializers.BooleanField(required=False)


class ExecutionBulkRequestSerializer(ReasonSerializer):
    """What to do to which executions."""

    action = serializers.ChoiceField(ExecutionBulkKind.choices)
    filter = serializers.DictField(
        help_text='`{"status": "open", "workflow": "inbox-triage", "labels": {"client": "acme"}, "trigger": "api", "by": '
        '"olivia", "started_after": "2026-11-01T00:00:00Z", "replays": false, "text": "acme", "numbers": [12]}`; '
        "{} means every one you may see."
    )
    replay = BulkReplaySerializer(required=False, help_text="With `replay`.")
    shown = serializers.IntegerField(
        min_value=0, required=False, help_text="The total you agree to; refused when a tenth more match by then."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Only tell how many executions it would be about.")


class ExecutionBulkSerializer(serializers.Serializer[Any]):
    """A bulk operation. Once it is finished, total = done + refused."""

    id = serializers.UUIDField()
    action = serializers.ChoiceField(ExecutionBulkKind.choices, source="kind")
    filter = serializers.DictField()
    reason = serializers.CharField(allow_blank=True)
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    refused = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    url = serializers.SerializerMethodField()

    def get_url(self, operation: ExecutionBulk) -> str:
        return reverse("api-execution-bulk", kwargs={"operation": operation.pk}, request=self.context["request"])


class ExecutionBulkItemSerializer(serializers.Serializer[Any]):
    """What became of one execution; `result` is the replay that was started."""

    execution = serializers.IntegerField(source="execution.number")
    outcome = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    result = serializers.IntegerField(source="result.number", allow_null=True, default=None)


class ExecutionBulkStart(APIView):
    """Doing one thing to many executions."""

    @extend_schema(
        operation_id="start_execution_bulk",
        request=ExecutionBulkRequestSerializer,
        responses={
            200: OpenApiResponse(BulkPreviewSerializer, description="Of a dry run."),
            202: OpenApiResponse(ExecutionBulkSerializer, description="Begun."),
        },
    )
    def post(self, request: Request) -> Response:
        """Begin to cancel or replay, one by one, the executions that match."""
        asked = read_body(request, ExecutionBulkRequestSerializer)
        if asked["dry_run"]:
            found = bulk.preview(asked["action"], asked["filter"], user=request.user)
            return Response(BulkPreviewSerializer(found).data)
        operation = bulk.start(
            asked["action"],
            asked["filter"],
            asked.get("replay", {}),
            user=request.user,
            reason=asked.get("reason", ""),
            shown=asked.get("shown"),
        )
        answer = ExecutionBulkSerializer(operation, context={"request": request}).data
        return Response(answer, status.HTTP_202_ACCEPTED, headers={"Location": answer["url"]})


class ExecutionBulkDetail(APIView):
    """One bulk operation on executions."""

    @extend_schema(operation_id="get_execution_bulk", responses=ExecutionBulkSerializer)
    def get(self, request: Request, operation: UUID) -> Response:
        """Return an operation that you began, and how far it is."""
        found = bulk.get_bulk_for(request.user, operation)
        return Response(ExecutionBulkSerializer(found, context={"request": request}).data)


class ExecutionBulkStop(APIView):
    """Stopping a bulk operation."""

    @extend_schema(operation_id="stop_execution_bulk", request=None, responses=ExecutionBulkSerializer)
    def post(self, request: Request, operation: UUID) -> Response:
        """Leave the executions that it has not come to as they are; what was done stays done."""
        stopped = bulk.stop(bulk.get_bulk_for(request.user, operation).pk)
        return Response(ExecutionBulkSerializer(stopped, context={"request": request}).data)


class ExecutionBulkItems(APIView):
    """What became of each execution of a bulk operation."""

    @extend_schema(
        operation_id="list_execution_bulk_outcomes",
        parameters=[PageQuery],
        responses=page_shape(ExecutionBulkItemSerializer),
    )
    def get(self, request: Request, operation: UUID) -> Response:
        """List what became of each execution, the oldest first."""
        found = bulk.get_bulk_for(request.user, operation)
        rows = ExecutionBulkItem.objects.filter(bulk=found).select_related("execution", "result")
        return page_of(request, rows, read_query(request, PageQuery), ExecutionBulkItemSerializer)
