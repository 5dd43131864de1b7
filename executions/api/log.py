"""The REST interface of a run's log."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from director.api.paging import PageQuery, page_response, position
from director.api.reading import read_query
from director.api.schema import page_shape
from executions.notices import LogLevel
from executions.queries import log_entries
from executions.queries.log import KINDS, read, written
from executions.services import get_execution_for
from records.api.base import AnyField


class LogQuery(PageQuery):
    """What of the log is wanted."""

    level = serializers.ChoiceField(LogLevel.choices, required=False, help_text="Of one level; all when not said.")


class LogEntrySerializer(serializers.Serializer[Any]):
    """One line: of a step `log_event` (`step`), an attempt that failed, what a person did, or how the run went (`run`).

    `step_id` names the journal row. Secrets are masked.
    """

    kind = serializers.ChoiceField(sorted(set(KINDS.values())))
    at = serializers.DateTimeField()
    level = serializers.ChoiceField(LogLevel.choices)
    message = serializers.CharField(allow_null=True)
    data = AnyField()  # type: ignore[assignment]
    step = serializers.CharField(allow_blank=True)
    step_id = serializers.IntegerField(allow_null=True)
    record = serializers.CharField(allow_null=True)
    by = serializers.CharField(source="user.username", allow_null=True, default=None)


class Log(APIView):
    """What happened in an execution, as a person reads it."""

    @extend_schema(operation_id="get_log", parameters=[LogQuery], responses=page_shape(LogEntrySerializer))
    def get(self, request: Request, execution: str) -> Response:
        """List what steps wrote, what failed, what people did, and when the execution began and ended, newest first."""
        found = get_execution_for(request.user, execution)
        query = read_query(request, LogQuery)
        after = position(request, query.get("cursor"))
        limit = query["limit"]
        entries = log_entries(found, query.get("level", ""), after=read(after) if after else None, limit=limit + 1)
        page, more = entries[:limit], len(entries) > limit
        return page_response(request, LogEntrySerializer(page, many=True).data, written(page[-1].key) if more else None)
