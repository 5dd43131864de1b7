"""Shadow replays: judging a version by the records of the past, and the report of one.

/workflows/inbox-triage/shadow/     which version over how many records; POST starts it; earlier ones
/executions/9/shadow/               the report: per record same, different, new error or call without a recording
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from director import paging
from director.errors import DirectorError
from director.given import number_in, reason_in
from director.htmx import render_page
from executions.models import Execution
from executions.queries.history import Line, lines_between
from executions.refusals import ModificationRefused
from executions.replay import shadow
from executions.replay.shadow import RecordReport, Report
from workflows.flow import flow_of
from workflows.models import VersionStatus, Workflow, WorkflowVersion
from workflows.services import get_workflow_for

PAGE_SIZE = 25
VERSIONS_OFFERED = 50
EARLIER_SHOWN = 20
REPORT_KEPT_SECONDS = 3600
REST = 5  # while it goes on, the totals are worked out anew after so many times what working them out took

VERDICTS = (
    ("same", "Same", "same"),
    ("different", "Different", "mod"),
    ("new_error", "New error", "del"),
    ("no_recording", "No recording", "del"),
)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A record of the report with the values that differ: of its data, and of its steps' outputs."""

    found: RecordReport
    data: list[Line]
    steps: list[Line]


@require_http_methods(["GET", "POST"])
def shadow_page(request: HttpRequest, slug: str) -> HttpResponse:
    """GET asks which version is to be judged; POST starts the shadow replay and leads to its report."""
    workflow = get_workflow_for(request.user, slug)
    refusal = None
    if request.method == "POST":
        try:
            return redirect("shadow_report", _start(request, workflow).number)
        except DirectorError as refused:
            refusal = refused
    context = _form_context(workflow) | {"refusal": refusal, "given": request.POST or request.GET}
    return render(request, "executions/shadow_page.html", context, status=422 if refusal else 200)


@require_GET
def shadow_report(request: HttpRequest, number: int) -> HttpResponse:
    execution = shadow.get_shadow_for(request.user, number)
    verdict = request.GET.get("verdict", "")
    verdict = verdict if verdict in shadow.VERDICTS else ""
    at = paging.parse(request.GET.get("cursor", ""), (int,))
    after = int(at.key[0]) if at else 0
    found = (
        shadow.records_found(execution, verdict, after=after, size=PAGE_SIZE + 1)
        if verdict
        else shadow.records_page(execution, after=after, size=PAGE_SIZE + 1)
    )
    page = paging.page_of([_row(one) for one in found], at, lambda row: [row.found.key], size=PAGE_SIZE)
    context = _state(execution) | {"page": page, "verdict": verdict}
    return render_page(
        request, "executions/shadow_report.html", context, {"shadow-rows": "executions/_shadow_rows.html"}
    )


@require_GET
def shadow_live(request: HttpRequest, number: int) -> HttpResponse:
    """What an event makes the report fetch: its totals."""
    execution = shadow.get_shadow_for(request.user, number)
    context = _state(execution) | {"verdict": request.GET.get("verdict", "")}
    return render(request, "executions/_shadow_totals.html", context)


def _start(request: HttpRequest, workflow: Workflow) -> Execution:
    last = number_in(request.POST.get("last", ""))
    if not last or last > shadow.MAX_LAST:
        raise ModificationRefused("last", f"is the number of records to look back on, from 1 to {shadow.MAX_LAST:,}")
    return shadow.start(
        workflow,
        shadow.version_called(workflow, request.POST.get("version", "")),
        last=last,
        iterate=request.POST.get("iterate", ""),
        user=request.user,
        reason=reason_in(request.POST),
    )


def _form_context(workflow: Workflow) -> dict[str, Any]:
    versions = list(workflow.versions.order_by("-number")[:VERSIONS_OFFERED])
    drafts = [version for version in versions if version.status == VersionStatus.DRAFT]
    newest = next(iter(drafts + versions), None)
    earlier = workflow.executions.filter(overrides__again__has_key="frames").select_related("version", "started_by")
    return {
        "workflow": workflow,
        "versions": versions,
        "iterates": _top_iterates(newest),
        "earlier": list(earlier.order_by("-number")[:EARLIER_SHOWN]),
        "default_last": shadow.DEFAULT_LAST,
        "max_last": shadow.MAX_LAST,
    }


def _top_iterates(version: WorkflowVersion | None) -> list[str]:
    return [step.alias for step in flow_of(version).steps.values() if step.is_iterate and not step.iterate]


def _state(execution: Execution) -> dict[str, Any]:
    wanted = sum(len(frames) for frames in execution.overrides["again"]["frames"].values())
    return {"execution": execution, "report": _report(execution), "wanted": wanted, "verdict_choices": VERDICTS}


def _report(execution: Execution) -> Report:
    """The totals. They look at every record, so they are kept: for good once it is over, else in measure."""
    key = f"shadow-report:{execution.pk}:{execution.finished_at is not None}"
    kept: Report | None = cache.get(key)
    if kept is not None:
        return kept
    began = monotonic()
    found = shadow.report(execution)
    cache.set(key, found, REPORT_KEPT_SECONDS if found.done else REST * (monotonic() - began))
    return found


def _row(found: RecordReport) -> ReportRow:
    then, now = found.then, found.now
    steps = lines_between(then["steps"], now["steps"], root=("steps",)) if found.steps else []
    return ReportRow(found, lines_between(then["data"], now["data"]) if found.data else [], steps)
