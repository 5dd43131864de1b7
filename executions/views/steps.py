"""One step of a run in full: input, output, error, its attempts, and what else its walk did."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from executions.models import ExecutionStep
from executions.queries import attempts_of, get_step_for, walk_of
from executions.services import get_execution_for
from executions.states import StepStatus
from records.masking import mask_tree
from workflows.flow import flow_of

PARTS = ("input", "output", "error")


@require_GET
def step_page(request: HttpRequest, number: int, pk: int) -> HttpResponse:
    """`?attempt=3` shows that attempt of the same step."""
    execution = get_execution_for(request.user, number)
    step = get_step_for(execution, pk)
    attempts = attempts_of(step)
    shown = _shown(request, step, attempts)
    flow = flow_of(execution.version)
    context = {
        "execution": execution,
        "step": shown,
        "attempts": attempts,
        "flow": flow,
        "defined": flow.step(shown.alias),
        "walk": [(row, flow.step(row.alias)) for row in walk_of(shown)],
        "input": mask_tree(shown.input),
        "output": mask_tree(shown.output),
        "error": mask_tree(shown.error),
        "has_failed": shown.status in (StepStatus.FAILED, StepStatus.INTERRUPTED),
        "waited_ms": _with_waits(attempts),
    }
    return render(request, "executions/step_detail.html", context)


def _shown(request: HttpRequest, step: ExecutionStep, attempts: list[ExecutionStep]) -> ExecutionStep:
    """The attempt that is asked for, or the one in the address; inputs and outputs come with it."""
    wanted = request.GET.get("attempt", "")
    for attempt in attempts:
        if str(attempt.attempt) == wanted and attempt.pk != step.pk:
            return get_step_for(step.execution, attempt.pk)
    return step


def _with_waits(attempts: list[ExecutionStep]) -> float | None:
    """From the first attempt's beginning to the last one's end, in milliseconds; None with one attempt."""
    first, last = attempts[0], attempts[-1]
    if first is last or last.duration_ms is None:
        return None
    return (last.started_at - first.started_at).total_seconds() * 1000 + last.duration_ms


@require_GET
def step_raw(request: HttpRequest, number: int, pk: int, part: str) -> HttpResponse:
    """The whole of an input, output or error as JSON, for values too long for the page."""
    if part not in PARTS:
        raise Http404(f"A step has {', '.join(PARTS)}, not {part}.")
    step = get_step_for(get_execution_for(request.user, number), pk)
    return JsonResponse(
        mask_tree(getattr(step, part)), safe=False, json_dumps_params={"indent": 2, "ensure_ascii": False}
    )
