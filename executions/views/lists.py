"""The list of executions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from director.htmx import render_page
from executions.queries import ExecutionFilter, executions_page
from workflows.models import Workflow

WORKFLOWS_HEARD = 100  # the page listens to changes of so many workflows
STATUS_CHOICES = (
    ("", "All"),
    ("open", "Not over"),
    ("waiting", "Waiting"),
    ("paused", "Paused"),
    ("failed", "Failed"),
    ("completed", "Completed"),
    ("cancelled", "Cancelled"),
)


@require_GET
def execution_list(request: HttpRequest) -> HttpResponse:
    visible = Workflow.objects.all().visible_to(request.user)
    workflow = visible.filter(slug=request.GET.get("workflow", "")).first()
    narrow = ExecutionFilter(
        request.GET.get("status", ""), workflow.pk if workflow else None, request.GET.get("label", "").strip()
    )
    page = executions_page(request.user, narrow, request.GET.get("cursor", ""))
    workflows = list(visible.only("name", "slug")[:WORKFLOWS_HEARD])
    context = {
        "page": page,
        "narrow": narrow,
        "workflow": workflow,
        "workflows": workflows,
        "listens": ",".join(one.pk.hex for one in workflows),
        "status_choices": STATUS_CHOICES,
    }
    return render_page(
        request, "executions/execution_list.html", context, {"exec-table": "executions/_execution_table.html"}
    )
