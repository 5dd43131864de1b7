"""Variables and records together by REST."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from director.api.paging import PageQuery, next_url, position
from director.api.reading import read_query
from records.api.base import AnyField, DataView, ReasonQuery
from records.services import KINDS


class DataQuery(PageQuery):
    """Which data is meant."""

    bucket = serializers.CharField(default="all", help_text="`all`, `global`, `records`, or the id of a record.")
    pattern = serializers.CharField(default="*", help_text="Of variable keys and record ids.")
    metadata = serializers.BooleanField(default=False, help_text="Also what is known about each value.")


class ClearQuery(ReasonQuery):
    """Which data goes."""

    kind = serializers.ChoiceField(KINDS, help_text="Must be said, so that nothing goes by oversight.")
    pattern = serializers.CharField(help_text="Of variable keys and record ids; `*` for all.")


class DataSerializer(serializers.Serializer[Any]):
    """Variables by key and records by id; records come a page at a time."""

    variables = serializers.DictField(child=AnyField(), required=False)
    records = serializers.DictField(child=AnyField(), required=False)
    next = serializers.URLField(allow_null=True)


class ClearedSerializer(serializers.Serializer[Any]):
    """What went; `held` counts the records that a run works on, which stay."""

    variables = serializers.IntegerField()
    records = serializers.IntegerField()
    held = serializers.IntegerField()


class VariableStatsSerializer(serializers.Serializer[Any]):
    """How many variables there are."""

    total = serializers.IntegerField()
    by_type = serializers.DictField(child=serializers.IntegerField())
    by_kind = serializers.DictField(child=serializers.IntegerField())
    sensitive = serializers.IntegerField()


class RecordStatsSerializer(serializers.Serializer[Any]):
    """How many records there are."""

    total = serializers.IntegerField()
    by_type = serializers.DictField(child=serializers.DictField(child=serializers.IntegerField()))
    by_status = serializers.DictField(child=serializers.IntegerField())


class StatsSerializer(serializers.Serializer[Any]):
    """How much a workflow knows."""

    variables = VariableStatsSerializer()
    records = RecordStatsSerializer()


class Data(DataView):
    """What a workflow knows."""

    @extend_schema(operation_id="get_data", parameters=[DataQuery], responses=DataSerializer)
    def get(self, request: Request, workflow: str) -> Response:
        """Return variables (on the first page) and records, secrets masked."""
        data = self.open_data(request, workflow)
        query = read_query(request, DataQuery)
        found = data.data(
            query["bucket"],
            query["pattern"],
            metadata=query["metadata"],
            cursor=position(request, query.get("cursor")) or "",
            size=query["limit"],
        )
        return Response({**found, "next": next_url(request, found["next"] or None)})

    @extend_schema(operation_id="clear_data", parameters=[ClearQuery], responses={200: ClearedSerializer})
    def delete(self, request: Request, workflow: str) -> Response:
        """Delete the variables or records, or both, whose key or id fits the pattern."""
        query = read_query(request, ClearQuery)
        data = self.open_data(request, workflow, reason=query["reason"])
        return Response(data.clear(query["kind"], query["pattern"]))


class Stats(DataView):
    """How much a workflow knows."""

    @extend_schema(operation_id="get_data_stats", responses=StatsSerializer)
    def get(self, request: Request, workflow: str) -> Response:
        """Return how many variables and records there are, by type, kind and status."""
        return Response(self.open_data(request, workflow).stats())
