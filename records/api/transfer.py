"""Records out as files, and in from files, by REST."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from director.api.renderers import CsvRenderer, JsonLinesRenderer, streamed
from records import exporting
from records.api.base import DataView
from records.api.records import TEST_PARAMETER
from records.api.selection import FilterQuery, read_list_query, read_record_filter


class ExportQuery(FilterQuery):
    """What is exported."""

    columns = serializers.CharField(
        required=False, help_text="Of CSV: names and paths with commas, `record_id,status,fields.subject`."
    )


class RecordExport(DataView):
    """Records as a file."""

    renderer_classes = [CsvRenderer, JsonLinesRenderer]

    @extend_schema(
        operation_id="export_records",
        parameters=[ExportQuery, TEST_PARAMETER],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/jsonl"): OpenApiTypes.STR},
    )
    def get(self, request: Request, workflow: str) -> StreamingHttpResponse:
        """Stream the records that match, secrets masked; an import of the file gives the same data."""
        data = self.open_data(request, workflow)
        query = read_list_query(request, ExportQuery)
        narrow = read_record_filter(request, query)
        renderer: Any = request.accepted_renderer
        if isinstance(renderer, CsvRenderer):
            columns = [name.strip() for name in query.get("columns", "").split(",") if name.strip()]
            parts = exporting.export_csv(data.workflow.pk, narrow, columns=columns)
        else:
            parts = exporting.export_json_lines(data.workflow.pk, narrow)
        return streamed(request, parts, renderer.media_type, f"{data.workflow.slug}.{renderer.format}")
