"""Two executions beside each other: how many records and steps differ, and which, value by value.

/executions/7/compare/            leads to the run that this one is best compared with, or asks for one
/executions/7/compare/9/          from #7 to #9; `?step=`, `?verdict=` and `?q=` narrow the list
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from director import paging
from director.htmx import render_page
from executions.models import Execution
from executions.queries.history import Line, lines_between
from executions.replay import comparison
from executions.replay.comparison import DIFFERENT, ONLY_A, ONLY_B, Difference
from executions.services import get_execution_for
from workflows.flow import flow_of

PAGE_SIZE = 25
RUNS_OFFERED = 30
DIFFER = (DIFFERENT, ONLY_A, ONLY_B)


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A difference with the values that differ, as they may be shown."""

    found: Difference
    lines: list[Line]

    @property
    def row(self) -> int:
        """The journal row whose page shows it; the newer run's where there is one."""
        return self.found.row_b or self.found.row_a or 0


@require_GET
def compare_choose(request: HttpRequest, number: int) -> HttpResponse:
    """`?other=9` leads to the comparison with #9; without it to that with the original, or the newest replay."""
    execution = get_execution_for(request.user, number)
    asked = request.GET.get("other", "").strip()
    if asked:
        return redirect("compare_page", number, get_execution_for(request.user, asked).number)
    if execution.replay_of is not None:
        return redirect("compare_page", execution.replay_of.number, number)
    newest = execution.replays.order_by("-number").values_list("number", flat=True).first()
    if newest is not None:
        return redirect("compare_page", number, newest)
    return render(request, "executions/compare_choose.html", {"a": execution, "runs": _runs(execution)})


@require_GET
def compare_page(request: HttpRequest, number: int, other: int) -> HttpResponse:
    a, b = get_execution_for(request.user, number), get_execution_for(request.user, other)
    context = {"a": a, "b": b, "flow": flow_of(b.version), "steps": _steps(a, b), "runs": _runs(a)}
    context |= _page(request, a, b)
    return render_page(
        request, "executions/compare_page.html", context, {"compare-rows": "executions/_compare_rows.html"}
    )


@require_GET
def compare_counts(request: HttpRequest, number: int, other: int) -> HttpResponse:
    """The counts, which look at every record of both runs; fetched by the page after it is shown."""
    a, b = get_execution_for(request.user, number), get_execution_for(request.user, other)
    found = comparison.compare(a, b)
    context = {"a": a, "b": b, "counts": found, "flow": flow_of(b.version)}
    context["per_step"] = [(alias, counts) for alias, counts in _in_order(found.steps, _steps(a, b))]
    return render(request, "executions/_compare_counts.html", context)


def _page(request: HttpRequest, a: Execution, b: Execution) -> dict[str, Any]:
    """The differences that are asked for, a page of them."""
    narrow = {"step": request.GET.get("step", ""), "record": request.GET.get("q", "").strip()}
    verdict = request.GET.get("verdict", "")
    verdicts = (verdict,) if verdict in DIFFER else DIFFER
    at = paging.parse(request.GET.get("cursor", ""), (int, str))
    after = (int(at.key[0]), str(at.key[1])) if at else None
    found = comparison.differences(a, b, verdicts=verdicts, after=after, limit=PAGE_SIZE + 1, **narrow)
    page = paging.page_of([_row(one) for one in found], at, lambda row: list(row.found.key), size=PAGE_SIZE)
    return {
        "page": page,
        "narrow": narrow,
        "verdict": verdict,
        "verdict_choices": ("", *DIFFER),
        "is_narrowed": verdict or any(narrow.values()),
    }


def _row(found: Difference) -> DifferenceRow:
    is_both = found.verdict == DIFFERENT
    lines = lines_between(found.output_a, found.output_b, root=("output",)) if is_both else []
    return DifferenceRow(found, lines)


def _steps(a: Execution, b: Execution) -> list[str]:
    """Aliases of both versions, in the order of the newer one's document."""
    steps = list(flow_of(b.version).steps)
    return steps if a.version_id == b.version_id else list(dict.fromkeys([*steps, *flow_of(a.version).steps]))


def _in_order(counts: Mapping[str, Any], steps: list[str]) -> list[tuple[str, Any]]:
    return [(alias, counts[alias]) for alias in steps if alias in counts]


def _runs(execution: Execution) -> list[Execution]:
    """Return runs to compare with: what belongs to the execution, then the newest of its workflow. One query."""
    related = Q(replay_of=execution) | Q(pk=execution.replay_of_id)
    runs = Execution.objects.filter(workflow=execution.workflow_id).exclude(pk=execution.pk).select_related("version")
    return list(runs.annotate(is_related=related).order_by("-is_related", "-number")[:RUNS_OFFERED])
