"""Cancelling or replaying all executions that match a filter, in the background, one by one.

Which ones are meant is written down when the operation begins, a row for each; what is done to one, its outcome and the
sums are one transaction. So a worker that is killed loses nothing and repeats nothing, and the sums add up.

    filter: {"status": "open", "workflow": "inbox-triage", "labels": {"client": "acme"}, "numbers": [12, 13]}
    parameters of a replay: {"step": "send", "statuses": ["failed"], "skip_completed": true, "dry": true}
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from director.errors import DirectorError
from executions import control
from executions.models import Execution, ExecutionBulk, ExecutionBulkItem, ExecutionBulkKind
from executions.queries.lists import ExecutionFilter
from executions.refusals import BulkFilterRefused, BulkNotFound
from executions.replay import Choice, Request, replay
from records.nudge import SLICE_SECONDS, STALLED_AFTER, nudge, nudge_on_commit
from workflows.services import get_workflow_for

TASK = "executions.run_bulk"
MAX_EXECUTIONS = 100_000
DONE, REFUSED = "done", "refused"
PARTS = ("status", "workflow", "labels", "numbers")


def matching(user: Any, narrow: Mapping[str, Any]) -> QuerySet[Execution]:
    """Return the executions that the filter means, of those the user may see; raises BulkFilterRefused."""
    for part in narrow:
        if part not in PARTS:
            raise BulkFilterRefused(part, PARTS)
    workflow = get_workflow_for(user, narrow["workflow"]).pk if narrow.get("workflow") else None
    rows = ExecutionFilter(narrow.get("status", ""), workflow).apply(Execution.objects.all().visible_to(user))
    if narrow.get("labels"):
        rows = rows.filter(labels__contains=narrow["labels"])
    if "numbers" in narrow:
        rows = rows.filter(number__in=narrow["numbers"])
    return rows


@transaction.atomic
def start(
    kind: str, narrow: Mapping[str, Any], parameters: Mapping[str, Any], *, user: Any, reason: str = ""
) -> ExecutionBulk:
    """Begin the operation and return it; the oldest executions come first. Raises BulkFilterRefused."""
    meant = matching(user, narrow).order_by("number").values_list("pk", flat=True)[:MAX_EXECUTIONS]
    bulk = ExecutionBulk.objects.create(
        kind=kind, filter=dict(narrow), parameters=dict(parameters), actor=user, reason=reason
    )
    items = (ExecutionBulkItem(bulk=bulk, execution_id=pk) for pk in meant)
    bulk.total = len(ExecutionBulkItem.objects.bulk_create(items, batch_size=5_000))
    bulk.finished_at = None if bulk.total else timezone.now()
    bulk.save(update_fields=["total", "finished_at"])
    nudge_on_commit(TASK, bulk.pk)
    return bulk


def get_bulk_for(user: Any, bulk_id: UUID) -> ExecutionBulk:
    """Return an operation that the user began; raises BulkNotFound."""
    found = ExecutionBulk.objects.filter(pk=bulk_id, actor=user).first()
    if found is None:
        raise BulkNotFound(str(bulk_id))
    return found


def run(bulk_id: UUID, *, seconds: float = SLICE_SECONDS) -> bool:
    """Work on the operation for some seconds; return whether there is more to do."""
    deadline = time.monotonic() + seconds
    while work_on(bulk_id):
        if time.monotonic() > deadline:
            return True
    return False


@transaction.atomic
def work_on(bulk_id: UUID) -> bool:
    """Do the next execution; return whether there may be another. False too while someone else is at it."""
    bulk = (
        ExecutionBulk.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("actor")
        .filter(pk=bulk_id, finished_at=None)
        .first()
    )
    if bulk is None:
        return False
    item = (
        bulk.items.filter(outcome="").select_related("execution__workflow", "execution__version").order_by("pk").first()
    )
    if item is None:
        bulk.finished_at = timezone.now()
        bulk.save(update_fields=["finished_at"])
        return False
    _do(bulk, item)
    item.save(update_fields=["outcome", "reason", "result"])
    bulk.done, bulk.refused = bulk.done + (item.outcome == DONE), bulk.refused + (item.outcome == REFUSED)
    bulk.worked_at = timezone.now()
    bulk.save(update_fields=["done", "refused", "worked_at"])
    return True


def resume_stalled() -> int:
    """Ask for work on operations that nobody has worked on for a while; return how many. Called by the sweep."""
    stalled = ExecutionBulk.objects.filter(finished_at=None, worked_at__lt=Now() - STALLED_AFTER)
    bulks = list(stalled.values_list("pk", flat=True))
    ExecutionBulk.objects.filter(pk__in=bulks).update(worked_at=Now())
    for bulk in bulks:
        nudge(TASK, bulk)
    return len(bulks)


def _do(bulk: ExecutionBulk, item: ExecutionBulkItem) -> None:
    try:
        with transaction.atomic():
            if bulk.kind == ExecutionBulkKind.CANCEL:
                control.cancel(item.execution, user=bulk.actor, reason=bulk.reason)
            else:
                request = request_of(bulk.parameters)
                item.result = replay(item.execution, request, user=bulk.actor, reason=bulk.reason)
        item.outcome = DONE
    except DirectorError as refusal:
        item.outcome, item.reason = REFUSED, refusal.message


def request_of(parameters: Mapping[str, Any]) -> Request:
    """Return what a replay of any execution is asked for; records are known to one run alone and so not among it."""
    chosen = Choice(statuses=parameters.get("statuses", ()), pattern=parameters.get("pattern", ""))
    skips, dry = bool(parameters.get("skip_completed")), bool(parameters.get("dry"))
    return Request(parameters.get("step", ""), chosen, skips, dry=dry)
