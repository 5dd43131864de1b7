"""The REST interface of a record's history: what steps, people and sources did with it, and who set each field."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from director.api.errors import ParameterInvalid
from director.api.paging import next_url, position
from director.api.reading import read_query
from executions.queries import History, history_of, record_story, runs_of
from executions.queries.actions import SHOWN, StoryAction
from executions.queries.stories import Entry, StoryChange, StoryStep
from executions.states import StepStatus
from records.api.base import AnyField, DataView, MaskedField
from records.models import ChangeKind, ChangeSource, RecordChange
from records.timeline import Blame, JournalEntry


class HistoryQuery(serializers.Serializer[Any]):
    """What of the history is wanted."""

    show = serializers.ChoiceField(["errors", "people", "data"], required=False, help_text="All of it by default.")
    as_of = serializers.DateTimeField(required=False, help_text="Also the data as it was then, and who had set it.")
    cursor = serializers.CharField(required=False, max_length=1000, help_text="Where the page begins; follow `next`.")


class LineSerializer(serializers.Serializer[Any]):
    """One value that a change set, added or deleted."""

    path = serializers.CharField()
    kind = serializers.ChoiceField(["set", "added", "deleted"])
    before = AnyField()
    after = AnyField()


class ChangeEntrySerializer(serializers.Serializer[Any]):
    """What a person, an import or its source changed."""

    entry = serializers.ChoiceField(["change"], source="kind")
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(ChangeKind.choices, source="change.kind")
    source = serializers.ChoiceField(ChangeSource.choices, source="change.source")  # type: ignore[assignment]
    by = serializers.CharField(source="change.actor.username", allow_null=True)
    reason = serializers.CharField(source="change.reason", allow_blank=True)
    revision = serializers.IntegerField(source="change.revision")
    lines = LineSerializer(many=True)
    more = serializers.IntegerField(source="untold", help_text="Values that it touched beside the lines.")


class AttemptSerializer(serializers.Serializer[Any]):
    """One attempt of a step; `id` names its journal row."""

    id = serializers.IntegerField()
    attempt = serializers.IntegerField()
    status = serializers.ChoiceField(StepStatus.choices)
    started_at = serializers.DateTimeField()
    duration_ms = serializers.FloatField(allow_null=True)
    error = MaskedField()


class StepEntrySerializer(serializers.Serializer[Any]):
    """What a step did; its attempts newest first. `stored_at`: the path of the record that took its output."""

    entry = serializers.ChoiceField(["step"], source="kind")
    at = serializers.DateTimeField()
    execution = serializers.IntegerField(source="last.execution.number")
    step = serializers.CharField(source="last.alias")
    name = serializers.CharField()
    type = serializers.CharField(allow_blank=True)
    stored_at = serializers.CharField(source="store_path", allow_blank=True)
    attempts = AttemptSerializer(many=True)


class MomentEntrySerializer(serializers.Serializer[Any]):
    """A run took the record up (`entered`), or left it in a status."""

    entry = serializers.ChoiceField(["entered", "complete", "failed", "skipped", "cancelled"], source="kind")
    at = serializers.DateTimeField()
    execution = serializers.IntegerField(source="frame.execution.number")
    iterate = serializers.CharField(source="frame.alias")


class ActionEntrySerializer(serializers.Serializer[Any]):
    """What a person did about the record in a run; `again` and `done` are decisions about a `step`."""

    entry = serializers.ChoiceField(["action"], source="kind")
    at = serializers.DateTimeField()
    execution = serializers.IntegerField(source="number")
    what = serializers.ChoiceField(list(SHOWN))
    step = serializers.CharField(allow_blank=True)
    by = serializers.CharField(source="user.username", allow_null=True, default=None)
    reason = serializers.CharField(allow_blank=True)


class BlameSerializer(serializers.Serializer[Any]):
    """Who or what set a field, from what; without `step` and `change` it is as the record was created."""

    path = serializers.CharField()
    at = serializers.DateTimeField()
    before = AnyField()
    step = serializers.SerializerMethodField()
    execution = serializers.SerializerMethodField()
    change = serializers.SerializerMethodField()
    by = serializers.SerializerMethodField()

    def get_step(self, blame: Blame) -> str | None:
        return blame.event.alias if isinstance(blame.event, JournalEntry) else None

    def get_execution(self, blame: Blame) -> int | None:
        return blame.event.execution_number if isinstance(blame.event, JournalEntry) else None

    def get_change(self, blame: Blame) -> str | None:
        return blame.event.source if isinstance(blame.event, RecordChange) else None

    def get_by(self, blame: Blame) -> str | None:
        actor = blame.event.actor if isinstance(blame.event, RecordChange) else None
        return actor.get_username() if actor else None


class PastSerializer(serializers.Serializer[Any]):
    """The record's data at a time, and who had set each field by then."""

    at = serializers.DateTimeField()
    data = AnyField()  # type: ignore[assignment]
    fields = BlameSerializer(many=True)  # type: ignore[assignment]


ENTRIES = PolymorphicProxySerializer(
    component_name="HistoryEntry",
    serializers=[StepEntrySerializer, ChangeEntrySerializer, MomentEntrySerializer, ActionEntrySerializer],
    resource_type_field_name=None,
    many=True,
)


@extend_schema_field(ENTRIES)
class EntriesField(serializers.ListField):
    """Entries of the story, each told by its `entry`."""


class HistorySerializer(serializers.Serializer[Any]):
    """A page of a record's story, newest first."""

    results = EntriesField()
    next = serializers.URLField(allow_null=True)
    past = PastSerializer(required=False)


class RecordHistory(DataView):
    """What happened to a record."""

    @extend_schema(operation_id="get_record_history", parameters=[HistoryQuery], responses=HistorySerializer)
    def get(self, request: Request, workflow: str, record_id: str) -> Response:
        """Tell what steps, people and sources did with the record as one story; with `as_of` what it was then."""
        data = self.open_data(request, workflow)
        record, query = data.records.get(record_id), read_query(request, HistoryQuery)
        cursor = position(request, query.get("cursor")) or ""
        story = record_story(record, runs_of(record), data.secrets, query.get("show", ""), cursor)
        answer = {"results": [_told(entry) for entry in story.entries], "next": next_url(request, story.next or None)}
        if "as_of" in query:
            if query["as_of"] < record.created_at:
                detail = f"The record was made at {record.created_at.isoformat()}; it was nothing before."
                raise ParameterInvalid([{"parameter": "as_of", "detail": detail, "code": "invalid"}])
            answer["past"] = _past(history_of(record, data.secrets), query["as_of"])
        return Response(answer)


def _told(entry: Entry) -> Any:
    if isinstance(entry, StoryStep):
        return StepEntrySerializer(entry).data
    if isinstance(entry, StoryChange):
        return ChangeEntrySerializer(entry).data
    if isinstance(entry, StoryAction):
        return ActionEntrySerializer(entry).data
    return MomentEntrySerializer(entry).data


def _past(history: History, moment: datetime) -> Any:
    point = history.point(sum(each.event.at <= moment for each in history.moments))
    blame = history.blame(point).values()
    return PastSerializer({"at": moment, "data": history.shown(point), "fields": list(blame)}).data
