"""One step of a run in full: input, output, error, its attempts, what differs from another time, and its replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from director import json_diff
from director.given import number_in
from executions.models import Execution, ExecutionStep
from executions.queries import attempts_of, get_step_for, walk_of
from executions.queries.replays import counterparts_of
from executions.queries.stories import secrets_in
from executions.services import get_execution_for
from executions.states import StepStatus
from executions.views.replay import form_context
from executions.views.replay_form import ReplayForm
from records.secrets import Secrets
from workflows.flow import flow_of

PARTS = ("input", "output", "error")


@dataclass(frozen=True, slots=True)
class Side:
    """Another time that the step was done. key: what `?against=` says. row: without its values."""

    key: str
    label: str
    row: ExecutionStep


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two times of a step beside each other; diffs: (part, rows of a `.diff` box, "" where both are the same)."""

    before: Side
    after: Side
    diffs: list[tuple[str, SafeString]]
    part: str

    @property
    def diff(self) -> SafeString:
        return dict(self.diffs)[self.part]


@require_GET
def step_page(request: HttpRequest, number: int, pk: int) -> HttpResponse:
    """`?attempt=3` shows that attempt of the same step. `?against=2` (an attempt), `?against=run-7` (the original or a
    replay) or `?against=row-9` (any run) says what it is compared with, `?part=input` what of it."""
    execution = get_execution_for(request.user, number)
    step = get_step_for(execution, pk)
    attempts = attempts_of(step)
    shown = _shown(request, step, attempts)
    flow = flow_of(execution.version)
    sides = _sides(shown, attempts)
    secrets = secrets_in(shown)
    context = {
        "execution": execution,
        "step": shown,
        "attempts": attempts,
        "flow": flow,
        "defined": flow.step(shown.alias),
        "walk": [(row, flow.step(row.alias)) for row in walk_of(shown)],
        "input": secrets.hide(shown.input),
        "output": secrets.hide(shown.output),
        "error": secrets.hide(shown.error),
        "has_failed": shown.status in (StepStatus.FAILED, StepStatus.INTERRUPTED),
        "waited_ms": _with_waits(attempts),
        "sides": sides,
        "comparison": _compared(request, shown, sides, secrets),
        **form_context(execution, _replay_form(shown), flow),
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


def _replay_form(step: ExecutionStep) -> ReplayForm:
    """The panel's form as it begins here: at this step, for its record."""
    record = step.record.record_id if step.record else ""
    return ReplayForm(step=step.alias, which="one" if record else "all", record=record)


# --- what differs -----------------------------------------------------------------------------------------------------


def _sides(shown: ExecutionStep, attempts: Sequence[ExecutionStep]) -> list[Side]:
    """Return what the step may be compared with, the most telling first: attempts backwards, then other runs."""
    others = [row for row in reversed(attempts) if row.pk != shown.pk]
    sides = [Side(str(row.attempt), f"Attempt {row.attempt}", row) for row in others]
    return sides + [_of_run(row, shown) for row in counterparts_of(shown)]


def _of_run(row: ExecutionStep, shown: ExecutionStep) -> Side:
    kind = "Original" if row.frame_id == shown.frame.origin_id else "Replay"
    return Side(f"run-{row.execution.number}", f"{kind} #{row.execution.number}", row)


def _compared(request: HttpRequest, shown: ExecutionStep, sides: Sequence[Side], secrets: Secrets) -> Comparison | None:
    """The step beside the one that is asked for, else beside the attempt before it or the original; older first."""
    asked = request.GET.get("against", "")
    other = _of_row(request, asked) if asked.startswith("row-") else _against(asked, shown, sides)
    if other is None:
        return None
    mine = Side("", f"Attempt {shown.attempt}" if other.key.isdigit() else f"#{shown.execution.number}", shown)
    values = get_step_for(other.row.execution, other.row.pk)
    before, after = sorted(((mine, shown), (other, values)), key=lambda side: side[1].pk)
    same = values.execution.workflow_id == shown.execution.workflow_id
    hidden = secrets_in(values, secrets) if same else secrets | secrets_in(values)
    diffs = [(part, _diff(before[1], after[1], part, hidden)) for part in PARTS]
    changed = [part for part in ("output", "error", "input") if dict(diffs)[part]]
    part = request.GET.get("part", "")
    return Comparison(before[0], after[0], diffs, part if part in PARTS else next(iter(changed), "output"))


def _of_row(request: HttpRequest, asked: str) -> Side | None:
    """A row of any run that the user may see, as the page that compares two runs names it."""
    visible = Execution.objects.all().visible_to(request.user)
    rows = ExecutionStep.objects.filter(pk=number_in(asked.removeprefix("row-")) or 0, execution__in=visible)
    row = rows.select_related("execution").first()
    return Side(asked, f"#{row.execution.number}", row) if row else None


def _against(asked: str, shown: ExecutionStep, sides: Sequence[Side]) -> Side | None:
    if asked:
        return next((side for side in sides if side.key == asked), None)
    usual = (side for side in sides if side.key == str(shown.attempt - 1) or side.row.frame_id == shown.frame.origin_id)
    return next(usual, None)


def _diff(before: ExecutionStep, after: ExecutionStep, part: str, secrets: Secrets) -> SafeString:
    return json_diff.render(secrets.hide(getattr(before, part)), secrets.hide(getattr(after, part)))


@require_GET
def step_raw(request: HttpRequest, number: int, pk: int, part: str) -> HttpResponse:
    """The whole of an input, output or error as JSON, for values too long for the page."""
    if part not in PARTS:
        raise Http404(f"A step has {', '.join(PARTS)}, not {part}.")
    step = get_step_for(get_execution_for(request.user, number), pk)
    return JsonResponse(
        secrets_in(step).hide(getattr(step, part)), safe=False, json_dumps_params={"indent": 2, "ensure_ascii": False}
    )
