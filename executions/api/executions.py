"""The REST interface of executions: start, look, list the journal, retry."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from director.api.paging import PageQuery, page_of
from director.api.reading import idempotency_key, prefixed, read_body, read_query
from director.api.schema import free_parameters, page_shape
from executions import retry, services
from executions.filters import read_filter
from executions.models import Execution, ExecutionStep, TriggerType
from executions.queries.lists import PEOPLE, with_records
from executions.queries.progress import progress
from executions.queries.stories import get_step_for, secrets_in
from executions.queries.walks import of_record
from executions.states import ExecutionStatus, StepStatus
from records.api.base import MaskedField
from workflows.services import get_version, get_workflow_for

REPLAYED = "Idempotency-Replayed"
KEY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A start with the same key and body is made once and answered alike; kept as long as the execution.",
)
LABEL_PARAMETER = free_parameters("labels", "Only executions with these labels, such as `label.client=acme`.")


class ReasonSerializer(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(
        required=False, max_length=1000, allow_blank=True, help_text="Kept on the execution."
    )


class ExecutionStartSerializer(serializers.Serializer[Any]):
    """What a start may say."""

    version = serializers.IntegerField(min_value=1, required=False, help_text="The latest published one by default.")
    trigger_data = serializers.DictField(required=False, help_text="`{{ trigger }}` in templates.")
    labels = serializers.DictField(
        child=serializers.CharField(max_length=200), required=False, help_text="For filtering, such as the client."
    )


class StartedSerializer(serializers.Serializer[Any]):
    """A start as it was made. Nothing here ever changes, so a repeated request gets the same answer."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    workflow = serializers.CharField(source="workflow.slug")
    version = serializers.IntegerField(source="version.number", allow_null=True, help_text="Null for a draft.")
    labels = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    url = serializers.HyperlinkedIdentityField("api-execution", lookup_field="number", lookup_url_kwarg="execution")


class ExecutionSerializer(serializers.Serializer[Any]):
    """One run; `records` counts what went through it by status. Made of a `Run`."""

    id = serializers.UUIDField(source="execution.id")
    number = serializers.IntegerField(source="execution.number")
    workflow = serializers.CharField(source="execution.workflow.slug")
    version = serializers.IntegerField(source="execution.version.number", allow_null=True)
    status = serializers.ChoiceField(ExecutionStatus.choices, source="execution.status")
    trigger_type = serializers.ChoiceField(TriggerType.choices, source="execution.trigger_type")
    trigger_data = MaskedField(source="execution.trigger_data")
    labels = serializers.DictField(source="execution.labels")
    started_by = serializers.CharField(source="execution.started_by.username", allow_null=True)
    replay_of = serializers.UUIDField(source="execution.replay_of_id", allow_null=True)
    error = MaskedField(source="execution.error")
    records = serializers.DictField(child=serializers.IntegerField())
    created_at = serializers.DateTimeField(source="execution.created_at")
    started_at = serializers.DateTimeField(source="execution.started_at", allow_null=True)
    finished_at = serializers.DateTimeField(source="execution.finished_at", allow_null=True)
    url = serializers.HyperlinkedRelatedField[Execution](
        "api-execution", source="execution", lookup_field="number", lookup_url_kwarg="execution", read_only=True
    )


class StepProgressSerializer(serializers.Serializer[Any]):
    """Where a step stands: its records (or the run itself) by status, and the time it took in all."""

    counts = serializers.DictField(child=serializers.IntegerField())
    duration_ms = serializers.FloatField()


class ProgressSerializer(serializers.Serializer[Any]):
    """How far a run is."""

    records = serializers.DictField(child=serializers.IntegerField())
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    open = serializers.IntegerField()
    steps = serializers.DictField(child=StepProgressSerializer())


class ExecutionDetailSerializer(ExecutionSerializer):
    """One run with its progress."""

    progress = ProgressSerializer()


class StepSerializer(serializers.Serializer[Any]):
    """A journal row: one attempt of one step, for one record or for the run itself."""

    id = serializers.IntegerField()
    alias = serializers.CharField()
    attempt = serializers.IntegerField()
    status = serializers.ChoiceField(StepStatus.choices)
    record = serializers.CharField(source="record.record_id", allow_null=True)
    error = MaskedField()
    started_at = serializers.DateTimeField()
    duration_ms = serializers.FloatField(allow_null=True)


class StepDetailSerializer(StepSerializer):
    """A journal row with what went in and what came out."""

    input = MaskedField()
    output = MaskedField()


class RetriedSerializer(serializers.Serializer[Any]):
    """How many records go on, and in which executions: the original, or a new one where that is over."""

    records = serializers.IntegerField()
    executions = StartedSerializer(many=True)


class ExecutionQuery(PageQuery):
    """The filters of the list of executions."""

    status = serializers.ChoiceField(
        [*ExecutionStatus.values, "open"], required=False, help_text="`open`: not over yet."
    )
    workflow = serializers.CharField(required=False, help_text="Id or slug.")
    trigger = serializers.ChoiceField(TriggerType.choices, required=False)
    by = serializers.CharField(required=False, help_text="User name of who started it.")
    started_after = serializers.DateTimeField(required=False)
    started_before = serializers.DateTimeField(required=False)
    replays = serializers.BooleanField(required=False, help_text="Only replays and retries, or none of them.")
    text = serializers.CharField(
        required=False, max_length=200, help_text="A number, or part of a workflow's name or of a label."
    )


class StepQuery(PageQuery):
    """The filters of the journal."""

    alias = serializers.CharField(required=False)
    status = serializers.ChoiceField(StepStatus.choices, required=False)
    record = serializers.CharField(required=False, help_text="A record id, such as `email_001`.")


class WorkflowExecutions(APIView):
    """Starting a workflow."""

    @extend_schema(
        operation_id="start_execution",
        parameters=[KEY_HEADER],
        request=ExecutionStartSerializer,
        responses={
            201: OpenApiResponse(StartedSerializer, description=f"Started, or (with {REPLAYED}) started before.")
        },
    )
    def post(self, request: Request, workflow: str) -> Response:
        """Start the workflow's published version, or the version named."""
        found = get_workflow_for(request.user, workflow)
        asked = read_body(request, ExecutionStartSerializer)
        number = asked.pop("version", None)
        result = services.start_execution(
            found,
            version=get_version(found, number) if number else None,
            trigger_type=TriggerType.API,
            user=request.user,
            idempotency_key=idempotency_key(request),
            **asked,
        )
        started = StartedSerializer(result.execution, context={"request": request}).data
        headers = {"Location": started["url"]} | ({} if result.created else {REPLAYED: "true"})
        return Response(started, status.HTTP_201_CREATED, headers=headers)


class Executions(APIView):
    """The list of executions."""

    @extend_schema(
        operation_id="list_executions",
        parameters=[ExecutionQuery, LABEL_PARAMETER],
        responses=page_shape(ExecutionSerializer),
    )
    def get(self, request: Request) -> Response:
        """List executions, newest first."""
        query = read_query(request, ExecutionQuery, free=("label.",))
        parts = {part: query[part] for part in query if part not in ("limit", "cursor")}
        narrow = read_filter(request.user, {**parts, "labels": prefixed(request, "label.")})
        rows = narrow.apply(Execution.objects.all().visible_to(request.user)).select_related(*PEOPLE)
        return page_of(
            request, rows, query, ExecutionSerializer, key=("number",), newest_first=True, prepare=with_records
        )


class ExecutionDetail(APIView):
    """One execution."""

    @extend_schema(operation_id="get_execution", responses=ExecutionDetailSerializer)
    def get(self, request: Request, execution: str) -> Response:
        """Return the execution, by number or id, with its progress."""
        return detail(request, services.get_execution_for(request.user, execution))


class Steps(APIView):
    """The journal of an execution."""

    @extend_schema(operation_id="list_steps", parameters=[StepQuery], responses=page_shape(StepSerializer))
    def get(self, request: Request, execution: str) -> Response:
        """List the journal by step alias, each step's rows in the order of time; get a row for its input and output."""
        found = services.get_execution_for(request.user, execution)
        query = read_query(request, StepQuery)
        wanted: dict[str, Any] = {name: query[name] for name in ("alias", "status") if name in query}
        if "record" in query:
            wanted |= of_record(found, query["record"])
        rows = ExecutionStep.objects.filter(execution=found, **wanted).select_related("record")
        light = rows.defer("input", "output", "record__data")
        return page_of(request, light, query, StepSerializer, key=("alias", "id"))


class StepDetail(APIView):
    """One journal row."""

    @extend_schema(operation_id="get_step", responses=StepDetailSerializer)
    def get(self, request: Request, execution: str, step: int) -> Response:
        """Return one attempt of a step with its input and output."""
        found = services.get_execution_for(request.user, execution)
        row = get_step_for(found, step)
        return Response(StepDetailSerializer(row, context={"secrets": secrets_in(row)}).data)


class RetryFailed(APIView):
    """Retrying the failed records of an execution."""

    @extend_schema(
        operation_id="retry_failed_of_execution", request=ReasonSerializer, responses={202: RetriedSerializer}
    )
    def post(self, request: Request, execution: str) -> Response:
        """Let the failed records go on from the step that failed."""
        found = services.get_execution_for(request.user, execution)
        return retried(request, retry.retry_failed(found, user=request.user, **read_body(request, ReasonSerializer)))


class RetryFailedRecords(APIView):
    """Retrying the failed records of a workflow."""

    @extend_schema(operation_id="retry_failed_records", request=ReasonSerializer, responses={202: RetriedSerializer})
    def post(self, request: Request, workflow: str) -> Response:
        """Let every failed record of the workflow go on from the step that failed."""
        found = get_workflow_for(request.user, workflow)
        done = retry.retry_records(found.pk, user=request.user, **read_body(request, ReasonSerializer))
        return retried(request, done)


def detail(request: Request, execution: Execution) -> Response:
    """Answer with the execution and its progress."""
    found = progress(execution)
    whole = {"execution": execution, "records": found.records, "progress": found}
    return Response(ExecutionDetailSerializer(whole, context={"request": request}).data)


def retried(request: Request, done: retry.Retried) -> Response:
    """Answer with how many records go on, and where."""
    return Response(RetriedSerializer(done, context={"request": request}).data, status.HTTP_202_ACCEPTED)
