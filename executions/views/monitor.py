"""The execution monitor: where a run and each of its records stand, live.

The lower card shows one of four views: `?view=steps` (when each step was worked on), `records` (each walk with its steps
as bars), `log` (what steps wrote, what failed, what people did) and `journal` (every attempt of every step).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from director.given import number_in, numbers_in
from director.htmx import render_page, target
from executions.models import Execution, ExecutionFrame
from executions.notices import LogLevel
from executions.queries import (
    FrameFilter,
    FrameRow,
    Progress,
    causes_of,
    frames_by_id,
    frames_page,
    journal_page,
    log_page,
    progress,
    timeline,
)
from executions.queries.interventions import interventions_page
from executions.queries.outcome import outcome
from executions.queries.timeline import scale_of
from executions.queries.waterfall import waterfall
from executions.services import get_execution_for
from executions.states import EXECUTION_TERMINAL, FRAME_TERMINAL, ExecutionStatus
from executions.waiting import why_execution, why_frames
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
    if not swapped:
        context["people"] = interventions_page(context["execution"], request.GET.get("people", ""))
    return render_page(request, "executions/execution_detail.html", context, FRAGMENTS)


@require_GET
def execution_live(request: HttpRequest, number: int) -> HttpResponse:
    """What an event makes the page fetch: status, progress, flow and the rows on the screen, each with its id."""
    context = _state(request, number)
    ids = numbers_in(request.GET.get("rows", "").split(",", ROWS_ON_SCREEN))[:ROWS_ON_SCREEN]
    context["rows"] = frames_by_id(context["execution"], ids)
    context["reasons"] = _reasons(context, context["rows"])
    context["new_rows"] = _new_rows(request.GET.get("seen", ""), context["progress"].total)
    return render(request, "executions/_execution_live.html", context)


def _new_rows(seen: str, total: int) -> int:
    """How many records were made since the table was drawn; an empty table fills itself."""
    shown = number_in(seen)
    return max(0, total - shown) if shown else 0


@require_GET
def execution_timeline(request: HttpRequest, number: int) -> HttpResponse:
    context = _state(request, number)
    return render(request, "executions/_execution_timeline.html", context | _timeline(request, context))


@require_GET
def execution_waterfall(request: HttpRequest, number: int) -> HttpResponse:
    """A stretch of the walks with their steps as bars: `?from=` its first place, `?scale=own` each by its own clock."""
    execution = get_execution_for(request.user, number)
    flow = flow_of(execution.version)
    context = {"execution": execution, "flow": flow, "progress": progress(execution, flow.iterates)}
    return render(request, "executions/_waterfall_rows.html", context | _waterfall(request, context))


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
        "why": why_execution(execution),
        "stops": execution.breakpoints.get("steps", ()),
        "outcome": outcome(execution) if execution.status == ExecutionStatus.CANCELLED else None,
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
    narrow, execution = context["narrow"], context["execution"]
    total = _total(context["progress"], narrow)
    page = frames_page(execution, narrow, request.GET.get("cursor", ""), total=total)
    return {"page": page, "reasons": _reasons(context, page.rows)}


def _reasons(context: dict[str, Any], rows: Iterable[FrameRow]) -> dict[int, str]:
    """Why each row that is not over is not walked, or by whom it is."""
    wanted = [row.id for row in rows if row.frame_status not in FRAME_TERMINAL]
    frames = ExecutionFrame.objects.filter(pk__in=wanted)
    return why_frames(context["execution"], frames, why=context["why"]) if wanted else {}


def _total(found: Progress, narrow: FrameFilter) -> int | None:
    """How many rows the filter leaves, where the counts tell."""
    if narrow.text:
        return None
    if narrow.step:
        counts = found.steps[narrow.step].counts if narrow.step in found.steps else {}
        return counts.get(narrow.status, 0) if narrow.status else None
    return found.records.get(narrow.status, 0) if narrow.status else found.total


def _timeline(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the lower card shows."""
    execution, flow = context["execution"], context["flow"]
    view, cursor = request.GET.get("view", ""), request.GET.get("log", "")
    if view == "records":
        return {"view": view, **_waterfall(request, context)}
    if view == "log":
        level = request.GET.get("level", "")
        level = level if level in LogLevel.values else ""
        return {"view": view, "level": level, "levels": LogLevel.choices, "log": log_page(execution, level, cursor)}
    if view == "journal":
        return {"view": view, "journal": journal_page(execution, list(flow.steps), cursor)}
    return {"view": "steps", "timeline": timeline(execution, list(flow.steps.values()), context["progress"])}


def _waterfall(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    execution, flow = context["execution"], context["flow"]
    total = context["progress"].total + 1  # the run itself is walked too
    first = number_in(request.GET.get("from", "")) or 0
    each_own = request.GET.get("scale") == "own"
    containers = [step.alias for step in flow.steps.values() if step.blocks]
    scale = scale_of(execution, timezone.now())
    return {
        "walks": waterfall(execution, first, total, each_own=each_own, containers=containers),
        "walks_total": total,
        "each_own": each_own,
        "ticks": scale.ticks() if scale else [],
        "ends_now": execution.finished_at is None,
    }
