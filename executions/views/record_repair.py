"""Putting a failed record right from its page: decide about a step that may have happened, or change something and go on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from director.errors import DirectorError
from director.given import number_in, reason_in
from director.growth import has_grown
from director.jsontools import ValueInvalid, loads
from executions import repair
from executions.queries import runs_of
from executions.queries.failure import Failure, failure_of, values_of
from executions.refusals import AlikeGrown, ModificationRefused, NotFailed
from executions.repair import AGAIN, DONE, Repair
from executions.retry import Retried
from executions.views.actions import told_of
from executions.views.record_tree import at
from executions.views.records import record_context
from executions.views.repair_form import FIELD, INPUT, OUTPUT, RepairForm, choices, fill, opened
from records.errors import PathInvalid
from records.models import ChangeSource
from records.page_queries import get_record_for
from records.patches import parse_path
from records.typed import read, with_secrets


@require_POST
def record_repair(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Do what the form says; with `look` only show the form again as it now is. A refusal comes back in the form."""
    record = get_record_for(request.user, pk)
    runs = runs_of(record)
    failure = failure_of(record, runs[0] if runs else None)
    form = _read(request)
    if failure is None or form.what not in choices(failure):
        messages.error(request, NotFailed(record.record_id, record.status).message)
        return redirect("record_page", pk=pk)
    if "look" in request.POST:
        fill(failure, form)
        context = {"record": record, "failure": failure, **opened(failure, form)}
        return render(request, "records/_record_repair.html", context)
    try:
        done = _do(failure, form, request.user)
    except DirectorError as refusal:
        form.error, form.wrong = refusal, form.wrong or "value"
        context = record_context(request, record) | opened(failure, form)
        return render(request, "records/record_detail.html", context, status=refusal.http_status)
    messages.success(request, told_of(done, record.record_id if done.records == 1 else ""))
    return redirect("record_page", pk=pk)


def _read(request: HttpRequest) -> RepairForm:
    given = request.POST
    return RepairForm(
        what=given.get("what", ""),
        step=given.get("step", ""),
        path=given.get("path", "").strip(),
        kind=given.get("kind", "text"),
        text=given.get("value", ""),
        reason=reason_in(given),
        alike=given.get("alike") == "1",
        shown=number_in(given.get("shown", "")) or 1,
    )


def _do(failure: Failure, form: RepairForm, user: Any) -> Retried:
    execution, records = failure.frame.execution, _records(failure, form)
    if form.what in (DONE, AGAIN):
        output = _json(failure, form, None) if form.what == DONE else None
        return repair.decide(
            execution, failure.step, form.what, records=records, output=output, user=user, reason=form.reason
        )
    return repair.repair(execution, records, _repair(failure, form), user=user, reason=form.reason)


def _records(failure: Failure, form: RepairForm) -> list[str]:
    """Raises AlikeGrown when many more than the person agreed to would be meant."""
    own = failure.record.record_id
    if not form.alike:
        return [own]
    found = repair.alike(failure.frame.execution, own)
    if has_grown(form.shown, len(found)):
        form.wrong = "alike"
        raise AlikeGrown(form.shown, len(found))
    return found


def _repair(failure: Failure, form: RepairForm) -> Repair:
    if form.what == FIELD:
        return Repair(edit={form.path: _field(failure, form)}, source=ChangeSource.PAGE)
    given, gave = values_of(failure, form.step)
    if form.what == OUTPUT:
        return Repair(steps={form.step: {OUTPUT: _json(failure, form, gave)}})
    value = _json(failure, form, given)
    standing = given if isinstance(given, dict) else {}
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if key not in standing or standing[key] != item}
    if value == {}:
        raise ModificationRefused(f"steps.{form.step}.input", "is as it was; change a value, or retry the record")
    return Repair(steps={form.step: {INPUT: value}})


def _field(failure: Failure, form: RepairForm) -> Any:
    try:
        path = parse_path(form.path)
    except PathInvalid:
        form.wrong = "path"
        raise
    return with_secrets(read(form.kind, form.text, form.path), at(failure.record.data, path), path)


def _json(failure: Failure, form: RepairForm, standing: Any) -> Any:
    name = form.step or failure.step
    try:
        value = loads(form.text)
    except ValueInvalid as error:
        raise ValueInvalid(name, error.reason) from error
    return with_secrets(value, standing, (name,))
