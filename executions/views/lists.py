"""The list of executions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from director.htmx import render_page
from executions.queries import ExecutionFilter, executions_page
from workflows.models import Workflow


@require_GET
def execution_list(request: HttpRequest) -> HttpResponse:
    visible = Workflow.objects.all().visible_to(request.user)
    workflow = visible.filter(slug=request.GET.get("workflow", "")).first()
    narrow = ExecutionFilter(
        request.GET.get("status", ""), workflow.pk if workflow else None, request.GET.get("label", "").strip()
    )
    page = executions_page(request.user, narrow, request.GET.get("cursor", ""))
    context = {"page": page, "narrow": narrow, "workflow": workflow, "workflows": visible.only("name", "slug")[:100]}
    return render_page(request, "executions/execution_list.html", context, {"exec-table": "executions/_execution_table.html"})
