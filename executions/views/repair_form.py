"""What the page of a record that stands still offers: the form that decides or repairs, filled in and with its outlook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from django.http import HttpRequest

from director.errors import DirectorError
from director.jsontools import ValueInvalid
from executions import repair
from executions.models import ExecutionFrame
from executions.queries.failure import Failure, changeable, failure_of, outlook, rows_of, values_of
from executions.queries.secrets import secrets_of_frame
from executions.repair import AGAIN, DONE
from executions.views.record_tree import at
from executions.waiting import why_record
from records.errors import PathInvalid
from records.models import WorkflowRecord
from records.patches import BUCKETS, parse_path
from records.secrets import Secrets
from records.typed import KINDS, MAX_CHARACTERS, kind_of, written

FIELD, OUTPUT, INPUT = "field", "output", "input"
CHANGES = ((FIELD, "A field of the record"), (OUTPUT, "What a step gave"), (INPUT, "What a step was given"))
DECISIONS = ((DONE, "It happened: treat it as done"), (AGAIN, "It did not: do it again"))
PATHS_OFFERED = 100
MANY = 25  # a repair of more records asks first


@dataclass(slots=True)
class RepairForm:
    """The form as it is filled in. what: FIELD, OUTPUT, INPUT, DONE or AGAIN. wrong: the field that the error is about."""

    what: str
    step: str = ""
    path: str = ""
    kind: str = "text"
    text: str = ""
    reason: str = ""
    alike: bool = False
    shown: int = 1
    error: DirectorError | None = None
    wrong: str = ""

    kinds = KINDS

    @property
    def rows(self) -> int:
        return min(16, max(self.text.count("\n") + 1, 3))


def repair_context(request: HttpRequest, record: WorkflowRecord, last: ExecutionFrame | None) -> dict[str, Any]:
    """Return what the page says about a record that stands still, and the form that the address opens."""
    failure = failure_of(record, last)
    if failure is None:
        return {"failure": None, "why": why_record(record) if record.status in ("waiting", "discovered") else ""}
    form = _asked(request, failure)
    return {"failure": failure, "why": "", **opened(failure, form)}


def _asked(request: HttpRequest, failure: Failure) -> RepairForm | None:
    what = request.GET.get("repair", "")
    if what not in choices(failure):
        return None
    form = RepairForm(what, request.GET.get("step", ""), request.GET.get("path", ""))
    form.alike = request.GET.get("alike") == "1"
    fill(failure, form)
    return form


def choices(failure: Failure) -> dict[str, str]:
    return dict(DECISIONS if failure.is_interrupted else CHANGES)


def opened(failure: Failure, form: RepairForm | None) -> dict[str, Any]:
    context: dict[str, Any] = {"repair_form": form, "repair_choices": choices(failure).items(), "many": MANY}
    if failure.is_interrupted:
        context |= {"look": repair.interrupted(failure.frame.execution, failure.record.record_id)}
        context["look_input"] = _secrets(failure).shown(context["look"].input)
    if form is None:
        return context
    rows = rows_of(failure)
    alias = form.step if form.what in (OUTPUT, INPUT) else ""
    return context | {
        "outlook": outlook(failure, rows, form.what, alias),
        "repair_steps": changeable(failure, rows),
        "repair_paths": _paths(failure.record),
        "alike_count": len(repair.members(failure.frame.execution, failure.cause)),
    }


def _paths(record: WorkflowRecord) -> list[str]:
    found = [f"{bucket}.{key}" for bucket in BUCKETS for key in record.data.get(bucket) or {}]
    return found[:PATHS_OFFERED]


def fill(failure: Failure, form: RepairForm) -> None:
    """Put what stands there now into the form, secrets masked."""
    if form.what == FIELD:
        __fill_field(failure, form)
    elif form.what in (OUTPUT, INPUT):
        steps = changeable(failure, rows_of(failure))
        form.step = form.step if form.step in steps else next(iter(steps), "")
        given, gave = values_of(failure, form.step)
        value = given if form.what == INPUT else gave
        form.text = "" if value is None else _pretty(_secrets(failure).shown(value), form)


def __fill_field(failure: Failure, form: RepairForm) -> None:
    try:
        path = parse_path(form.path) if form.path else ()
    except PathInvalid as error:
        form.error, form.wrong = error, "path"
        return
    value = _secrets(failure).hide_at(path, at(failure.record.data, path)) if path else ""
    form.text = written(value)
    if value is not None:  # where nothing stands yet, the type is the person's to say
        form.kind = kind_of(value)


def _secrets(failure: Failure) -> Secrets:
    return secrets_of_frame(failure.frame.execution, failure.frame.pk)


def _pretty(value: Any, form: RepairForm) -> str:
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    if len(text) > MAX_CHARACTERS:
        form.error = ValueInvalid(form.step, f"has {len(text):,} characters, too many for a form; change it by the API")
        return ""
    return text
