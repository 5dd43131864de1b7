"""The page of a record: its data, and the story of what steps and people did with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from director.errors import DirectorError
from director.given import number_in
from director.htmx import render_page
from executions.models import Control, Execution, ExecutionFrame
from executions.queries import History, history_of, record_story, runs_of
from executions.queries.secrets import outside
from executions.states import EXECUTION_TERMINAL, FRAME_OPEN, WaitingFor
from executions.views.record_tree import form_for, tree_of
from executions.views.repair_form import repair_context
from records.models import RecordSearch, WorkflowRecord
from records.page_queries import get_record_for
from records.secrets import secrets_of
from records.states import HELD, RecordStatus, may_move
from records.titles import title_of
from workflows.flow import Flow, flow_of

STORY_CHOICES = (("", "All"), ("errors", "Errors"), ("people", "People"), ("data", "Data changes"))
FRAGMENTS = {
    "rec-repair": "records/_record_repair.html",
    "rec-story": "records/_record_story.html",
    "rec-data": "records/_record_data.html",
    "rec-values": "records/_record_values.html",
}


@require_GET
def record_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """In the address: story (what of it), point (the record as it was), edit (a path) or add (fields, vars, targets)."""
    record = get_record_for(request.user, pk)
    context = record_context(request, record)
    response = render_page(request, "records/record_detail.html", context, FRAGMENTS)
    if context["is_now"] and "point" in request.GET:
        response["HX-Push-Url"] = request.path  # the newest point is not a place in the past
    return response


@require_GET
def record_live(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What an event makes the page fetch: status, actions, story and data, each with its id."""
    record = get_record_for(request.user, pk)
    return render(request, "records/_record_live.html", record_context(request, record))


@require_GET
def record_raw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The record as JSON, secrets masked."""
    record = get_record_for(request.user, pk)
    data = secrets_of(record.workflow_id, *outside(runs_of(record))).shown(record.data)
    response = JsonResponse(raw(record, data), json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'inline; filename="{record.pk}.json"'
    return response


def raw(record: WorkflowRecord, data: Any) -> dict[str, Any]:
    """Return the record as people and programs see it. data: as it may be shown."""
    return {
        "id": str(record.pk),
        "record_id": record.record_id,
        "record_type": record.record_type,
        "status": record.status,
        "error_message": record.error_message,
        "retry_count": record.retry_count,
        "revision": record.revision,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "data": data,
    }


def record_context(request: HttpRequest, record: WorkflowRecord, **over: Any) -> dict[str, Any]:
    """Return what the page and its fragments show. At most 13 queries, whatever the record went through."""
    runs = runs_of(record)
    secrets = secrets_of(record.workflow_id, *outside(runs))
    history = history_of(record, secrets)
    data = history.secrets.hide(record.data)
    last = runs[0] if runs else None
    show = request.GET.get("story", "")
    return {
        "record": record,
        "title": title_of(data),
        "runs": runs,
        "last": last,
        "story": record_story(record, runs, secrets, show, request.GET.get("cursor", "")),
        "show": show,
        "flow": flow_of(last.execution.version) if last else Flow([], {}),
        "at_step": _at_step(record, last),
        "tab": request.GET.get("tab", "fields"),
        "story_choices": STORY_CHOICES,
        "raw": raw(record, data),
        **control_of(record, runs),
        **repair_context(request, record, last),
        "is_held": record.status in HELD,
        "may_skip": may_move(record.status, RecordStatus.SKIPPED) and record.status != RecordStatus.SKIPPED,
        "may_complete": may_move(record.status, RecordStatus.COMPLETE) and record.status != RecordStatus.COMPLETE,
        "may_reset": record.status in (RecordStatus.COMPLETE, RecordStatus.SKIPPED),
        **_origin(record),
        **_data(request, history, over),
    }


def control_of(record: WorkflowRecord, runs: Sequence[ExecutionFrame]) -> dict[str, bool]:
    """Whether the record can be held back or let go on in a run that works on it."""
    open_walks = (run for run in runs if run.status in FRAME_OPEN and run.execution.status not in EXECUTION_TERMINAL)
    walk = next(open_walks, None)
    if walk is None:
        return {"may_pause": False, "may_resume": False}
    named = str(record.pk) in walk.execution.breakpoints.get("records", ())
    held = named or walk.waiting_for == WaitingFor.PAUSE or walk.execution.control == Control.PAUSE
    return {"may_pause": not held, "may_resume": held}


def _at_step(record: WorkflowRecord, last: ExecutionFrame | None) -> str:
    """Where it is, for as long as that says something."""
    telling = record.status in (RecordStatus.FAILED, RecordStatus.WAITING)
    return last.at_step if last and telling else ""


def _origin(record: WorkflowRecord) -> dict[str, Any]:
    """Who or what made the record, and in which execution. Two queries."""
    made = RecordSearch.objects.filter(workflow=record.workflow_id, record=record.pk).first()
    run = Execution.objects.filter(pk=made.created_in).only("number").first() if made and made.created_in else None
    return {"created_by": made.created_by if made else "", "created_in": run}


def _data(request: HttpRequest, history: History, over: dict[str, Any]) -> dict[str, Any]:
    """The tree at the point of the story that is looked at, and the form that is open in it."""
    point = history.point(_index(request.GET.get("point", ""), history.last))
    is_now = point.index == history.last
    form, refused = over.get("form"), over.get("refused")
    if form is None and is_now:
        try:
            form = form_for(history, request.GET.get("edit", ""), request.GET.get("add", ""))
        except DirectorError as error:
            refused = error
    return {
        "buckets": tree_of(history, point),
        "point": point,
        "last_point": history.last,
        "is_now": is_now,
        "form": form,
        "refused": refused,
        "saved": over.get("saved", ""),
    }


def _index(text: str, last: int) -> int:
    index = number_in(text)
    return last if index is None else min(index, last)
