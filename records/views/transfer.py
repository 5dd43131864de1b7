"""Records out as a file, and in from one: upload, say which column goes where, look at the first rows, confirm."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from director.api.renderers import streamed
from director.errors import DirectorError
from director.given import reason_in
from director.htmx import render_page
from records import exporting, importing, mapping
from records.asked import read_address
from records.errors import ImportInvalid, ImportNotFound
from records.importing import ImportOptions, read_options
from records.models import ImportStatus, RecordImport
from records.page_queries import counts_by_type
from records.secrets import Secrets, secrets_of
from workflows.definition.plan import OnExisting
from workflows.models import Workflow
from workflows.services import get_workflow_for

COLUMN = "column."  # a parameter that says where a column of the file goes
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
ON_EXISTING = (
    (OnExisting.MERGE, "Merge the row into it"),
    (OnExisting.SKIP, "Leave it as it is"),
    (OnExisting.FAIL, "Report the row as an error"),
)
NAMES = {name for name in importing.ImportOptions.__dataclass_fields__ if name not in ("mapping", "typed")}


@require_GET
def record_export(request: HttpRequest) -> HttpResponseBase:
    """Stream the records that the address means, secrets masked. what=columns: those of the list; whole: all of it."""
    asked = read_address(request.GET, request.user)
    kind = "jsonl" if request.GET.get("format") == "jsonl" else "csv"
    try:
        workflow = asked.the_workflow()
        if kind == "jsonl":
            parts = exporting.export_json_lines(workflow.pk, asked.narrow)
        else:
            known = {*exporting.ABOUT, *exporting.TIMES}
            shown = ["record_id", *(one.name for one in asked.columns if one.path or one.name in known)]
            columns = shown if request.GET.get("what") == "columns" else []
            parts = exporting.export_csv(workflow.pk, asked.narrow, columns=columns)
    except DirectorError as refusal:
        messages.error(request, refusal.message)
        return redirect(f"{reverse('record_list')}?{asked.query}")
    return streamed(request, parts, FORMATS[kind], f"{workflow.slug}.{kind}")


@require_http_methods(["GET", "POST"])
def import_new(request: HttpRequest) -> HttpResponse:
    """Choose a workflow and a file."""
    workflows = list(Workflow.objects.all().visible_to(request.user)[:200])
    context: dict[str, Any] = {"workflows": workflows, "slug": request.GET.get("workflow", ""), "type": ""}
    if request.method == "GET":
        slug = context["slug"] or (workflows[0].slug if len(workflows) == 1 else "")
        chosen = next((one for one in workflows if one.slug == slug), None)
        context["types"] = list(counts_by_type([chosen.pk])) if chosen else []
        return render(request, "records/import_new.html", context)
    context |= {"slug": request.POST.get("workflow", ""), "type": request.POST.get("type", "").strip()}
    try:
        kept = _upload(request, context["slug"])
    except DirectorError as refusal:
        if refusal.http_status == 404:
            raise
        return render(request, "records/import_new.html", context | {"error": refusal}, status=refusal.http_status)
    return redirect(f"{reverse('import_page', args=[kept.pk])}?{urlencode({'type': context['type']})}")


def _upload(request: HttpRequest, slug: str) -> RecordImport:
    workflow = get_workflow_for(request.user, slug)
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        raise ImportInvalid("file", "is missing; choose a CSV, JSON or JSON Lines file")
    return importing.upload(workflow, file.name or "upload.csv", file.chunks(), actor=request.user)


@require_GET
def import_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Before it is confirmed the mapping and the first rows, then how far it is and which rows failed."""
    kept = _import_for(request.user, pk)
    if kept.status != ImportStatus.UPLOADED:
        fragments = {"import-live": "records/_import_live.html"}
        return render_page(request, "records/import_progress.html", {"kept": kept}, fragments)
    context = _preview(kept, request.GET)
    fragments = {"import-preview": "records/_import_preview.html"}
    return render_page(request, "records/import_preview.html", context, fragments)


@require_POST
def import_confirm(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = _import_for(request.user, pk)
    try:
        importing.confirm(kept, _options(request.POST), reason=reason_in(request.POST))
    except DirectorError as refusal:
        if kept.status != ImportStatus.UPLOADED:
            messages.error(request, refusal.message)
            return redirect("import_page", pk=pk)
        context = _preview(kept, request.POST) | {"error": refusal}
        return render(request, "records/import_preview.html", context, status=refusal.http_status)
    return redirect("import_page", pk=pk)


@require_POST
def import_cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = _import_for(request.user, pk)
    try:
        importing.cancel(kept)
    except DirectorError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, "The import is cancelled: what was imported stays.")
    return redirect(f"{reverse('record_list')}?workflow={kept.workflow.slug}")


def _import_for(user: Any, pk: UUID) -> RecordImport:
    visible = Workflow.objects.all().visible_to(user).values("pk")
    found = RecordImport.objects.select_related("workflow").filter(workflow__in=visible, pk=pk).first()
    if found is None:
        raise ImportNotFound(str(pk))
    return found


def _options(given: QueryDict) -> ImportOptions:
    """The options that the form says; raises ImportInvalid."""
    said = {name: value.strip() for name, value in given.dict().items() if isinstance(value, str)}
    targets = {name.removeprefix(COLUMN): value for name, value in said.items() if name.startswith(COLUMN)}
    return read_options({name: said[name] for name in NAMES if said.get(name)} | {"mapping": targets})


def _preview(kept: RecordImport, given: QueryDict) -> dict[str, Any]:
    context: dict[str, Any] = {
        "kept": kept,
        "given": given,
        "on_existing": ON_EXISTING,
        "targets": [*mapping.ABOUT, "fields", "vars", "targets"],
        "types": list(counts_by_type([kept.workflow_id])),
    }
    try:
        context["preview"] = importing.preview(kept, _options(given))
    except DirectorError as refusal:
        context["error"] = refusal
        context["preview"] = _unmapped(kept)
    if context["preview"]:
        secrets = secrets_of(kept.workflow_id)
        context["rows"] = [_shown(row, secrets) for row in context["preview"].rows]
        context["refused_rows"] = sum(1 for row in context["preview"].rows if row.problem)
    return context


def _shown(row: importing.PreviewRow, secrets: Secrets) -> tuple[importing.PreviewRow, Any]:
    """The row with what it would put into the record, as it may be shown."""
    return row, secrets.shown(row.record.fields) if row.record else None


def _unmapped(kept: RecordImport) -> importing.Preview | None:
    """The file as it is, for a form whose mapping cannot be read; None when the file itself cannot."""
    try:
        return importing.preview(kept, ImportOptions())
    except DirectorError:
        return None
