"""What a person can do about a run or a record: each a POST that does it, says so, and shows the page again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from director.errors import DirectorError
from director.given import reason_in
from executions import control
from executions.models import Execution, TriggerType
from executions.queries import walking
from executions.queries.causes import FIRST
from executions.repair import retry_group
from executions.retry import Retried, retry_failed, retry_records
from executions.services import get_execution_for, start_execution
from records.page_queries import get_record_for, messages_of, records_failed_with
from workflows.services import get_workflow_for

Said = SafeString | str


def _action(do: Callable[..., tuple[str, Said]]) -> Callable[..., HttpResponse]:
    """A view of a function that returns where to go and what to say; a refusal is said on the page it came from."""

    @require_POST
    @wraps(do)
    def view(request: HttpRequest, **place: object) -> HttpResponse:
        try:
            where, said = do(request, **place)
        except DirectorError as refusal:
            if refusal.http_status == 404:
                raise
            messages.error(request, refusal.message)
            return redirect(_back(request))
        messages.success(request, said)
        return redirect(where)

    return view


def _back(request: HttpRequest) -> str:
    """The page that the form was on."""
    came_from = request.META.get("HTTP_REFERER", "")
    is_ours = url_has_allowed_host_and_scheme(came_from, {request.get_host()}, require_https=request.is_secure())
    return came_from if is_ours else resolve_url("home")


def _execution_url(execution: Execution) -> str:
    return reverse("execution_page", args=[execution.number])


@_action
def workflow_run(request: HttpRequest, *, slug: str) -> tuple[str, Said]:
    """Start an execution of the newest published version and show it."""
    workflow = get_workflow_for(request.user, slug)
    execution = start_execution(workflow, trigger_type=TriggerType.MANUAL, user=request.user).execution
    return _execution_url(execution), f"#{execution.number} of {workflow.name} is started"


@_action
def execution_retry(request: HttpRequest, *, number: int) -> tuple[str, Said]:
    """Retry the run's failed records."""
    retried = retry_failed(get_execution_for(request.user, number), user=request.user, reason=reason_in(request.POST))
    return _execution_url(retried.executions[0]), told_of(retried)


@_action
def record_retry(request: HttpRequest, *, pk: UUID) -> tuple[str, Said]:
    """Retry one record from the step at which it failed."""
    record = get_record_for(request.user, pk)
    retried = retry_records(record.workflow_id, user=request.user, records=[record.pk], reason=reason_in(request.POST))
    return _back(request), told_of(retried, record.record_id)


@_action
def record_pause(request: HttpRequest, *, pk: UUID) -> tuple[str, Said]:
    """Hold one record back at its next step, in the run that works on it."""
    record = get_record_for(request.user, pk)
    execution = walking(record).execution
    control.pause(execution, user=request.user, reason=reason_in(request.POST), records=[record.record_id])
    return _back(request), f"{record.record_id} pauses at its next step"


@_action
def record_resume(request: HttpRequest, *, pk: UUID) -> tuple[str, Said]:
    """Let one record go on, also out of a run that is paused as a whole."""
    record = get_record_for(request.user, pk)
    execution = walking(record).execution
    control.resume(execution, user=request.user, reason=reason_in(request.POST), records=[record.record_id])
    return _back(request), f"{record.record_id} goes on"


@_action
def cause_retry(request: HttpRequest, *, slug: str, cause: str) -> tuple[str, Said]:
    """Retry the records of a workflow that failed with one cause, or the first few of them."""
    workflow = get_workflow_for(request.user, slug)
    failed = records_failed_with(workflow.pk, messages_of([workflow.pk], cause))[: _first(request)]
    retried = retry_records(workflow.pk, user=request.user, records=failed, reason=reason_in(request.POST), cause=cause)
    return _back(request), told_of(retried)


@_action
def group_retry(request: HttpRequest, *, number: int, cause: str) -> tuple[str, Said]:
    """Retry the records of a run that failed with one cause, or the first few of them."""
    execution = get_execution_for(request.user, number)
    done = retry_group(execution, cause, first=_first(request), user=request.user, reason=reason_in(request.POST))
    return _execution_url(execution), told_of(done.retried)


def _first(request: HttpRequest) -> int | None:
    return FIRST if request.POST.get("first") else None


def told_of(retried: Retried, what: str = "") -> Said:
    """In words and with a link to exactly these records."""
    what = what or (f"{retried.records:,} records" if retried.records != 1 else "1 record")
    verb = "are" if retried.records != 1 else "is"
    links = [
        format_html('<a class="btn btn-sm" href="{}">View</a>', _execution_url(run)) for run in retried.executions[:1]
    ]
    return format_html("<span>{} {} being retried</span>{}", what, verb, links[0] if links else "")
