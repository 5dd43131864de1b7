"""The list of records."""

from __future__ import annotations

from collections import Counter

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from director.htmx import render_page
from records.page_queries import (
    WORKFLOWS_LIMIT,
    RecordFilter,
    counts_by_type,
    failure_causes,
    records_page,
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
    types = counts_by_type(ids)
    counts = _by_status(types, narrow.type)
    context = {
        "page": records_page(narrow, request.GET.get("cursor", ""), total=_total(counts, narrow)),
        "narrow": narrow,
        "workflow": chosen,
        "workflows": workflows,
        "counts": counts,
        "total": counts.total(),
        "types": list(types),
        "listens": ",".join(one.hex for one in ids[:WORKFLOWS_HEARD]),
        "causes": failure_causes(ids, CAUSES_SHOWN) if narrow.status == RecordStatus.FAILED else [],
    }
    return render_page(request, "records/record_list.html", context, {"rec-table": "records/_record_table_swap.html"})


def _by_status(types: dict[str, dict[str, int]], chosen: str) -> Counter[str]:
    """The records by status, of one type or of all."""
    counts: Counter[str] = Counter()
    for name, statuses in types.items():
        if not chosen or name == chosen:
            counts.update(statuses)
    return counts


def _total(counts: Counter[str], narrow: RecordFilter) -> int | None:
    """How many records the filter leaves, where the kept counts tell."""
    if narrow.text or narrow.cause:
        return None
    return counts[narrow.status] if narrow.status else counts.total()
