"""Failure groups: records that failed alike, tried a few first, then retried or repaired together."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from executions.queries import causes_of, tried_of_workflow
from executions.queries.causes import FIRST
from executions.services import get_execution_for
from records.page_queries import messages_of, records_failed_with
from workflows.services import get_workflow_for


@require_GET
def execution_causes(request: HttpRequest, number: int) -> HttpResponse:
    """The groups of a run again, while it is not known yet what became of those that were retried first."""
    execution = get_execution_for(request.user, number)
    context = {"execution": execution, "causes": causes_of(execution)}
    return render(request, "executions/_execution_causes.html", context)


@require_GET
def workflow_cause(request: HttpRequest, slug: str, cause: str) -> HttpResponse:
    """The group of a workflow that the list of records is narrowed to: what to do about it."""
    workflow = get_workflow_for(request.user, slug)
    failed = records_failed_with(workflow.pk, messages_of([workflow.pk], cause))
    tried = tried_of_workflow(workflow.pk, cause)
    context = {
        "workflow": workflow,
        "cause": cause,
        "left": len(failed),
        "sample": failed[0] if failed else None,
        "tried": tried,
        "wants_first": len(failed) > FIRST and tried is None,
    }
    return render(request, "records/_cause_bar.html", context)
