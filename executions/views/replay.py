"""The replay panel: what to replay, what that would do, and starting it.

/executions/7/replay/?step=send&record=email_004      the panel, in a drawer or as a page; POST starts the replay
/executions/7/replay/effect/                          POST of the form: what it would do, and what is wrong with it
/executions/7/replay/change/?step=send&part=input     a row of the form in which a step is changed
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from director.errors import DirectorError
from director.htmx import is_htmx, render_page
from executions.models import Execution
from executions.queries.replays import Effect, effect_of, replays_of, unrecorded
from executions.replay import services as replay
from executions.replay import shadow
from executions.services import get_execution_for
from executions.views.replay_form import (
    PARTS,
    STATUSES,
    WHICH,
    ChangeRow,
    ReplayForm,
    changeable,
    fields_of,
    new_row,
    read_form,
)
from workflows.definition.compile import compile_plan
from workflows.definition.plan import Plan
from workflows.flow import Flow, flow_of
from workflows.models import VersionStatus

ASKED_ABOVE = 25  # so many records are replayed without asking again
VERSIONS_OFFERED = 50


@require_http_methods(["GET", "POST"])
def replay_page(request: HttpRequest, number: int) -> HttpResponse:
    """GET shows the form; POST starts the replay and leads to the new execution."""
    execution = get_execution_for(request.user, number)
    if request.method == "POST":
        return _start(request, execution)
    context = form_context(execution, read_form(request.GET), flow_of(execution.version))
    return render_page(
        request, "executions/replay_page.html", context, {"replay-panel": "executions/_replay_panel.html"}
    )


@require_POST
def replay_effect(request: HttpRequest, number: int) -> HttpResponse:
    """What the form as it stands would do; nothing is started."""
    execution = get_execution_for(request.user, number)
    form = read_form(request.POST)
    try:
        effect = _effect(execution, form.request(execution))
    except DirectorError as refusal:
        return _answer(request, execution, form, status=422, refusal=refusal)
    return _answer(request, execution, form, effect=effect)


@require_GET
def replay_change(request: HttpRequest, number: int) -> HttpResponse:
    """A new row for a change; or, with `change=<key>`, that row anew for another step or part of it."""
    execution = get_execution_for(request.user, number)
    form = read_form(request.GET)
    plan = compile_plan(form.version_of(execution) or execution.version)
    if form.changes:
        asked = form.changes[0]
        row = new_row(execution, asked.step, asked.part, asked.record, asked.key)
    else:
        steps = [step.alias for step in changeable(plan)]
        step = form.step if form.step in steps else next(iter(steps), "")
        row = new_row(execution, step, "input", form.record if form.which == "one" else "")
    response = render(request, "executions/_replay_change.html", change_context(execution, row, plan))
    response["HX-Trigger-After-Settle"] = "replay:changed"
    return response


@require_GET
def execution_replays(request: HttpRequest, number: int) -> HttpResponse:
    """What the page of a run says of replays: which it is of, which were made of it, and how a dry one turned out."""
    execution = get_execution_for(request.user, number)
    return render(request, "executions/_execution_replays.html", replays_context(execution))


def replays_context(execution: Execution) -> dict[str, Any]:
    is_dry = bool(execution.overrides.get("dry"))
    return {
        "execution": execution,
        "original": execution.replay_of,
        "replays": replays_of(execution),
        "is_dry": is_dry,
        "is_shadow": shadow.is_shadow(execution),
        "unrecorded": unrecorded(execution) if is_dry else [],
        "loaded": True,
    }


def form_context(execution: Execution, form: ReplayForm, flow: Flow) -> dict[str, Any]:
    """What the form shows. flow: of the execution's version. One query."""
    published = execution.workflow.versions.filter(status=VersionStatus.PUBLISHED).exclude(pk=execution.version_id)
    return {
        "execution": execution,
        "form": form,
        "steps": list(flow.steps.values()),
        "versions": list(published.order_by("-number").values_list("number", flat=True)[:VERSIONS_OFFERED]),
        "which_choices": WHICH,
        "status_choices": STATUSES,
        "stays_dry": bool(execution.overrides.get("dry")),
    }


def _start(request: HttpRequest, execution: Execution) -> HttpResponse:
    form = read_form(request.POST)
    try:
        asked = form.request(execution)
        effect = _effect(execution, asked)
        if effect.records > ASKED_ABOVE and not form.agrees_to(effect.records):
            return _answer(request, execution, form, effect=effect, asks=True)
        started = replay.replay(execution, asked, user=request.user, reason=form.reason)
    except DirectorError as refusal:
        return _answer(request, execution, form, status=422, refusal=refusal)
    messages.success(request, f"#{started.number} replays #{execution.number}")
    where = reverse("execution_page", args=[started.number])
    return HttpResponse(status=204, headers={"HX-Redirect": where}) if is_htmx(request) else redirect(where)


def _effect(execution: Execution, asked: replay.Request) -> Effect:
    return effect_of(replay.preview(execution, asked), flow_of(asked.version or execution.version))


def _answer(
    request: HttpRequest, execution: Execution, form: ReplayForm, *, status: int = 200, **context: Any
) -> HttpResponse:
    """What the form would do or why it cannot, and beside each change what was made of it; without htmx the page."""
    if is_htmx(request):
        shown = {"form": form, "execution": execution, "swapped": True, **context}
        return render(request, "executions/_replay_answer.html", shown, status=status)
    shown = form_context(execution, form, flow_of(execution.version)) | context
    plan = compile_plan(execution.version)
    shown["changes"] = [change_context(execution, row, plan) for row in form.changes]
    return render(request, "executions/replay_page.html", shown, status=status)


def change_context(execution: Execution, row: ChangeRow, plan: Plan) -> dict[str, Any]:
    return {
        "execution": execution,
        "row": row,
        "steps_changeable": changeable(plan),
        "fields": fields_of(plan, row),
        "parts": PARTS,
    }
