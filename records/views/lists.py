"""The list of records: filters, columns, order and views in the address; and what is kept of it for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from director.errors import DirectorError
from director.htmx import render_page
from director.paging import Page
from records import queries
from records.asked import COLUMNS, NARROWING, SINCE, Asked, Column, read_address
from records.errors import CursorInvalid
from records.filters import COMPARISONS
from records.masking import mask_at
from records.models import SavedView, WorkflowRecord
from records.page_queries import counts_by_type, failure_causes
from records.patches import format_path
from records.states import RecordStatus
from records.timeline import leaves

CAUSES_SHOWN = 6
WORKFLOWS_HEARD = 100  # the page listens to changes of so many workflows
COUNTED = 1_000  # records that match are counted up to here; beyond it they are "more than"
SAMPLE = 20  # newest records whose fields are offered as columns
OFFERED = 60
VIEWS_KEPT = 50
FRAGMENTS = {"rec-table": "records/_record_table_swap.html", "rec-list": "records/_record_list_swap.html"}
COMPARED = {
    "eq": "is",
    "ne": "is not",
    "gt": "is more than",
    "ge": "is at least",
    "lt": "is less than",
    "le": "is at most",
    "contains": "contains",
    "begins": "begins with",
    "exists": "exists",
}
assert list(COMPARED) == list(COMPARISONS)


@dataclass(frozen=True, slots=True)
class Row:
    """A record in the list; cells beside it as they may be shown, one for each column."""

    record: WorkflowRecord
    cells: list[tuple[Column, Any]]


@require_GET
def record_list(request: HttpRequest) -> HttpResponse:
    if request.GET.get("path"):
        return redirect(f"{request.path}?{_with_test(request.GET)}")
    asked = read_address(request.GET, request.user)
    return render_page(request, "records/record_list.html", list_context(request, asked), FRAGMENTS)


def list_context(request: HttpRequest, asked: Asked) -> dict[str, Any]:
    """Return what the list shows. At most 9 queries, at any number of records."""
    types = counts_by_type(asked.ids)
    counts = _by_status(types, asked.narrow.type)
    page = _page(asked, request.GET.get("cursor", ""))
    total, is_more = _total(asked, counts, page)
    return {
        "asked": asked,
        "page": replace(page, total=total),
        "is_more": is_more,
        "rows": [Row(record, list(_cells(record, asked))) for record in page.rows],
        "workflow": asked.workflow,
        "workflows": asked.workflows,
        "counts": counts,
        "total": counts.total(),
        "types": list(types),
        "listens": ",".join(one.hex for one in asked.ids[:WORKFLOWS_HEARD]),
        "causes": failure_causes(asked.ids, CAUSES_SHOWN) if asked.status == RecordStatus.FAILED else [],
        "saved_views": list(SavedView.objects.filter(user=request.user.pk).order_by("name")[:VIEWS_KEPT]),
        "since": list(SINCE),
        "comparisons": COMPARED.items(),
        "creators": _creators(asked),
    }


def _page(asked: Asked, cursor: str) -> Page[WorkflowRecord]:
    options: dict[str, Any] = {"order": asked.order, "whole": False, "picked": asked.paths}
    try:
        return queries.records_page(asked.ids, asked.narrow, cursor=cursor, **options)
    except CursorInvalid:
        return queries.records_page(asked.ids, asked.narrow, **options)
    except DirectorError as error:
        asked.refused.append(error)
        return Page([], 0, None, "", "")


def _by_status(types: dict[str, dict[str, int]], chosen: str) -> Counter[str]:
    """The records by status, of one type or of all."""
    counts: Counter[str] = Counter()
    for name, statuses in types.items():
        if not chosen or name == chosen:
            counts.update(statuses)
    return counts


def _total(asked: Asked, counts: Counter[str], page: Page[WorkflowRecord]) -> tuple[int | None, bool]:
    """How many records match, and whether there are more than that; None where counting would take its time."""
    if asked.narrow.only_counted:
        return counts[asked.status] if asked.status else counts.total(), False
    if page.is_whole:
        return len(page.rows), False
    if asked.narrow.fields or asked.workflow is None:
        return None, True
    found = queries.count(asked.workflow.pk, asked.narrow, limit=COUNTED + 1)
    return min(found, COUNTED), found > COUNTED


def _cells(record: WorkflowRecord, asked: Asked) -> Iterator[tuple[Column, Any]]:
    picked = iter(record.picked)
    for column in asked.columns:
        if column.path:
            yield column, mask_at(column.path, next(picked))
        else:  # the workflow's name is known: asking the record for its workflow would be a query for each
            yield column, None if column.name == "workflow" else getattr(record, column.name)


def _creators(asked: Asked) -> list[str]:
    """Who or what made records of the workflow, by skipping through the index; up to 20. One query."""
    if asked.workflow is None:
        return []
    statement = """
    WITH RECURSIVE made AS (
        (SELECT created_by, 1 AS number FROM record_search WHERE workflow_id = %(workflow)s ORDER BY created_by LIMIT 1)
        UNION ALL
        SELECT (SELECT s.created_by FROM record_search s WHERE s.workflow_id = %(workflow)s
            AND s.created_by > made.created_by ORDER BY s.created_by LIMIT 1), made.number + 1
        FROM made WHERE made.created_by IS NOT NULL AND made.number < 20
    ) SELECT created_by FROM made WHERE created_by IS NOT NULL
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, {"workflow": asked.workflow.pk})
        return [creator for (creator,) in cursor.fetchall()]


def _with_test(given: QueryDict) -> str:
    """The address with the test of a field that its form describes by path, is and value."""
    said = given.copy()
    path, comparison, value = (said.pop(name, [""])[-1].strip() for name in ("path", "is", "value"))
    said.appendlist("where", f"{path} {comparison} {value}".strip())
    said.pop("cursor", None)
    return said.urlencode()


# --- columns and fields -----------------------------------------------------------------------------------------------


@require_GET
def record_columns(request: HttpRequest) -> HttpResponse:
    """The choice of columns, with the fields that the newest records have."""
    asked = read_address(request.GET, request.user)
    newest = queries.records_page(asked.ids, replace(asked.narrow, fields=()), size=SAMPLE).rows
    paths = dict.fromkeys(format_path(path) for record in newest for path, _ in leaves(record.data) if len(path) > 1)
    chosen = [column.name for column in asked.columns]
    context = {
        "asked": asked,
        "chosen": chosen,
        "standard": COLUMNS.items(),
        "paths": list(dict.fromkeys([*(one.name for one in asked.columns if one.path), *paths]))[:OFFERED],
        "kept": _kept(request.GET, "columns"),
    }
    return render(request, "records/_record_columns.html", context)


def _kept(given: QueryDict, *but: str) -> list[tuple[str, str]]:
    """The address's parameters as a form keeps them."""
    return [(name, value) for name, values in given.lists() if name not in (*but, "cursor") for value in values]


# --- views ------------------------------------------------------------------------------------------------------------


@require_POST
def view_save(request: HttpRequest) -> HttpResponse:
    """Keep the list under a name; one of the same name is replaced."""
    name = request.POST.get("name", "").strip()[:100]
    query = QueryDict(request.POST.get("query", "")[:10_000], mutable=True)
    for kept in list(query):
        if kept not in (*NARROWING, "order", "columns"):
            query.pop(kept)
    where = f"{reverse('record_list')}?{query.urlencode()}"
    if not name:
        messages.error(request, "The view was not saved: give it a name.")
        return redirect(where)
    SavedView.objects.update_or_create(user_id=_user_id(request), name=name, defaults={"query": query.urlencode()})
    messages.success(request, f"“{name}” is saved")
    return redirect(where)


def _user_id(request: HttpRequest) -> int:
    assert request.user.pk is not None  # every view asks for a signed-in user
    return request.user.pk


@require_POST
def view_delete(request: HttpRequest, pk: int) -> HttpResponse:
    deleted, _ = SavedView.objects.filter(user=request.user.pk, pk=pk).delete()
    if not deleted:
        raise Http404("There is no such view, or it is not yours.")
    messages.success(request, "The view is deleted; the records stay.")
    return redirect("record_list")
