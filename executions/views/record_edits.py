"""What a person changes about one record: a value, the status, or that it is there at all."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST

from director.errors import DirectorError
from director.given import number_in, reason_in
from director.htmx import is_htmx
from director.jsontools import ValueInvalid
from executions.queries import history_of
from executions.views.record_tree import EditForm, at
from executions.views.records import record_context
from records.errors import RecordChanged
from records.models import ChangeSource, WorkflowRecord
from records.page_queries import get_record_for
from records.patches import Operation, delete_at, format_path, set_at
from records.secrets import secrets_of
from records.services import WorkflowData
from records.states import RecordStatus
from records.typed import read, with_secrets

MOVES = {
    RecordStatus.SKIPPED: "is skipped: runs pass it over",
    RecordStatus.COMPLETE: "is marked complete",
    RecordStatus.DISCOVERED: "is worked on by the next run",
}


@require_POST
def record_edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Set or delete what stands at a path; a refusal comes back in the form, with what was changed meanwhile."""
    record = get_record_for(request.user, pk)
    form = _form(request, record)
    is_delete = request.POST.get("op") == "delete"
    try:
        operation = delete_at(form.where) if is_delete else _setting(form, record)
        data = WorkflowData(record.workflow, request.user, source=ChangeSource.PAGE, reason=form.reason)
        after = data.records.patch(record.record_id, [operation], expected_revision=form.revision)
    except DirectorError as refusal:
        return _refused(request, pk, form, refusal)
    what = "as it was" if after.revision == form.revision else "deleted" if is_delete else "set"
    return _saved(request, pk, format_path(form.where), what)


def _form(request: HttpRequest, record: WorkflowRecord) -> EditForm:
    given = request.POST
    return EditForm(
        revision=number_in(given.get("expected_revision", "")) or 0,
        seen=_moment(given.get("seen", "")) or record.updated_at,
        path=given.get("path", ""),
        bucket=given.get("bucket", ""),
        name=given.get("name", "").strip(),
        kind=given.get("kind", "text"),
        text=given.get("value", ""),
        reason=reason_in(given),
        is_masked=given.get("masked") == "1",
    )


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found and found.tzinfo else None


def _setting(form: EditForm, record: WorkflowRecord) -> Operation:
    path = form.where
    if form.bucket and at(record.data, path) is not None:
        raise ValueInvalid(format_path(path), "is there already; edit it where it stands")
    if form.is_masked and not form.text:
        raise ValueInvalid(format_path(path), "is left empty; write its new value, or delete it")
    value = read(form.kind, form.text, format_path(path))
    return set_at(path, with_secrets(value, at(record.data, path), path))


def _refused(request: HttpRequest, pk: UUID, form: EditForm, refusal: DirectorError) -> HttpResponse:
    """The page again with the form as it was sent; after a conflict the next save is about the record as it now is."""
    record = get_record_for(request.user, pk)
    form.error = refusal
    if isinstance(refusal, RecordChanged):
        form.since = history_of(record, secrets_of(record.workflow_id)).since(form.seen)
        form.revision, form.seen = record.revision, record.updated_at
    return _answer(request, record, refusal.http_status, form=form)


def _saved(request: HttpRequest, pk: UUID, path: str, what: str) -> HttpResponse:
    said = f"{path} is {what}"
    if not is_htmx(request):
        messages.success(request, said)
        return redirect("record_page", pk=pk)
    response = _answer(request, get_record_for(request.user, pk), saved=path, said=said)
    response["HX-Push-Url"] = reverse("record_page", args=[pk])
    return response


def _answer(request: HttpRequest, record: WorkflowRecord, status: int = 200, **over: Any) -> HttpResponse:
    context = record_context(request, record, **over) | {"swapped": True, "said": over.get("said", "")}
    template = "records/_record_saved.html" if is_htmx(request) else "records/record_detail.html"
    return render(request, template, context, status=status)


@require_POST
def record_move(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Skip the record, mark it complete, or let the next run work on it again."""
    record, data = _data(request, pk)
    status = request.POST.get("status", "")
    try:
        data.records.move(record.record_id, status)
    except DirectorError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{record.record_id} {MOVES.get(RecordStatus(status), status)}")
    return redirect("record_page", pk=pk)


@require_POST
def record_delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete the record; its id was typed to say so."""
    record, data = _data(request, pk)
    page = redirect("record_page", pk=pk)
    if request.POST.get("confirm", "").strip() != record.record_id:
        messages.error(request, f"Nothing was deleted: type {record.record_id} to confirm.")
        return page
    try:
        data.records.delete(record.record_id)
    except DirectorError as refusal:
        messages.error(request, refusal.message)
        return page
    messages.success(request, f"{record.record_id} is deleted")
    return redirect(f"{reverse('record_list')}?workflow={record.workflow.slug}")


def _data(request: HttpRequest, pk: UUID) -> tuple[WorkflowRecord, WorkflowData]:
    record = get_record_for(request.user, pk)
    return record, WorkflowData(record.workflow, request.user, source=ChangeSource.PAGE, reason=reason_in(request.POST))
