"""What a person does to many executions at once: said in numbers first, then in the background, with every outcome."""

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
from director.given import number_in, numbers_in, reason_in
from director.htmx import render_page
from director.progress import Progress, Words, render_started, render_toast
from executions import bulk
from executions.asked import read_address
from executions.models import ExecutionBulk, ExecutionBulkItem, ExecutionBulkKind
from executions.refusals import ExecutionFilterInvalid
from executions.states import FrameStatus

WORDS = {
    ExecutionBulkKind.CANCEL: Words("Cancel", "Cancelling", "cancelled"),
    ExecutionBulkKind.REPLAY: Words("Replay", "Replaying", "replayed"),
}
OUTCOMES = ((bulk.DONE, "Done"), (bulk.REFUSED, "Not done"))
WHOLE, FAILED = "", "failed"


@require_POST
def execution_bulk_ask(request: HttpRequest) -> HttpResponse:
    """The dialog: how many executions it would be about, and what else is to say."""
    try:
        context = _dialog(request, _kind(request), _meant(request))
    except DirectorError as refusal:
        return render(request, "executions/_bulk_dialog.html", {"error": refusal}, status=refusal.http_status)
    return render(request, "executions/_bulk_dialog.html", context)


@require_POST
def execution_bulk_start(request: HttpRequest) -> HttpResponse:
    """Begin; a refusal (many more match by now) comes back in the dialog with the new number."""
    try:
        kind, narrow = _kind(request), _meant(request)
        operation = bulk.start(
            kind,
            narrow,
            _parameters(request, kind),
            user=request.user,
            reason=reason_in(request.POST),
            shown=_shown(request),
        )
    except DirectorError as refusal:
        context: dict[str, Any] = {"error": refusal}
        if refusal.http_status == 409:
            context = _dialog(request, kind, narrow) | context
        return render(request, "executions/_bulk_dialog.html", context, status=refusal.http_status)
    return render_started(request, _progress(operation))


def _kind(request: HttpRequest) -> ExecutionBulkKind:
    kind = request.POST.get("kind", "")
    if kind not in ExecutionBulkKind.values:
        raise ExecutionFilterInvalid("kind", f"must be one of {', '.join(ExecutionBulkKind.values)}")
    return ExecutionBulkKind(kind)


def _meant(request: HttpRequest) -> dict[str, Any]:
    """The parts of the filter: all that match the address, or those of them that were selected."""
    asked = read_address(request.GET, request.user)
    for error in asked.refused:
        raise error
    if request.POST.get("all") == "1":
        return asked.parts
    numbers = numbers_in(request.POST.getlist("numbers"))
    if not numbers:
        raise ExecutionFilterInvalid("numbers", "is empty: select at least one execution")
    return {**asked.parts, "numbers": numbers}


def _dialog(request: HttpRequest, kind: ExecutionBulkKind, narrow: dict[str, Any]) -> dict[str, Any]:
    found = bulk.preview(kind, narrow, user=request.user)
    return {
        "thing": "execution",
        "kind": kind,
        "start": f"{reverse('execution_bulk_start')}?{request.GET.urlencode()}",
        "words": WORDS[kind],
        "found": found,
        "left": found.total - found.refused,
        "chosen_by": "numbers",
        "chosen": narrow.get("numbers", []),
        "posted": request.POST,
    }


def _parameters(request: HttpRequest, kind: ExecutionBulkKind) -> dict[str, Any]:
    if kind == ExecutionBulkKind.CANCEL:
        return {}
    given = request.POST
    statuses = [FrameStatus.FAILED.value] if given.get("what") == FAILED else []
    said = {"statuses": statuses, "step": given.get("step", "").strip(), "dry": given.get("dry") == "1"}
    said["skip_completed"] = given.get("skip_completed") == "1"
    return {name: value for name, value in said.items() if value}


def _shown(request: HttpRequest) -> int:
    shown = number_in(request.POST.get("shown", ""))
    if shown is None:
        raise ExecutionFilterInvalid("shown", "must be the number of executions that was shown")
    return shown


# --- an operation under way -------------------------------------------------------------------------------------------


@require_GET
def execution_bulk_toast(request: HttpRequest, pk: UUID) -> HttpResponse:
    return render_toast(request, _progress(bulk.get_bulk_for(request.user, pk)))


@require_GET
def execution_bulk_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """How far the operation is, and what became of each execution. At most 5 queries beside the shell's."""
    operation = bulk.get_bulk_for(request.user, pk)
    outcome = request.GET.get("outcome", "")
    context = {
        "operation": operation,
        "progress": _progress(operation),
        "outcome": outcome,
        "outcomes": OUTCOMES,
        "page": _outcomes(operation, outcome, request.GET.get("cursor", "")),
    }
    fragments = {"bulk-live": "components/_bulk_live.html", "bulk-outcomes": "executions/_bulk_outcomes.html"}
    return render_page(request, "executions/bulk_detail.html", context, fragments)


@require_POST
def execution_bulk_stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    bulk.stop(bulk.get_bulk_for(request.user, pk).pk)
    messages.success(request, "It is stopped: what was done stays done.")
    return redirect("execution_bulk_page", pk=pk)


def _progress(operation: ExecutionBulk) -> Progress:
    words = WORDS[ExecutionBulkKind(operation.kind)]
    return Progress(
        operation.pk,
        "execution",
        "execution_bulk",
        words,
        "completed" if operation.finished_at else "running",
        operation.total,
        counts=((operation.done, words.done), (operation.refused, "not done")),
        not_done=operation.refused,
    )


def _outcomes(operation: ExecutionBulk, outcome: str, cursor: str) -> paging.Page[ExecutionBulkItem]:
    """A page in the order of the work. One query, by the primary key."""
    rows = ExecutionBulkItem.objects.filter(bulk=operation).select_related("execution__workflow", "result")
    if outcome in dict(OUTCOMES):
        rows = rows.filter(outcome=outcome)
    return paging.page_by(rows, ["id"], cursor)
