"""The list of records."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from director.htmx import render_page
from records.page_queries import (
    STATUS_CAP,
    WORKFLOWS_LIMIT,
    RecordFilter,
    failure_causes,
    record_types,
    records_page,
    status_counts,
)
from records.states import RecordStatus
from workflows.models import Workflow

CAUSES_SHOWN = 6
WORKFLOWS_HEARD = 100  # the page listens to changes of so many workflows


@require_GET
def record_list(request: HttpRequest) -> HttpResponse:
    """Every filter is in the address: status, workflow, type, q (the beginning of an id), cause."""
    workflows = {one.pk: one for one in Workflow.objects.all().visible_to(request.user)[:WORKFLOWS_LIMIT]}
    chosen = next((one for one in workflows.values() if one.slug == request.GET.get("workflow")), None)
    ids = [chosen.pk] if chosen else list(workflows)
    status = request.GET.get("status", "")
    narrow = RecordFilter(
        workflows=ids,
        status=status if status in RecordStatus.values else "",
        type=request.GET.get("type", ""),
        text=request.GET.get("q", "").strip(),
        cause=request.GET.get("cause", ""),
    )
    context = {
        "page": records_page(narrow, request.GET.get("cursor", "")),
        "narrow": narrow,
        "workflow": chosen,
        "workflows": workflows,
        "counts": status_counts(ids),
        "cap": STATUS_CAP,
        "types": record_types(ids),
        "listens": ",".join(one.hex for one in ids[:WORKFLOWS_HEARD]),
        "causes": failure_causes(ids, CAUSES_SHOWN) if narrow.status == RecordStatus.FAILED else [],
    }
    return render_page(request, "records/record_list.html", context, {"rec-table": "records/_record_table_swap.html"})
