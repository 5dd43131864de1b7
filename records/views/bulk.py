"""What a person does to many records at once: say it in numbers first, then in the background, with every outcome."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from director import paging
from director.errors import DirectorError
from director.given import number_in, reason_in
from director.htmx import render_page
from director.progress import Progress, Words, render_started, render_toast
from records import bulk
from records.asked import Asked, read_address
from records.errors import BulkGrown, BulkInvalid, BulkNotFound
from records.models import BulkKind, BulkOperation, BulkOutcome, BulkOutcomeKind
from records.patches import delete_at, parse_path, set_at
from records.states import HELD, RecordStatus
from records.typed import KINDS, read, with_secrets
from workflows.models import Workflow

WORDS = {
    BulkKind.RETRY: Words("Retry", "Retrying", "retried"),
    BulkKind.SKIP: Words("Skip", "Skipping", "skipped"),
    BulkKind.MOVE: Words("Set the status of", "Setting the status of", "moved"),
    BulkKind.PATCH: Words("Change a field of", "Changing", "changed"),
    BulkKind.DELETE: Words("Delete", "Deleting", "deleted"),
}
STATUSES = [status for status in RecordStatus if status not in HELD]
OUTCOMES = [(kind.value, kind.label) for kind in BulkOutcomeKind if kind != BulkOutcomeKind.PENDING]


@require_POST
def bulk_ask(request: HttpRequest) -> HttpResponse:
    """The dialog: how many records it would be about, how many of them stay as they are, and what else is to say."""
    kind = request.POST.get("kind", "")
    asked = _asked(request)
    try:
        workflow, narrow = asked.the_workflow(), asked.narrow
        found = bulk.preview(workflow, kind, narrow, _enough(kind))
    except DirectorError as refusal:
        context = {"error": refusal, "kind": kind}
        return render(request, "records/_bulk_dialog.html", context, status=refusal.http_status)
    return render(request, "records/_bulk_dialog.html", _dialog(request, asked, kind, found))


@require_POST
def bulk_start(request: HttpRequest) -> HttpResponse:
    """Begin; a refusal (many more match by now, a value that cannot be read) comes back in the dialog."""
    kind = request.POST.get("kind", "")
    asked = _asked(request)
    try:
        workflow, narrow = asked.the_workflow(), asked.narrow
        shown = _shown(request)
        if kind == BulkKind.DELETE and request.POST.get("confirm", "").strip() != str(shown):
            raise BulkInvalid("confirm", f"type {shown} to delete")
        given, reason = _parameters(request, kind), reason_in(request.POST)
        operation = bulk.start(workflow, kind, narrow, given, actor=request.user, reason=reason, shown=shown)
    except DirectorError as refusal:
        return _refused(request, asked, kind, refusal)
    return render_started(request, _progress(operation))


def _asked(request: HttpRequest) -> Asked:
    """All that match the address, or those of them that were chosen."""
    given = request.GET.copy()
    if request.POST.get("all") != "1":
        given.setlist("pk", request.POST.getlist("pk") or [""])
    return read_address(given, request.user)


def _refused(request: HttpRequest, asked: Asked, kind: str, refusal: DirectorError) -> HttpResponse:
    context: dict[str, Any] = {"kind": kind}
    if asked.workflow and (isinstance(refusal, BulkGrown) or refusal.http_status == 422):
        try:
            found = bulk.preview(asked.workflow, kind, asked.narrow, _enough(kind))
        except DirectorError:
            pass
        else:
            context = _dialog(request, asked, kind, found) | {"posted": request.POST}
    return render(request, "records/_bulk_dialog.html", context | {"error": refusal}, status=refusal.http_status)


def _dialog(request: HttpRequest, asked: Asked, kind: str, found: bulk.Preview) -> dict[str, Any]:
    return {
        "thing": "record",
        "kind": kind,
        "start": f"{reverse('bulk_start')}?{asked.query}",
        "words": WORDS[BulkKind(kind)],
        "found": found,
        "chosen_by": "pk",
        "chosen": request.POST.getlist("pk") if request.POST.get("all") != "1" else [],
        "statuses": STATUSES,
        "kinds": KINDS,
    }


def _enough(kind: str) -> dict[str, Any]:
    """Parameters that let a preview count, before the person has said theirs."""
    examples: dict[str, dict[str, Any]] = {
        BulkKind.PATCH: {"operations": [set_at(("vars", "x"), None)]},
        BulkKind.MOVE: {"status": RecordStatus.COMPLETE},
    }
    return examples.get(kind, {})


def _parameters(request: HttpRequest, kind: str) -> dict[str, Any]:
    given = request.POST
    if kind == BulkKind.MOVE:
        return {"status": given.get("status", "")}
    if kind != BulkKind.PATCH:
        return {}
    text = given.get("path", "").strip()
    path = parse_path(text)
    if given.get("op") == "delete":
        return {"operations": [delete_at(path)]}
    value = with_secrets(read(given.get("type", "text"), given.get("value", ""), text), None, path)
    return {"operations": [set_at(path, value)]}


def _shown(request: HttpRequest) -> int:
    shown = number_in(request.POST.get("shown", ""))
    if shown is None:
        raise BulkInvalid("shown", "must be the number of records that was shown")
    return shown


# --- an operation under way -------------------------------------------------------------------------------------------


@require_GET
def bulk_toast(request: HttpRequest, pk: UUID) -> HttpResponse:
    return render_toast(request, _progress(_operation_for(request.user, pk)))


@require_GET
def bulk_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """How far the operation is, and what became of exactly those records."""
    operation = _operation_for(request.user, pk)
    outcome = request.GET.get("outcome", "")
    context = {
        "operation": operation,
        "progress": _progress(operation),
        "outcome": outcome,
        "outcomes": OUTCOMES,
        "page": _outcomes(operation, outcome, request.GET.get("cursor", "")),
    }
    fragments = {"bulk-live": "components/_bulk_live.html", "bulk-outcomes": "records/_bulk_outcomes.html"}
    return render_page(request, "records/bulk_detail.html", context, fragments)


@require_POST
def bulk_stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    try:
        bulk.cancel(_operation_for(request.user, pk).pk)
    except DirectorError as refusal:
        if refusal.http_status == 404:
            raise
        messages.error(request, refusal.message)
    else:
        messages.success(request, "It is stopped: what was done stays done.")
    return redirect("bulk_page", pk=pk)


def _operation_for(user: Any, pk: UUID) -> BulkOperation:
    visible = Workflow.objects.all().visible_to(user).values("pk")
    found = BulkOperation.objects.select_related("actor", "workflow").filter(workflow__in=visible, pk=pk).first()
    if found is None:
        raise BulkNotFound(str(pk))
    return found


def _progress(operation: BulkOperation) -> Progress:
    words = WORDS[BulkKind(operation.kind)]
    return Progress(
        operation.pk,
        "record",
        "bulk",
        words,
        operation.status,
        operation.total,
        counts=(
            (operation.changed, words.done),
            (operation.unchanged, "as they were"),
            (operation.refused, "refused"),
            (operation.missing, "gone meanwhile"),
        ),
        not_done=operation.refused + operation.missing,
        error=operation.error,
    )


def _outcomes(operation: BulkOperation, outcome: str, cursor: str) -> paging.Page[BulkOutcome]:
    """A page in the order in which the records were made. One query, by the primary key or bulk_outcome_to_look_at."""
    rows = BulkOutcome.objects.filter(operation=operation)
    if outcome in BulkOutcomeKind.values:
        rows = rows.filter(outcome=outcome)
    return paging.page_by(rows, ["record_id"], cursor)
