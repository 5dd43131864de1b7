"""Records out as files, and in from files, by REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from director import jsontools
from director.api.errors import BodyInvalid, ParameterInvalid
from director.api.paging import PageQuery, page_of
from director.api.reading import read_body, read_query
from director.api.renderers import CsvRenderer, JsonLinesRenderer, streamed
from director.api.schema import page_shape
from records import exporting, importing
from records.api.base import AnyField, DataView
from records.api.records import TEST_PARAMETER
from records.api.selection import FilterQuery, is_path, read_list_query, read_record_filter
from records.models import ImportStatus, RecordImport
from records.revealing import reveal_records
from records.secrets import Secrets, secrets_of
from workflows.services import get_workflow_for


class ExportQuery(FilterQuery):
    """What is exported."""

    columns = serializers.CharField(
        required=False, help_text="Of CSV: names and paths with commas, `record_id,status,fields.subject`."
    )
    reveal = serializers.BooleanField(
        default=False, help_text="With the secrets, for those who may see them; kept in the history of each record."
    )
    reason = serializers.CharField(default="", allow_blank=True, max_length=1000, help_text="Why secrets are shown.")


class RecordExport(DataView):
    """Records as a file."""

    renderer_classes = [CsvRenderer, JsonLinesRenderer]

    @extend_schema(
        operation_id="export_records",
        parameters=[ExportQuery, TEST_PARAMETER],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/jsonl"): OpenApiTypes.STR},
    )
    def get(self, request: Request, workflow: str) -> StreamingHttpResponse:
        """Stream the records that match, secrets masked unless revealed; an import of the file gives the same data."""
        query = read_list_query(request, ExportQuery)
        data = self.open_data(request, workflow, reason=query["reason"])
        renderer: Any = request.accepted_renderer
        columns = _columns(query.get("columns", ""), is_csv=isinstance(renderer, CsvRenderer))
        narrow, reveal = read_record_filter(request, query), query["reveal"]
        if reveal:
            reveal_records(request.user, data.workflow, narrow, data.origin)
        if isinstance(renderer, CsvRenderer):
            parts = exporting.export_csv(data.workflow.pk, narrow, columns=columns, reveal=reveal)
        else:
            parts = exporting.export_json_lines(data.workflow.pk, narrow, reveal=reveal)
        return streamed(request, parts, renderer.media_type, f"{data.workflow.slug}.{renderer.format}")


def _columns(said: str, *, is_csv: bool) -> list[str]:
    """Return the columns that were chosen; raises ParameterInvalid for one that there cannot be."""
    names = [name.strip() for name in said.split(",") if name.strip()]
    if names and not is_csv:
        raise _refused("Goes with format=csv only; JSON Lines have all of each record.")
    about = (*exporting.ABOUT, *exporting.TIMES)
    for name in names:
        if name not in about and not is_path(name):
            raise _refused(f"There is no column {name}, only {', '.join(about)}, and paths such as fields.city.")
    return names


def _refused(detail: str) -> ParameterInvalid:
    return ParameterInvalid([{"parameter": "columns", "detail": detail, "code": "invalid"}])


@extend_schema_field({"type": "object", "additionalProperties": {}})
class OptionsField(serializers.JSONField):
    """An object as JSON; in a form as its text."""


class ImportOptionsSerializer(serializers.Serializer[Any]):
    """How rows become records, and why."""

    options = OptionsField(
        default=dict,
        help_text='`{"type": "lead", "id_pattern": "lead_{{ item.email }}", "on_existing": "merge", '
        '"mapping": {"E-Mail": "fields.email", "Notes": ""}}`; columns not mapped go where their name says.',
    )
    reason = serializers.CharField(required=False, max_length=1000, help_text="Kept in the history.")


class ImportUploadSerializer(ImportOptionsSerializer):
    """A file of records: CSV, JSON (`.json`) or JSON Lines (`.jsonl`), up to 512 MB."""

    file = serializers.FileField(allow_empty_file=True)
    confirm = serializers.BooleanField(default=False, help_text="Begin at once, without looking at the preview.")


class ImportPreviewRowSerializer(serializers.Serializer[Any]):
    """A row as it would be imported; `problem` says why it would be refused. Context: the workflow's `secrets`."""

    position = serializers.CharField()
    type = serializers.CharField(allow_blank=True)
    record_id = serializers.CharField(source="record.record_id", allow_null=True)
    data = serializers.SerializerMethodField()  # type: ignore[assignment]
    exists = serializers.BooleanField()
    problem = serializers.CharField(allow_blank=True)

    def get_data(self, row: importing.PreviewRow) -> dict[str, Any] | None:
        secrets: Secrets = self.context["secrets"]
        return secrets.shown(row.record.data()) if row.record else None


class ImportPreviewSerializer(serializers.Serializer[Any]):
    """The first 20 rows of a file; `targets` says where each column goes, "" for nowhere."""

    columns = serializers.ListField(child=serializers.CharField())
    targets = serializers.DictField(child=serializers.CharField(allow_blank=True))
    rows = ImportPreviewRowSerializer(many=True)


class ImportSerializer(serializers.Serializer[Any]):
    """An import. `done` rows = created + merged + unchanged + skipped + failed; `problems` names the failed rows."""

    id = serializers.UUIDField()
    file_name = serializers.CharField()
    size_bytes = serializers.IntegerField()
    status = serializers.ChoiceField(ImportStatus.choices)
    started_by = serializers.CharField(source="actor.username", allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    options = serializers.DictField()
    done = serializers.IntegerField()
    created = serializers.IntegerField()
    merged = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    skipped = serializers.IntegerField()
    failed = serializers.IntegerField()
    problems = AnyField()
    error = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    url = serializers.SerializerMethodField()

    def get_url(self, kept: RecordImport) -> str:
        names = {"workflow": kept.workflow_id, "upload": kept.pk}
        return reverse("api-import", kwargs=names, request=self.context["request"])


class ImportUploadedSerializer(serializers.Serializer[Any]):
    """A file that was taken in, and what would become of its first rows."""

    upload = ImportSerializer()
    preview = ImportPreviewSerializer()


class Imports(DataView):
    """Files of records of a workflow."""

    parser_classes = [MultiPartParser]

    @extend_schema(operation_id="list_imports", parameters=[PageQuery], responses=page_shape(ImportSerializer))
    def get(self, request: Request, workflow: str) -> Response:
        """List imports, newest first."""
        found = get_workflow_for(request.user, workflow)
        rows = RecordImport.objects.filter(workflow=found).select_related("actor")
        return page_of(request, rows, read_query(request, PageQuery), ImportSerializer, newest_first=True)

    @extend_schema(
        operation_id="upload_import",
        request={"multipart/form-data": ImportUploadSerializer},
        responses={201: ImportUploadedSerializer},
    )
    @transaction.atomic  # a file that cannot be read is not kept
    def post(self, request: Request, workflow: str) -> Response:
        """Take in a file and tell what would become of its first rows; records are made once it is confirmed."""
        found = get_workflow_for(request.user, workflow)
        asked = read_body(request, ImportUploadSerializer)
        options = _options(asked)
        kept = importing.upload(found, asked["file"].name, asked["file"].chunks(), actor=request.user)
        preview = importing.preview(kept, options)
        if asked["confirm"]:
            importing.confirm(kept, options, reason=asked.get("reason", ""))
        kept.refresh_from_db()
        context = {"request": request, "secrets": secrets_of(found.pk)}
        answer = ImportUploadedSerializer({"upload": kept, "preview": preview}, context=context).data
        return Response(answer, status.HTTP_201_CREATED, headers={"Location": answer["upload"]["url"]})


class ImportDetail(DataView):
    """One import."""

    @extend_schema(operation_id="get_import", responses=ImportSerializer)
    def get(self, request: Request, workflow: str, upload: UUID) -> Response:
        """Return the import and how far it is."""
        return _answer(request, _find(request, workflow, upload))


class ImportPreview(DataView):
    """What would become of a file."""

    @extend_schema(operation_id="preview_import", request=ImportOptionsSerializer, responses=ImportPreviewSerializer)
    def post(self, request: Request, workflow: str, upload: UUID) -> Response:
        """Tell what would become of the first rows with other options; nothing is written."""
        options = _options(read_body(request, ImportOptionsSerializer))
        kept = _find(request, workflow, upload)
        context = {"secrets": secrets_of(kept.workflow_id)}
        return Response(ImportPreviewSerializer(importing.preview(kept, options), context=context).data)


class ImportConfirm(DataView):
    """Beginning an import."""

    @extend_schema(operation_id="confirm_import", request=ImportOptionsSerializer, responses={202: ImportSerializer})
    def post(self, request: Request, workflow: str, upload: UUID) -> Response:
        """Make records of the file's rows, in the background."""
        asked = read_body(request, ImportOptionsSerializer)
        kept = _find(request, workflow, upload)
        begun = importing.confirm(kept, _options(asked), reason=asked.get("reason", ""))
        begun.refresh_from_db()
        return _answer(request, begun, status.HTTP_202_ACCEPTED)


class ImportCancel(DataView):
    """Ending an import."""

    @extend_schema(operation_id="cancel_import", request=None, responses=ImportSerializer)
    def post(self, request: Request, workflow: str, upload: UUID) -> Response:
        """End the import after the batch being worked on; what is imported stays."""
        ended = importing.cancel(_find(request, workflow, upload))
        ended.refresh_from_db()
        return _answer(request, ended)


def _find(request: Request, workflow: str, upload: UUID) -> RecordImport:
    return importing.get_import(get_workflow_for(request.user, workflow), upload)


def _options(asked: dict[str, Any]) -> importing.ImportOptions:
    """Return the options that were given; raises BodyInvalid, ImportInvalid, ValueInvalid."""
    given = asked["options"]
    if not isinstance(given, dict):
        raise BodyInvalid([{"pointer": "/options", "detail": "Give a JSON object.", "code": "invalid"}])
    jsontools.dumps(given)
    return importing.read_options(given)


def _answer(request: Request, kept: RecordImport, code: int = status.HTTP_200_OK) -> Response:
    return Response(ImportSerializer(kept, context={"request": request}).data, code)
