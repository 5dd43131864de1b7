"""Controlling a run from its page: pause, resume, change, cancel, breakpoints, and what people have done so far.

    /executions/7/control/pause/     the form, for the dialog; what: pause, resume, change, cancel
    /executions/7/pause/             POST does it: a plain button's, or the form's

Refused, a form comes back with what is wrong at its fields; else the dialog closes and the page fetches itself anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from director.errors import DirectorError
from director.given import reason_in
from director.htmx import is_htmx, target
from executions import control
from executions.models import Execution
from executions.queries.interventions import interventions_page
from executions.queries.outcome import outcome
from executions.queries.progress import progress
from executions.services import get_execution_for
from executions.views.control_form import (
    RECORDS,
    UNITS,
    VARIABLES,
    PauseForm,
    ResumeForm,
    new_value_row,
    read_pause,
    read_resume,
)
from executions.views.replay import change_context
from executions.views.replay_form import changeable
from records.typed import KINDS
from workflows.definition.compile import compile_plan

BODY = "control-body"  # the part of the dialog that a form is in
WHAT = ("pause", "resume", "change", "cancel")


@require_GET
def control_form(request: HttpRequest, number: int, what: str) -> HttpResponse:
    """A form for the dialog; `?step=` and `?record=` say with what it begins."""
    execution = get_execution_for(request.user, number)
    if what not in WHAT:
        raise Http404(f"There is no form to {what}; there are {', '.join(WHAT)}.")
    if not is_htmx(request):
        return redirect("execution_page", number=number)
    step, record = request.GET.get("step", ""), request.GET.get("record", "")
    form: Any = None
    if what == "pause":
        form = PauseForm(what="step" if step else "records" if record else "run", step=step, records=record)
    elif what in ("resume", "change"):
        form = ResumeForm()
    return _form(request, execution, what, form)


@require_GET
def control_row(request: HttpRequest, number: int) -> HttpResponse:
    """One more row of a form: a record's field, or with `?of=variables` a variable."""
    execution = get_execution_for(request.user, number)
    row = new_value_row(VARIABLES if request.GET.get("of") == VARIABLES else RECORDS)
    return render(request, "executions/_control_row.html", {"execution": execution, "row": row, "kinds": KINDS})


@require_POST
def execution_pause(request: HttpRequest, number: int) -> HttpResponse:
    execution = get_execution_for(request.user, number)
    form = read_pause(request.POST)
    return _do(request, execution, "pause", form.pause, f"#{number} pauses at the next step", form)


@require_POST
def execution_resume(request: HttpRequest, number: int) -> HttpResponse:
    execution = get_execution_for(request.user, number)
    form = read_resume(request.POST)
    return _do(request, execution, "resume", form.resume, f"#{number} goes on", form)


@require_POST
def execution_change(request: HttpRequest, number: int) -> HttpResponse:
    execution = get_execution_for(request.user, number)
    form = read_resume(request.POST)
    return _do(request, execution, "change", form.change, f"#{number} is changed from the next step on", form)


@require_POST
def execution_cancel(request: HttpRequest, number: int) -> HttpResponse:
    execution = get_execution_for(request.user, number)

    def cancel(execution: Execution, user: Any) -> None:
        control.cancel(execution, user=user, reason=reason_in(request.POST))

    return _do(request, execution, "cancel", cancel, f"#{number} is cancelled: nothing more is begun", None)


@require_POST
def execution_breakpoint(request: HttpRequest, number: int) -> HttpResponse:
    """Hold every record back before a step (`on=1`), or those that come from now on no more."""
    execution = get_execution_for(request.user, number)
    step, is_set = request.POST.get("step", ""), request.POST.get("on") == "1"

    def put(execution: Execution, user: Any) -> None:
        if is_set:
            control.pause(execution, user=user, steps=[step])
        else:
            control.clear(execution, [step], user=user)

    said = f"Records stop before {step}" if is_set else f"Records do not stop before {step} any more"
    return _do(request, execution, "pause", put, said, None)


@require_GET
def execution_interventions(request: HttpRequest, number: int) -> HttpResponse:
    """What people did to the run, newest first; `?people=` is the place in the list."""
    execution = get_execution_for(request.user, number)
    page = interventions_page(execution, request.GET.get("people", ""))
    return render(request, "executions/_execution_interventions.html", {"execution": execution, "people": page})


def _do(
    request: HttpRequest,
    execution: Execution,
    what: str,
    do: Callable[[Execution, Any], None],
    said: str,
    form: PauseForm | ResumeForm | None,
) -> HttpResponse:
    """Do it and say so; a refusal is shown in the form it came from, or said where there is none."""
    try:
        do(execution, request.user)
    except DirectorError as refusal:
        if target(request) == BODY:
            return _form(request, execution, what, form, refusal)
        return _said(request, execution, refusal.message, is_bad=True)
    return _said(request, execution, said)


def _said(request: HttpRequest, execution: Execution, text: str, *, is_bad: bool = False) -> HttpResponse:
    if not is_htmx(request):
        (messages.error if is_bad else messages.success)(request, text)
        return redirect("execution_page", number=execution.number)
    response = render(request, "executions/_control_done.html", {"text": text, "is_bad": is_bad})
    response["HX-Trigger"] = "director:refresh"
    return response


def _form(
    request: HttpRequest, execution: Execution, what: str, form: Any, refusal: DirectorError | None = None
) -> HttpResponse:
    plan = compile_plan(execution.version)
    context = {"execution": execution, "what": what, "form": form, "refusal": refusal, "kinds": KINDS, "units": UNITS}
    if what == "pause":
        context["steps"] = list(plan.steps.values())
    elif what == "cancel":
        context |= {"progress": progress(execution), "outcome": outcome(execution)}
    else:
        context["changes"] = [change_context(execution, row, plan) for row in form.steps]
        context["first"] = next((step.alias for step in changeable(plan)), "")
    status = 200 if refusal is None else refusal.http_status if refusal.http_status == 409 else 422
    return render(request, f"executions/_control_{'resume' if what == 'change' else what}.html", context, status=status)
