"""The list of executions: all that one may see, or a workflow's."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from director.htmx import render_page
from executions.asked import REPLAYS, TRIGGERS, Asked, read_address
from executions.queries import executions_page
from workflows.models import Workflow

WORKFLOWS_HEARD = 100  # the page listens to changes of so many workflows
PEOPLE_OFFERED = 50
STATUS_CHOICES = (
    ("", "All"),
    ("open", "Not over"),
    ("waiting", "Waiting"),
    ("paused", "Paused"),
    ("failed", "Failed"),
    ("completed", "Completed"),
    ("cancelled", "Cancelled"),
)
FRAGMENTS = {
    "exec-list": "executions/_execution_list_swap.html",
    "exec-table": "executions/_execution_table.html",
}


@require_GET
def execution_list(request: HttpRequest) -> HttpResponse:
    """See `executions.asked` for what may be in the address. At most 8 queries."""
    asked = read_address(request.GET, request.user)
    workflows = list(Workflow.objects.all().visible_to(request.user).only("name", "slug", "owner")[:WORKFLOWS_HEARD])
    context = list_context(request, asked, workflows) | {
        "workflows": workflows,
        "listens": ",".join(one.pk.hex for one in workflows),
    }
    return render_page(request, "executions/execution_list.html", context, FRAGMENTS)


def list_context(request: HttpRequest, asked: Asked, workflows: list[Workflow]) -> dict[str, Any]:
    """Return what the table, its filters and its bulk bar show. Four queries. workflows: whose people are offered."""
    return {
        "page": executions_page(request.user, asked.narrow, request.GET.get("cursor", "")),
        "asked": asked,
        "narrow": asked.narrow,
        "status_choices": STATUS_CHOICES,
        "triggers": TRIGGERS.items(),
        "replays": REPLAYS.items(),
        "people": _people(workflows),
        "beside_search": [(name, text) for name in request.GET for text in request.GET.getlist(name) if name in KEPT],
    }


KEPT = ("label", "trigger", "by", "from", "to", "replays")  # what the search's form sends along


def _people(workflows: list[Workflow]) -> list[Any]:
    """Who may start these workflows. One query."""
    ids = [workflow.pk for workflow in workflows]
    sharing = Workflow.collaborators.through.objects.filter(workflow__in=ids).values("user")
    users = get_user_model().objects.filter(Q(pk__in=[one.owner_id for one in workflows]) | Q(pk__in=sharing))
    return list(users.order_by("username")[:PEOPLE_OFFERED])
