"""The execution monitor: where a run and each of its records stand, live."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from director.htmx import render_page
from executions.models import Execution
from executions.queries import FrameFilter, Progress, causes_of, frames_by_id, frames_page, log_page, progress, timeline
from executions.services import get_execution_for
from executions.states import EXECUTION_TERMINAL, ExecutionStatus
from workflows.flow import Flow, FlowStep, flow_of

ROWS_ON_SCREEN = 60  # the live answer brings at most so many rows up to date


@require_GET
def execution_page(request: HttpRequest, number: int) -> HttpResponse:
    execution = get_execution_for(request.user, number)
    fragments = {
        "exec-records": "executions/_execution_records_swap.html",
        "exec-timeline": "executions/_execution_timeline.html",
    }
    context = _state(execution) | _records(request, execution)
    context |= {"view": request.GET.get("view", "steps")} | _timeline(request, execution, context)
    return render_page(request, "executions/execution_detail.html", context, fragments)


@require_GET
def execution_live(request: HttpRequest, number: int) -> HttpResponse:
    """What an event makes the page fetch: status, progress, flow and the rows on the screen, each with its id."""
    execution = get_execution_for(request.user, number)
    context = _state(execution)
    context["narrow"] = _narrow(request, context["flow"])
    ids = [int(word) for word in request.GET.get("rows", "").split(",") if word.isdigit()][:ROWS_ON_SCREEN]
    context["rows"] = frames_by_id(execution, ids)
    context["causes"] = causes_of(execution) if context["progress"].records.get("failed") else []
    seen = request.GET.get("seen", "")
    context["new_rows"] = max(0, context["progress"].total - int(seen)) if seen.isdigit() else 0
    return render(request, "executions/_execution_live.html", context)


@require_GET
def execution_timeline(request: HttpRequest, number: int) -> HttpResponse:
    execution = get_execution_for(request.user, number)
    context = _state(execution) | {"view": request.GET.get("view", "steps")}
    context |= _timeline(request, execution, context)
    return render(request, "executions/_execution_timeline.html", context)


def _state(execution: Execution) -> dict[str, Any]:
    """Where the run stands, as header and flow show it."""
    found, flow = progress(execution), flow_of(execution.version)
    return {
        "execution": execution,
        "progress": found,
        "flow": flow,
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


def _records(request: HttpRequest, execution: Execution) -> dict[str, Any]:
    found, flow = progress(execution), flow_of(execution.version)
    narrow = _narrow(request, flow)
    page = frames_page(execution, narrow, request.GET.get("cursor", ""), total=_total(found, narrow))
    return {"narrow": narrow, "page": page, "causes": causes_of(execution) if found.records.get("failed") else []}


def _total(found: Progress, narrow: FrameFilter) -> int | None:
    """How many rows the filter leaves, where the counts tell."""
    if narrow.text:
        return None
    if narrow.step:
        counts = found.steps[narrow.step].counts if narrow.step in found.steps else {}
        return counts.get(narrow.status, 0) if narrow.status else None
    return found.records.get(narrow.status, 0) if narrow.status else found.total


def _timeline(request: HttpRequest, execution: Execution, context: dict[str, Any]) -> dict[str, Any]:
    flow: Flow = context["flow"]
    if context["view"] == "log":
        return {"log": log_page(execution, list(flow.steps), request.GET.get("log", ""))}
    steps: list[FlowStep] = list(flow.steps.values())
    return {"timeline": timeline(execution, steps, context["progress"])}
