"""The execution monitor: where a run and each of its records stand, live."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from director.htmx import render_page, target
from executions.models import Execution
from executions.queries import FrameFilter, Progress, causes_of, frames_by_id, frames_page, log_page, progress, timeline
from executions.services import get_execution_for
from executions.states import EXECUTION_TERMINAL, ExecutionStatus
from workflows.flow import Flow, flow_of

FRAGMENTS = {
    "exec-records": "executions/_execution_records_swap.html",
    "exec-timeline": "executions/_execution_timeline.html",
}
ROWS_ON_SCREEN = 60  # the live answer brings at most so many rows up to date


@require_GET
def execution_page(request: HttpRequest, number: int) -> HttpResponse:
    context = _state(request, number)
    swapped = target(request)
    if swapped != "exec-timeline":
        context |= _records(request, context)
    if swapped != "exec-records":
        context |= _timeline(request, context)
    return render_page(request, "executions/execution_detail.html", context, FRAGMENTS)


@require_GET
def execution_live(request: HttpRequest, number: int) -> HttpResponse:
    """What an event makes the page fetch: status, progress, flow and the rows on the screen, each with its id."""
    context = _state(request, number)
    ids = [int(word) for word in request.GET.get("rows", "").split(",") if word.isdigit()][:ROWS_ON_SCREEN]
    context["rows"] = frames_by_id(context["execution"], ids)
    context["new_rows"] = _new_rows(request.GET.get("seen", ""), context["progress"].total)
    return render(request, "executions/_execution_live.html", context)


def _new_rows(seen: str, total: int) -> int:
    """How many records were made since the table was drawn; an empty table fills itself."""
    return max(0, total - int(seen)) if seen.isdigit() and seen != "0" else 0


@require_GET
def execution_timeline(request: HttpRequest, number: int) -> HttpResponse:
    context = _state(request, number)
    return render(request, "executions/_execution_timeline.html", context | _timeline(request, context))


def _state(request: HttpRequest, number: int) -> dict[str, Any]:
    """Where the run stands, as header, flow and filter show it."""
    execution = get_execution_for(request.user, number)
    flow = flow_of(execution.version)
    found = progress(execution, flow.iterates)
    return {
        "execution": execution,
        "progress": found,
        "flow": flow,
        "narrow": _narrow(request, flow),
        "causes": causes_of(execution) if found.records.get("failed") else [],
        "elapsed": _elapsed(execution),
        "left": _left(execution, found),
        "is_over": execution.status in EXECUTION_TERMINAL,
        "announcement": _announcement(execution, found),
    }


def _elapsed(execution: Execution) -> timedelta | None:
    return (execution.finished_at or timezone.now()) - execution.started_at if execution.started_at else None


def _left(execution: Execution, found: Progress) -> timedelta | None:
    """A guess at the time left, from the pace so far; None when there is nothing to judge by."""
    elapsed = _elapsed(execution)
    if execution.status != ExecutionStatus.RUNNING or not found.done or not found.open or elapsed is None:
        return None
    return elapsed / found.done * found.open


def _announcement(execution: Execution, found: Progress) -> str:
    """What a screen reader says when the status has changed to one that a person wants to hear of."""
    if execution.status not in (*EXECUTION_TERMINAL, ExecutionStatus.PAUSED):
        return ""
    counts = ", ".join(f"{count} {status}" for status, count in found.records.items() if count)
    return f"Execution {execution.number} is {execution.status}" + (f": {counts}" if counts else "")


def _narrow(request: HttpRequest, flow: Flow) -> FrameFilter:
    step = flow.step(request.GET.get("step", ""))
    return FrameFilter(
        request.GET.get("status", ""),
        step.alias if step else "",
        bool(step and step.is_iterate),
        request.GET.get("q", "").strip(),
    )


def _records(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    narrow = context["narrow"]
    total = _total(context["progress"], narrow)
    return {"page": frames_page(context["execution"], narrow, request.GET.get("cursor", ""), total=total)}


def _total(found: Progress, narrow: FrameFilter) -> int | None:
    """How many rows the filter leaves, where the counts tell."""
    if narrow.text:
        return None
    if narrow.step:
        counts = found.steps[narrow.step].counts if narrow.step in found.steps else {}
        return counts.get(narrow.status, 0) if narrow.status else None
    return found.records.get(narrow.status, 0) if narrow.status else found.total


def _timeline(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The timeline's rows, or the log's lines when the address asks for them."""
    execution, flow = context["execution"], context["flow"]
    if request.GET.get("view") == "log":
        return {"view": "log", "log": log_page(execution, list(flow.steps), request.GET.get("log", ""))}
    return {"view": "steps", "timeline": timeline(execution, list(flow.steps.values()), context["progress"])}
