"""The list of records: filters, columns and order in the address, and the menu of each row."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET
from psycopg.errors import QueryCanceled

from director.errors import DirectorError
from director.htmx import render_page
from director.paging import Page
from records import queries
from records.asked import COLUMNS, ROWS, SINCE, Asked, kept_of, read_address
from records.errors import CursorInvalid
from records.filters import COMPARISONS, RecordFilter
from records.models import WorkflowRecord
from records.page_queries import CAUSES_LIMIT, counts_by_type, failure_causes, get_record_for
from records.patches import format_path
from records.places import runs
from records.states import HELD, RecordStatus, may_move
from records.timeline import leaves
from records.views.rows import rows_of
from records.views.saved import first_view, views_of
from workflows.models import WorkflowStep

CAUSES_SHOWN = 6
WORKFLOWS_HEARD = 100  # the page listens to changes of so many workflows
COUNTED = 1_000  # records that match are counted up to here; beyond it they are "more than"
COUNTING_MS = 50
SAMPLE = 20  # newest records whose fields are offered as columns
OFFERED = 60
STEPS_OFFERED = 100
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


@require_GET
def record_list(request: HttpRequest) -> HttpResponse:
    if request.GET.get("path"):
        return redirect(f"{request.path}?{_with_test(request.GET)}")
    if not request.GET and (first := first_view(request.user)):
        return redirect(f"{request.path}?{first}")
    asked = read_address(request.GET, request.user)
    return render_page(request, "records/record_list.html", list_context(request, asked), FRAGMENTS)


def list_context(request: HttpRequest, asked: Asked) -> dict[str, Any]:
    """Return what the list shows. At most 14 queries, at any number of records."""
    types = counts_by_type(asked.ids)
    counts = _by_status(types, asked.narrow.type)
    matching = counts[asked.status] if asked.status else counts.total()
    page = _page(asked, request.GET.get("cursor", ""), matching)
    total, is_more = _total(asked, counts, page)
    return {
        "asked": asked,
        "page": replace(page, total=total),
        "is_more": is_more,
        "rows": rows_of(page.rows, asked),
        "sizes": ROWS,
        "workflow": asked.workflow,
        "workflows": asked.workflows,
        "counts": counts,
        "total": counts.total(),
        "types": list(types),
        "listens": ",".join(one.hex for one in asked.ids[:WORKFLOWS_HEARD]),
        "causes": failure_causes(asked.ids, CAUSES_SHOWN) if asked.status == RecordStatus.FAILED else [],
        "causes_of": CAUSES_LIMIT,
        "saved_views": views_of(request.user, asked.query),
        "since": list(SINCE),
        "comparisons": COMPARED.items(),
        "creators": _creators(asked),
        "steps": _steps(asked),
    }


def _page(asked: Asked, cursor: str, matching: int) -> Page[WorkflowRecord]:
    options: dict[str, Any] = {"order": asked.order, "whole": False, "picked": asked.paths, "size": asked.size}
    options["matching"] = matching
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
    found = _counted(asked.workflow.pk, asked.narrow)
    return (None, True) if found is None else (min(found, COUNTED), found > COUNTED)


def _counted(workflow: UUID, narrow: RecordFilter) -> int | None:
    """How many match, up to one more than COUNTED; None where that would take longer than a person waits for a number."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {COUNTING_MS}")
            return queries.count(workflow, narrow, limit=COUNTED + 1)
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            return None
        raise


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


def _steps(asked: Asked) -> list[str]:
    """The steps of the workflow's newest version, in order. One query."""
    if asked.workflow is None:
        return []
    newest = asked.workflow.versions.filter(number__isnull=False).order_by("-number").values("pk")[:1]
    rows = WorkflowStep.objects.filter(version__in=newest).order_by("pk")
    return list(rows.values_list("alias", flat=True)[:STEPS_OFFERED])


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
        "kept": [
            (name, value) for name, values in kept_of(request.GET).lists() if name != "columns" for value in values
        ],
    }
    return render(request, "records/_record_columns.html", context)


# --- a row ------------------------------------------------------------------------------------------------------------


@require_GET
def record_menu(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What can be done about one record, as it stands now."""
    record = get_record_for(request.user, pk)
    context = {
        "record": record,
        "place": runs().places([record.pk]).get(record.pk),
        "is_held": record.status in HELD,
        "may_skip": record.status != RecordStatus.SKIPPED and may_move(record.status, RecordStatus.SKIPPED),
    }
    return render(request, "records/_record_menu.html", context)
