"""The REST interface of control: pause, resume, change and cancel executions, one or many; what was done and why."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from director.api.paging import PageQuery, page_of
from director.api.reading import read_body, read_query
from director.api.schema import page_shape
from executions import control, modifications
from executions.api.executions import ExecutionDetailSerializer, ReasonSerializer, detail
from executions.models import (
    Execution,
    ExecutionIntervention,
)
from executions.modifications import Modifications
from executions.queries.interventions import without_secrets
from executions.queries.outcome import outcome
from executions.services import get_execution_for
from executions.states import ExecutionStatus
from executions.waiting import why_execution, why_record
from records.api.base import AnyField
from records.models import WorkflowRecord
from records.patches import check_unmasked
from workflows.definition.compile import compile_plan
from workflows.models import WorkflowVersion

MAX_PAUSE_SECONDS = 31 * 24 * 3600
CHANGES = (
    'What is to be otherwise: `{"steps": {"classify": {"input": {"model": "large"}}, "send": {"records": {"email_001": '
    '{"output": {"id": "m-7"}}}}}, "records": {"email_001": {"fields.amount": 41}}, "variables": {"limit": 10}}`.'
)


class RecordsSerializer(ReasonSerializer):
    """Why, and for what. Without `records` the whole execution is meant."""

    records = serializers.ListField(
        child=serializers.CharField(max_length=255), required=False, help_text="Record ids: only the work on these."
    )


class PauseRequestSerializer(RecordsSerializer):
    """What to hold back."""

    steps = serializers.ListField(
        child=serializers.CharField(max_length=100), required=False, help_text="Stop only before these steps."
    )
    seconds = serializers.IntegerField(
        min_value=1, max_value=MAX_PAUSE_SECONDS, required=False, help_text="How long at most."
    )
    then = serializers.ChoiceField(control.LIMITS, required=False, help_text="What follows after that time.")


class ResumeSerializer(RecordsSerializer):
    """What goes on, and with which changes."""

    changes = serializers.DictField(required=False, help_text=CHANGES)
    keep_breakpoints = serializers.BooleanField(
        required=False, help_text="Records that have not come to a named step yet still stop before it."
    )


class ChangeRequestSerializer(ReasonSerializer):
    """What is to be otherwise from the next step boundary on."""

    changes = serializers.DictField(help_text=CHANGES)


class InterventionSerializer(serializers.Serializer[Any]):
    """What a person did to the execution: paused, resumed, changed, cancelled, decided, repaired, retried, replayed."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    by = serializers.CharField(source="user.username", allow_null=True, default=None)
    reason = serializers.CharField(allow_blank=True)
    changes = AnyField()
    at = serializers.DateTimeField()


class EffectDoneSerializer(serializers.Serializer[Any]):
    """How often a step's outside effect happened, may have happened, and failed."""

    step = serializers.CharField()
    effect = serializers.CharField()
    happened = serializers.IntegerField()
    uncertain = serializers.IntegerField()
    failed = serializers.IntegerField()


class RunOutcomeSerializer(serializers.Serializer[Any]):
    """What was and what was not done."""

    status = serializers.ChoiceField(ExecutionStatus.choices)
    records = serializers.DictField(child=serializers.IntegerField())
    midway = serializers.IntegerField(help_text="Of the cancelled records, those that had begun.")
    effects = EffectDoneSerializer(many=True)
    sentence = serializers.CharField()


class WaitingQuery(serializers.Serializer[Any]):
    """Of what it is asked."""

    record = serializers.CharField(required=False, help_text="A record id; the execution itself when not said.")


class WaitingSerializer(serializers.Serializer[Any]):
    """Why it does not run, in one sentence; empty when it does, or when it is over."""

    why = serializers.CharField(allow_blank=True)


class Pause(APIView):
    """Holding an execution back."""

    @extend_schema(operation_id="pause_execution", request=PauseRequestSerializer, responses=ExecutionDetailSerializer)
    def post(self, request: Request, execution: str) -> Response:
        """Hold the execution, some records, or every record before some steps, at the next step boundary."""
        found = get_execution_for(request.user, execution)
        asked = read_body(request, PauseRequestSerializer)
        seconds = asked.pop("seconds", None)
        lasting = timedelta(seconds=seconds) if seconds else None
        return detail(request, control.pause(found, user=request.user, lasting=lasting, **asked))


class Resume(APIView):
    """Letting an execution go on."""

    @extend_schema(operation_id="resume_execution", request=ResumeSerializer, responses=ExecutionDetailSerializer)
    def post(self, request: Request, execution: str) -> Response:
        """Let what is paused go on where it stopped, with changes if you say any."""
        found = get_execution_for(request.user, execution)
        asked = read_body(request, ResumeSerializer)
        changes = changes_of(asked.pop("changes", {}), found)
        return detail(request, control.resume(found, user=request.user, changes=changes, **asked))


class Change(APIView):
    """Changing an execution that is not over."""

    @extend_schema(
        operation_id="change_execution", request=ChangeRequestSerializer, responses=ExecutionDetailSerializer
    )
    def post(self, request: Request, execution: str) -> Response:
        """Change inputs or outputs of steps, record data or variables, from the next step boundary on."""
        found = get_execution_for(request.user, execution)
        asked = read_body(request, ChangeRequestSerializer)
        changes = changes_of(asked.pop("changes"), found)
        return detail(request, control.change(found, changes, user=request.user, **asked))


class Cancel(APIView):
    """Ending an execution."""

    @extend_schema(operation_id="cancel_execution", request=RecordsSerializer, responses=ExecutionDetailSerializer)
    def post(self, request: Request, execution: str) -> Response:
        """End the execution, or its work on some records; records that were not done become discovered again."""
        found = get_execution_for(request.user, execution)
        asked = read_body(request, RecordsSerializer)
        return detail(request, control.cancel(found, user=request.user, **asked))


class Interventions(APIView):
    """What people did to an execution."""

    @extend_schema(
        operation_id="list_interventions", parameters=[PageQuery], responses=page_shape(InterventionSerializer)
    )
    def get(self, request: Request, execution: str) -> Response:
        """List who changed what of the execution and why, newest first."""
        found = get_execution_for(request.user, execution)
        rows = ExecutionIntervention.objects.filter(execution=found).select_related("user")
        query, prepare = read_query(request, PageQuery), partial(without_secrets, found)
        return page_of(request, rows, query, InterventionSerializer, newest_first=True, prepare=prepare)


class Outcome(APIView):
    """What an execution did."""

    @extend_schema(operation_id="get_outcome", responses=RunOutcomeSerializer)
    def get(self, request: Request, execution: str) -> Response:
        """Tell what was and was not done: records by status, effects that happened or may have."""
        return Response(RunOutcomeSerializer(outcome(get_execution_for(request.user, execution))).data)


class Waiting(APIView):
    """Why something does not run."""

    @extend_schema(operation_id="get_waiting", parameters=[WaitingQuery], responses=WaitingSerializer)
    def get(self, request: Request, execution: str) -> Response:
        """Tell in one sentence why the execution, or the work on one of its records, does not go on."""
        found = get_execution_for(request.user, execution)
        query = read_query(request, WaitingQuery)
        if "record" not in query:
            return Response({"why": why_execution(found)})
        key = modifications.keys_of(found, [query["record"]])[query["record"]]
        return Response({"why": why_record(WorkflowRecord.objects.get(pk=key))})


def changes_of(given: dict[str, Any], execution: Execution, version: WorkflowVersion | None = None) -> Modifications:
    """Return the changes that a body says, checked against the version that runs; raises ValueInvalid for a mask."""
    check_unmasked(given)
    runs = version or execution.version
    return modifications.read(given, compile_plan(runs), f"Version {runs.number}" if runs.number else "The draft")
