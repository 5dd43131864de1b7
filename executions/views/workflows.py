"""The list of workflows and the page of one: its steps as a flow, and what its runs did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from director import paging
from director.htmx import render_page
from executions.asked import read_address
from executions.queries import ExecutionFilter, Run, executions_page, newest_runs, progress
from executions.views.lists import FRAGMENTS, list_context
from records.page_queries import failed_of_each
from workflows.flow import Flow, flow_of
from workflows.models import VersionStatus, Workflow, WorkflowVersion
from workflows.services import get_workflow_for

LIST_SIZE = 50
RUNS_ON_PAGE = 8


@dataclass(frozen=True, slots=True)
class Card:
    """A workflow in the list, with what its row shows."""

    workflow: Workflow
    published: WorkflowVersion | None
    has_draft: bool
    runs: list[Run]
    failed: int

    @property
    def last(self) -> Run | None:
        return self.runs[0] if self.runs else None


@require_GET
def workflow_list(request: HttpRequest) -> HttpResponse:
    text, show = request.GET.get("q", "").strip(), request.GET.get("show", "")
    visible = Workflow.objects.all().visible_to(request.user)
    counts = visible.aggregate(all=Count("pk"), draft=Count("pk", filter=~_is_published()))
    narrowed = _narrowed(visible, text, show)
    total = narrowed.count() if text else counts["draft" if show == "draft" else "all"]
    page = _workflows_page(narrowed, request.GET.get("cursor", ""), total)
    context = {
        "page": page.showing(_cards(page.rows)),
        "q": text,
        "show": show,
        "counts": counts,
    }
    return render_page(request, "workflows/workflow_list.html", context, {"wf-table": "workflows/_workflow_table.html"})


def _is_published() -> Q:
    return Q(pk__in=WorkflowVersion.objects.filter(status=VersionStatus.PUBLISHED).values("workflow"))


def _narrowed(workflows: QuerySet[Workflow], text: str, show: str) -> QuerySet[Workflow]:
    if text:
        workflows = workflows.filter(Q(name__icontains=text) | Q(slug__icontains=text) | Q(description__icontains=text))
    return workflows.exclude(_is_published()) if show == "draft" else workflows


def _workflows_page(workflows: QuerySet[Workflow], cursor: str, total: int) -> paging.Page[Workflow]:
    rows = workflows.select_related("owner")
    return paging.page_by(rows, ["name", "slug"], cursor, size=LIST_SIZE, total=total)


def _cards(workflows: list[Workflow]) -> list[Card]:
    """What the rows show, in five queries for all of them."""
    ids = [workflow.pk for workflow in workflows]
    versions = WorkflowVersion.objects.filter(workflow__in=ids)
    published = (
        versions.filter(status=VersionStatus.PUBLISHED).order_by("workflow_id", "-number").distinct("workflow_id")
    )
    newest = {version.workflow_id: version for version in published}
    drafts = set(versions.filter(status=VersionStatus.DRAFT).order_by().values_list("workflow", flat=True))
    runs, failed = newest_runs(ids), failed_of_each(ids)
    return [
        Card(workflow, newest.get(workflow.pk), workflow.pk in drafts, runs[workflow.pk], failed.get(workflow.pk, 0))
        for workflow in workflows
    ]


@require_GET
def workflow_page(request: HttpRequest, slug: str) -> HttpResponse:
    """The steps of the newest published version (else of the draft), the last run's counts on them, the newest runs."""
    context = _flow_context(request, get_workflow_for(request.user, slug))
    return render_page(
        request, "workflows/workflow_detail.html", context, {"wf-panel": "workflows/_workflow_panel.html"}
    )


@require_GET
def workflow_live(request: HttpRequest, slug: str) -> HttpResponse:
    """What an event makes the page fetch: the flow with the last run's counts, and the newest runs."""
    context = _flow_context(request, get_workflow_for(request.user, slug))
    return render(request, "workflows/_workflow_live.html", context)


def _flow_context(request: HttpRequest, workflow: Workflow) -> dict[str, Any]:
    context = _head(workflow)
    flow = flow_of(context["version"])
    context |= _last_run(request, context, flow)
    return context | {
        "flow": flow,
        "step": flow.step(request.GET.get("step", "")),
        "overlay": request.GET.get("overlay") != "off",
    }


def _head(workflow: Workflow) -> dict[str, Any]:
    """What the header of every page of a workflow shows."""
    shown = WorkflowVersion.objects.filter(workflow=workflow, status__in=(VersionStatus.PUBLISHED, VersionStatus.DRAFT))
    newest = {version.status: version for version in shown.order_by("status", "-number").distinct("status")}
    published, draft = newest.get(VersionStatus.PUBLISHED), newest.get(VersionStatus.DRAFT)
    failed = failed_of_each([workflow.pk]).get(workflow.pk, 0)
    return {
        "workflow": workflow,
        "published": published,
        "draft": draft,
        "version": published or draft,
        "failed": failed,
    }


def _last_run(request: HttpRequest, head: dict[str, Any], flow: Flow) -> dict[str, Any]:
    """The newest runs, and how far the last of them is, if it ran the version that is drawn."""
    workflow, version = head["workflow"], head["version"]
    page = executions_page(request.user, ExecutionFilter(workflow=workflow.pk), size=RUNS_ON_PAGE)
    last = page.rows[0] if page.rows else None
    fits = last and version and last.execution.version_id == version.pk
    found = progress(last.execution, flow.iterates) if last and fits else None
    return {"runs": page.rows, "last": last, "progress": found}


@require_GET
def workflow_executions(request: HttpRequest, slug: str) -> HttpResponse:
    """The workflow's executions, in its own frame of tabs."""
    workflow = get_workflow_for(request.user, slug)
    asked = read_address(request.GET, request.user, workflow)
    context = _head(workflow) | list_context(request, asked, [workflow]) | {"of_workflow": True}
    return render_page(request, "workflows/workflow_executions.html", context, FRAGMENTS)
