"""The REST interface of notifications: one's own, listed and marked read."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from director.api.paging import PageQuery, page_of
from director.api.reading import read_body, read_query
from director.api.schema import page_shape
from executions.notifications import mark_all_read, mark_read, notifications_of

LARGEST_ID = 2**63 - 1


class NotificationSerializer(serializers.Serializer[Any]):
    """What a step told you. `read_at` is null while it is unread."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    message = serializers.CharField()
    link = serializers.CharField(allow_blank=True, help_text="An http(s) address, a path of Director, or empty.")
    workflow = serializers.CharField(source="execution.workflow.slug")
    execution = serializers.IntegerField(source="execution.number")
    step = serializers.CharField(source="alias")
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NotificationQuery(PageQuery):
    """The filters of the list of notifications."""

    unread = serializers.BooleanField(default=False, help_text="Only those that are unread.")


class ReadSerializer(serializers.Serializer[Any]):
    """Which are marked."""

    up_to = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_ID, help_text="Only this one and older ones; all when not said."
    )


class MarkedSerializer(serializers.Serializer[Any]):
    """How many were unread and are not any more."""

    marked = serializers.IntegerField()


class Notifications(APIView):
    """The list of one's notifications."""

    @extend_schema(
        operation_id="list_notifications", parameters=[NotificationQuery], responses=page_shape(NotificationSerializer)
    )
    def get(self, request: Request) -> Response:
        """List your notifications, newest first."""
        query = read_query(request, NotificationQuery)
        rows = notifications_of(request.user, unread=query["unread"])
        return page_of(request, rows, query, NotificationSerializer, newest_first=True)


class ReadAll(APIView):
    """Marking many read."""

    @extend_schema(operation_id="read_notifications", request=ReadSerializer, responses=MarkedSerializer)
    def post(self, request: Request) -> Response:
        """Mark your notifications read."""
        asked = read_body(request, ReadSerializer)
        return Response({"marked": mark_all_read(request.user, **asked)})


class Read(APIView):
    """Marking one read."""

    @extend_schema(operation_id="read_notification", request=None, responses=NotificationSerializer)
    def post(self, request: Request, notification: int) -> Response:
        """Mark the notification read; done again, it keeps when it was read first."""
        return Response(NotificationSerializer(mark_read(request.user, notification)).data)
