"""The REST interface of replaying and repairing: replay, preview, shadow, decide, repair, compare."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from director.api.paging import PageQuery, page_response, position
from director.api.reading import read_body, read_query
from director.api.schema import page_shape
from director.given import number_in
from executions import repair
from executions.api.control import CHANGES, changes_of
from executions.api.executions import ReasonSerializer, RetriedSerializer, StartedSerializer, retried
from executions.models import Execution
from executions.queries.secrets import secrets_of_frame
from executions.queries.stories import get_step_for
from executions.replay import comparison, shadow
from executions.replay import services as replay
from executions.replay.services import Choice
from executions.services import get_execution_for
from executions.states import FrameStatus
from records.api.base import AnyField, MaskedField
from records.patches import check_unmasked
from workflows.services import get_version, get_workflow_for


class ReplaySerializer(ReasonSerializer):
    """What to replay."""

    step = serializers.CharField(required=False, max_length=100, help_text="Alias; from the beginning when not said.")
    records = serializers.ListField(
        child=serializers.CharField(max_length=255), required=False, help_text="Record ids."
    )
    pattern = serializers.CharField(required=False, max_length=255, help_text="Of record ids, such as `email_*`.")
    statuses = serializers.ListField(
        child=serializers.ChoiceField(FrameStatus.choices),
        required=False,
        help_text="Records that ended like this in the execution: `failed` for the failed ones.",
    )
    skip_completed = serializers.BooleanField(default=False, help_text="Leave out records that were completed.")
    version = serializers.IntegerField(min_value=1, required=False, help_text="Another than that of the execution.")
    modifications = serializers.DictField(required=False, help_text=CHANGES)
    dry = serializers.BooleanField(default=False, help_text="Answer effects from what was recorded, write nothing.")


class StepPreviewSerializer(serializers.Serializer[Any]):
    """What the replay means for a step."""

    step = serializers.CharField()
    reused = serializers.IntegerField(help_text="Outcomes that stand.")
    again = serializers.IntegerField(help_text="How often it happened before and would happen again.")
    at_most = serializers.IntegerField(help_text="How often it may run.")
    effect = serializers.CharField()
    makes_records = serializers.BooleanField()
    overridden = serializers.BooleanField()
    repeats_effect = serializers.BooleanField()


class ReplayPreviewSerializer(serializers.Serializer[Any]):
    """What the replay would do."""

    version = serializers.IntegerField(allow_null=True)
    records = serializers.DictField(child=serializers.IntegerField(), help_text="Walked again, by iterate.")
    left_open = serializers.IntegerField(help_text="Records that the execution is still working on.")
    effects_again = serializers.IntegerField()
    dry = serializers.BooleanField()
    steps = StepPreviewSerializer(many=True)


class ShadowSerializer(ReasonSerializer):
    """Which version to judge by which records."""

    version = serializers.RegexField(r"^(draft|[1-9][0-9]{0,8})$", help_text="A number, or `draft`.")
    last = serializers.IntegerField(min_value=1, max_value=shadow.MAX_LAST, default=shadow.DEFAULT_LAST)
    iterate = serializers.CharField(required=False, max_length=100)


class RecordReportSerializer(serializers.Serializer[Any]):
    """One record of a shadow replay; `data` and `steps` are JSON Patches from then to now."""

    record = serializers.CharField()
    verdict = serializers.ChoiceField(shadow.VERDICTS)
    data = MaskedField()  # type: ignore[assignment]  # fields are taken off the class, they hide nothing
    steps = MaskedField()
    error = MaskedField(allow_null=True)


class ReportSerializer(serializers.Serializer[Any]):
    """How many records there are of each verdict, so far."""

    total = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField())
    done = serializers.BooleanField()


class DecideSerializer(ReasonSerializer):
    """What to make of a step that may have happened."""

    step = serializers.CharField(max_length=100)
    decision = serializers.ChoiceField(repair.DECISIONS, help_text="`done`: with this `output`; `again`: do it again.")
    output = AnyField(required=False)
    records = serializers.ListField(
        child=serializers.CharField(max_length=255), required=False, help_text="Record ids; none for the run itself."
    )


class InterruptedQuery(serializers.Serializer[Any]):
    """Of which record."""

    record = serializers.CharField(required=False, help_text="A record id; the run itself when not said.")


class InterruptedSerializer(serializers.Serializer[Any]):
    """A step that may have happened: what to look up."""

    step = serializers.CharField()
    input = MaskedField(allow_null=True)
    started_at = serializers.DateTimeField()
    idempotency_key = serializers.CharField(help_text="What the service was given, if it takes one.")


class RepairSerializer(ReasonSerializer):
    """What to put right of failed records before they go on."""

    records = serializers.ListField(child=serializers.CharField(max_length=255), min_length=1)
    alike = serializers.BooleanField(default=False, help_text="And all that failed as the first of them did.")
    edit = serializers.DictField(required=False, help_text='Values by path: `{"fields.amount": 41}`.')
    steps = serializers.DictField(required=False, help_text='`{"net": {"output": 100}}` or an `input`.')


class RetryGroupSerializer(ReasonSerializer):
    """Which failure group, and how many of it."""

    cause = serializers.CharField(max_length=64, help_text="The group's key.")
    first = serializers.IntegerField(min_value=1, required=False, help_text="Only so many, to see whether it helps.")


class GroupRetriedSerializer(serializers.Serializer[Any]):
    """What is being retried, and how many of the group are left."""

    retried = RetriedSerializer()
    remaining = serializers.IntegerField()


class ComparisonSerializer(serializers.Serializer[Any]):
    """Two executions, as counts."""

    steps = serializers.DictField(child=serializers.DictField(child=serializers.IntegerField()))
    same = serializers.IntegerField(help_text="Records that are the same in every step.")
    different = serializers.IntegerField()


class DifferenceQuery(PageQuery):
    """Which differences are meant."""

    step = serializers.CharField(required=False)
    record = serializers.CharField(required=False, help_text="A pattern of record ids, such as `email_*`.")
    verdict = serializers.ChoiceField(comparison.VERDICTS, required=False)


class DifferenceSerializer(serializers.Serializer[Any]):
    """One step of one record that is not the same; `diff` is a JSON Patch of the outputs."""

    record = serializers.CharField(allow_null=True)
    iterate = serializers.CharField(allow_blank=True)
    step = serializers.CharField()
    verdict = serializers.ChoiceField(comparison.VERDICTS)
    row_a = serializers.IntegerField(allow_null=True)
    row_b = serializers.IntegerField(allow_null=True)
    status_a = serializers.CharField(allow_null=True)
    status_b = serializers.CharField(allow_null=True)
    error_a = MaskedField(allow_null=True)
    error_b = MaskedField(allow_null=True)
    diff = MaskedField()


class Replay(APIView):
    """Replaying an execution."""

    @extend_schema(operation_id="replay_execution", request=ReplaySerializer, responses={201: StartedSerializer})
    def post(self, request: Request, execution: str) -> Response:
        """Start a new execution that begins with what this one recorded; this one stays as it is."""
        return _replayed(request, get_execution_for(request.user, execution), read_body(request, ReplaySerializer))


class ReplayStep(APIView):
    """Replaying an execution from a step."""

    @extend_schema(operation_id="replay_from_step", request=ReplaySerializer, responses={201: StartedSerializer})
    def post(self, request: Request, execution: str, step: str) -> Response:
        """Replay from a step, by alias; or by the id of a journal row, then for its record alone."""
        found = get_execution_for(request.user, execution)
        asked = {**read_body(request, ReplaySerializer), "step": step}
        journal_row = number_in(step)
        if journal_row is not None:
            row = get_step_for(found, journal_row)
            asked["step"] = row.alias
            if row.record is not None:
                asked["records"] = [row.record.record_id]
        return _replayed(request, found, asked)


class ReplayPreview(APIView):
    """What a replay would do."""

    @extend_schema(operation_id="preview_replay", request=ReplaySerializer, responses=ReplayPreviewSerializer)
    def post(self, request: Request, execution: str) -> Response:
        """Tell what a replay would reuse and run, and which effects would happen again; nothing is started."""
        found = get_execution_for(request.user, execution)
        asked = _request(found, read_body(request, ReplaySerializer))
        return Response(ReplayPreviewSerializer(replay.preview(found, asked)).data)


class ShadowReplay(APIView):
    """Judging a version by the past."""

    @extend_schema(operation_id="start_shadow_replay", request=ShadowSerializer, responses={201: StartedSerializer})
    def post(self, request: Request, workflow: str) -> Response:
        """Walk the last records again by a version or the draft, without any effect."""
        found = get_workflow_for(request.user, workflow)
        asked = read_body(request, ShadowSerializer)
        version = shadow.version_called(found, asked.pop("version"))
        return _started(request, shadow.start(found, version, user=request.user, **asked))


class ShadowReport(APIView):
    """The report of a shadow replay."""

    @extend_schema(operation_id="get_shadow_report", responses=ReportSerializer)
    def get(self, request: Request, execution: str) -> Response:
        """Return how many records are the same, different, newly failing, or without a recording."""
        return Response(ReportSerializer(shadow.report(shadow.get_shadow_for(request.user, execution))).data)


class ShadowRecords(APIView):
    """The records of a shadow replay."""

    @extend_schema(
        operation_id="list_shadow_records", parameters=[PageQuery], responses=page_shape(RecordReportSerializer)
    )
    def get(self, request: Request, execution: str) -> Response:
        """List what would be different for each record."""
        found, query = shadow.get_shadow_for(request.user, execution), read_query(request, PageQuery)
        after = position(request, query.get("cursor")) or 0
        page = shadow.records_page(found, after=after, size=query["limit"])
        more = page[-1].key if len(page) == query["limit"] else None
        return page_response(request, RecordReportSerializer(page, many=True).data, more)


class Decide(APIView):
    """Deciding about a step that may have happened."""

    @extend_schema(operation_id="decide_step", request=DecideSerializer, responses={202: RetriedSerializer})
    def post(self, request: Request, execution: str) -> Response:
        """Treat a step as done with this output, or do it again, and go on from there."""
        found = get_execution_for(request.user, execution)
        asked = read_body(request, DecideSerializer)
        check_unmasked(asked.get("output"), ("output",))
        return retried(request, repair.decide(found, user=request.user, **asked))


class Interrupted(APIView):
    """A step that may have happened."""

    @extend_schema(operation_id="get_interrupted_step", parameters=[InterruptedQuery], responses=InterruptedSerializer)
    def get(self, request: Request, execution: str) -> Response:
        """Return what the interrupted step was about to do, so that it can be looked up."""
        found = get_execution_for(request.user, execution)
        query = read_query(request, InterruptedQuery)
        told = repair.interrupted(found, query.get("record"))
        return Response(InterruptedSerializer(told, context={"secrets": secrets_of_frame(found, told.frame)}).data)


class Repair(APIView):
    """Putting failed records right."""

    @extend_schema(operation_id="repair_records", request=RepairSerializer, responses={202: RetriedSerializer})
    def post(self, request: Request, execution: str) -> Response:
        """Edit failed records or what their steps gave, and let them go on from there."""
        found = get_execution_for(request.user, execution)
        asked = read_body(request, RepairSerializer)
        check_unmasked(asked.get("steps", {}), ("steps",))
        records = repair.alike(found, asked["records"][0]) if asked["alike"] else []
        named = list(dict.fromkeys([*asked["records"], *records]))
        what = repair.Repair(asked.get("edit", {}), asked.get("steps", {}))
        reason = asked.get("reason", "")
        return retried(request, repair.repair(found, named, what, user=request.user, reason=reason))


class RetryGroup(APIView):
    """Retrying a failure group."""

    @extend_schema(operation_id="retry_group", request=RetryGroupSerializer, responses={202: GroupRetriedSerializer})
    def post(self, request: Request, execution: str) -> Response:
        """Retry the first few records of a failure group, or all that are left of it."""
        found = get_execution_for(request.user, execution)
        done = repair.retry_group(found, user=request.user, **read_body(request, RetryGroupSerializer))
        answer = GroupRetriedSerializer(done, context={"request": request}).data
        return Response(answer, status.HTTP_202_ACCEPTED)


class Compare(APIView):
    """Comparing two executions."""

    @extend_schema(operation_id="compare_executions", responses=ComparisonSerializer)
    def get(self, request: Request, execution: str, other: str) -> Response:
        """Return how the outcomes of the other execution differ from those of this one, as counts."""
        a, b = get_execution_for(request.user, execution), get_execution_for(request.user, other)
        return Response(ComparisonSerializer(comparison.compare(a, b)).data)


class Differences(APIView):
    """What differs between two executions."""

    @extend_schema(
        operation_id="list_differences", parameters=[DifferenceQuery], responses=page_shape(DifferenceSerializer)
    )
    def get(self, request: Request, execution: str, other: str) -> Response:
        """List what is not the same, by record and step."""
        a, b = get_execution_for(request.user, execution), get_execution_for(request.user, other)
        query = read_query(request, DifferenceQuery)
        after = position(request, query.get("cursor"))
        narrow: dict[str, Any] = {"verdicts": (query["verdict"],)} if "verdict" in query else {}
        narrow |= {name: query[name] for name in ("step", "record") if name in query}
        page = comparison.differences(a, b, after=tuple(after) if after else None, limit=query["limit"], **narrow)
        more = page[-1].key if len(page) == query["limit"] else None
        return page_response(request, DifferenceSerializer(page, many=True).data, more)


def _request(execution: Execution, asked: dict[str, Any]) -> replay.Request:
    number = asked.get("version")
    version = get_version(execution.workflow, number) if number else None
    return replay.Request(
        step=asked.get("step", ""),
        chosen=Choice(asked.get("records", ()), asked.get("pattern", ""), asked.get("statuses", ())),
        skip_completed=asked["skip_completed"],
        version=version,
        changes=changes_of(asked.get("modifications", {}), execution, version),
        dry=asked["dry"],
    )


def _replayed(request: Request, execution: Execution, asked: dict[str, Any]) -> Response:
    reason = asked.get("reason", "")
    started = replay.replay(execution, _request(execution, asked), user=request.user, reason=reason)
    return _started(request, started)


def _started(request: Request, execution: Execution) -> Response:
    answer = StartedSerializer(execution, context={"request": request}).data
    return Response(answer, status.HTTP_201_CREATED, headers={"Location": answer["url"]})
